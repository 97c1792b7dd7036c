//! A message on its way to a peer, with what it hands over.

use std::fmt;
use std::sync::Arc;

use super::connection::Connection;
use super::objects::Loan;
use crate::proto::codec::Message;

/// A message that is to be sent. Until the peer certainly gets it, it can be [opened](Self::open) again and sent
/// elsewhere.
#[derive(Default)]
pub(crate) struct Parcel<'m> {
    message: Message<'m>,
    loan: Loan,
    /// The bytes of the values, without the list of what they hand over.
    len: usize,
    /// Whether the message may be sent again although the peer got it.
    is_kept: bool,
}

impl<'m> Parcel<'m> {
    /// Lends the peer at the other end of `connection` what a message hands over, and says so in the message.
    ///
    /// # Errors
    /// When too much is lent already, with the reason.
    pub(crate) fn seal(connection: &Arc<Connection>, mut message: Message<'m>) -> Result<Self, String> {
        let len = message.len();
        let loan = connection.lend(&mut message)?;
        Ok(Self { message, loan, len, is_kept: false })
    }

    /// Keeps the message when it is sent, so that it can be sent once more; not if it hands over something, which is
    /// then the peer's.
    pub(crate) fn keep(&mut self) {
        self.is_kept = self.loan.is_empty();
    }

    /// Whether the message is there although the peer may have got it.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether the message hands over something.
    pub(crate) fn has_handles(&self) -> bool {
        !self.loan.is_empty()
    }

    /// What is to be sent.
    pub(super) fn message(&mut self) -> &mut Message<'m> {
        &mut self.message
    }

    /// Takes note that the peer gets the message. A copy of large arguments must not stay in memory for as long as
    /// the method runs, unless they may be needed again.
    pub(super) fn sent(&mut self) {
        self.loan.sent();
        if !self.is_kept {
            self.message = Message::default();
        }
    }

    /// The message as it was before it was sealed. Nothing is lent for it any more.
    pub(crate) fn open(self) -> Message<'m> {
        let Self { mut message, loan, len, .. } = self;
        message.truncate(len);
        message.attach_again(loan.take_back());
        message
    }
}

impl fmt::Debug for Parcel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, len, is_kept, .. } = self;
        f.debug_struct("Parcel")
            .field("message", message)
            .field("len", len)
            .field("is_kept", is_kept)
            .finish_non_exhaustive()
    }
}
