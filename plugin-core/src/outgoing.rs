//! A call of this side: encoding its arguments and sending it. Generated clients use it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::callback::Callback;
use crate::context::current_call;
use crate::error::{CallError, Delivery, TooLarge};
use crate::io::begun::Begun;
use crate::io::connection::NoReply;
use crate::io::future::CallFuture;
use crate::io::line::Way;
use crate::io::parcel::Parcel;
use crate::options::WhenFull;
use crate::proto::codec::{EncodeError, Message};
use crate::proto::frame::{Header, Kind};
use crate::proto::message::CallPrefix;
use crate::remote::Remote;
use crate::reply::{Callee, Replied};
use crate::shape::{DeserializeAs, Same, SerializeAs};
use crate::tries::Tries;

/// A call being made: its arguments are added one by one, then it is sent and its reply decoded.
pub struct OutgoingCall<'r> {
    callee: Callee<'r>,
    /// How the peer is reached, unless that changes before the call is sent.
    way: Cow<'r, Way>,
    draft: Draft<'r>,
    /// What the peer may call meanwhile, by position.
    callbacks: Vec<&'r dyn Callback>,
    /// The largest arguments in bytes.
    limit: u32,
}

/// What is to be sent, as far as it is known.
struct Draft<'m> {
    id: u64,
    /// The call of the peer within which this one is made.
    parent: Option<u64>,
    /// The arguments, behind room for the prefix.
    message: Message<'m>,
    /// What the attributes say; [`Duration::MAX`] is no limit.
    timeout: Option<Duration>,
    /// Whether it may run twice without harm.
    is_idempotent: bool,
    /// The first argument that could not be encoded.
    error: Option<CallError>,
}

impl<'r> OutgoingCall<'r> {
    /// Starts a call of the method `name`, whose wire id is `id`.
    #[must_use]
    pub fn new(remote: &'r Remote, name: &'static str, id: u64) -> Self {
        let way = remote.way();
        let limit = way.connection.max_message();
        let parent = remote.lender.or_else(|| current_call(way.connection.id()));
        let message = Message::of_call(parent.is_some());
        Self {
            callee: Callee { remote, name },
            way,
            draft: Draft { id, parent, message, timeout: None, is_idempotent: false, error: None },
            callbacks: Vec::new(),
            limit,
        }
    }

    /// Sets how long the call takes at most, unless the client says otherwise.
    pub fn timeout(&mut self, timeout: Duration) {
        self.draft.timeout = Some(timeout);
    }

    /// Lets the call take as long as it does, unless the client says otherwise.
    pub fn no_timeout(&mut self) {
        self.draft.timeout = Some(Duration::MAX);
    }

    /// Says that the call may run twice without harm.
    pub fn idempotent(&mut self) {
        self.draft.is_idempotent = true;
    }

    /// Lowers the limit of the arguments to this many bytes.
    pub fn max_message(&mut self, bytes: u32) {
        self.limit = self.limit.min(bytes);
    }

    /// Encodes the next argument, or keeps a large one as it is; an error is kept for the end of the call.
    pub fn arg<S, T: ?Sized>(&mut self, name: &'static str, value: &'r T)
    where
        S: SerializeAs<T>,
    {
        if self.draft.error.is_some() {
            return;
        }
        let limit = self.message_limit();
        let encoded = S::encode(value, &mut self.draft.message, limit);
        self.keep_error(name, encoded);
    }

    /// Encodes the next argument, which has something in it that is handed over.
    pub fn arg_owned<S, T>(&mut self, name: &'static str, value: T)
    where
        S: SerializeAs<T>,
    {
        if self.draft.error.is_some() {
            return;
        }
        let limit = self.message_limit();
        // The message may borrow other arguments, and this one lends it nothing.
        let mut message = std::mem::take(&mut self.draft.message).into_owned();
        let encoded = S::encode_owned(value, &mut message, limit);
        self.draft.message = message;
        self.keep_error(name, encoded);
    }

    /// Lets the peer call the next argument while this call lasts.
    pub fn callback(&mut self, name: &'static str, callback: &'r dyn Callback) {
        let position = self.lend(callback);
        self.append::<u32>(name, &position);
    }

    /// Like [`callback`](Self::callback), for an argument that may be absent.
    pub fn optional_callback(&mut self, name: &'static str, callback: Option<&'r dyn Callback>) {
        let position = callback.map(|callback| self.lend(callback));
        self.append::<Option<u32>>(name, &position);
    }

    fn lend(&mut self, callback: &'r dyn Callback) -> u32 {
        self.callbacks.push(callback);
        u32::try_from(self.callbacks.len() - 1).expect("a method has fewer arguments")
    }

    /// Encodes a small value of our own.
    fn append<T: serde::Serialize>(&mut self, name: &'static str, value: &T) {
        if self.draft.error.is_none() {
            let limit = self.message_limit();
            let encoded = self.draft.message.append::<Same, T>(value, limit);
            self.keep_error(name, encoded);
        }
    }

    /// How far the message may grow.
    fn message_limit(&self) -> usize {
        (self.limit as usize).saturating_add(CallPrefix::len(self.draft.parent.is_some()))
    }

    fn keep_error(&mut self, argument: &'static str, encoded: Result<(), EncodeError>) {
        let Err(error) = encoded else { return };
        self.draft.error = Some(match error {
            EncodeError::TooLarge { size, .. } => CallError::TooLarge(Box::new(TooLarge {
                target: self.callee.target(),
                size: size.saturating_sub(CallPrefix::len(self.draft.parent.is_some()) as u64),
                limit: u64::from(self.limit),
                in_reply: false,
            })),
            error => self.callee.not_encoded(Some(argument), error.to_string()),
        });
    }

    /// Sends the call of a method without a `Result` and waits for its value.
    ///
    /// # Errors
    /// [`CallError`] says what went wrong and whether the plugin may have run the method.
    pub fn value<S, T>(self) -> Result<T, CallError>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        self.result::<S, Same, T, CallError>()
    }

    /// Sends the call of a method with a `Result` and waits for it, `SO` being the shape of its `Ok`.
    ///
    /// # Errors
    /// What the method returned, or the [`CallError`] turned into the method's own error.
    pub fn result<SO, SE, T, E>(self) -> Result<T, E>
    where
        SO: for<'de> DeserializeAs<'de, T>,
        SE: for<'de> DeserializeAs<'de, E>,
        E: From<CallError>,
    {
        let callee = self.callee;
        callee.outcome::<SO, SE, T, E>(self.reply()?)
    }

    /// Sends the call of a method that nobody waits for, and that has no place for an error: one that cannot be sent
    /// is counted.
    pub fn oneway(self) {
        let connection = Arc::clone(&self.way.connection);
        if self.send().is_err() {
            connection.count_failed_oneway();
        }
    }

    /// Sends the call of a method that nobody waits for.
    ///
    /// # Errors
    /// When it was not sent.
    pub fn oneway_result<E: From<CallError>>(self) -> Result<(), E> {
        Ok(self.send()?)
    }

    fn send(mut self) -> Result<(), CallError> {
        // It has its place among other calls that nobody waits for, and not within the one that it is made in.
        if self.callee.remote.lender.is_none() && self.draft.parent.take().is_some() {
            self.draft.message.drop_parent();
        }
        let Self { callee, way, mut draft, .. } = self;
        let when_full = callee.remote.when_full;
        let mut tries = Tries::begin(callee, way, draft.timeout);
        loop {
            let (header, mut parcel) = draft.seal(&tries)?;
            let sent = tries.way.connection.send(header, &mut parcel, when_full, tries.timing.deadline);
            match sent {
                Err(error) => draft.message = tries.again(error, parcel)?,
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Like [`value`](Self::value), for a task: the call is sent when the future is polled, and cancelled when
    /// it is dropped.
    pub fn value_async<S, T>(self) -> impl Future<Output = Result<T, CallError>> + Send + use<S, T>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        self.result_async::<S, Same, T, CallError>()
    }

    /// Like [`result`](Self::result), for a task: the call is sent when the future is polled, and cancelled when
    /// it is dropped.
    pub fn result_async<SO, SE, T, E>(self) -> impl Future<Output = Result<T, E>> + Send + use<SO, SE, T, E>
    where
        SO: for<'de> DeserializeAs<'de, T>,
        SE: for<'de> DeserializeAs<'de, E>,
        E: From<CallError>,
    {
        let Callee { remote, name } = self.callee;
        let (remote, reply) = (remote.clone(), self.reply_async());
        async move { Callee { remote: &remote, name }.outcome::<SO, SE, T, E>(reply.await?) }
    }

    /// Sends the call when it is polled, and waits for a reply that is not a failure.
    pub(crate) fn reply_async(self) -> impl Future<Output = Result<Replied, CallError>> + Send + use<> {
        let Self { callee: Callee { remote, name }, way, draft, .. } = self;
        let (remote, way) = (remote.clone(), way.into_owned());
        let mut draft = Draft { message: draft.message.into_owned(), ..draft };
        async move {
            let mut tries = Tries::begin(Callee { remote: &remote, name }, Cow::Owned(way), draft.timeout);
            loop {
                let (header, parcel) = draft.seal(&tries)?;
                let connection = Arc::clone(&tries.way.connection);
                let deadline = tries.timing.deadline;
                let mut call = CallFuture::new(connection, header, parcel, remote.when_full, deadline);
                match (&mut call).await {
                    Err(error) => draft.message = tries.again_async(error, call.into_parcel()).await?,
                    Ok(reply) => return tries.replied(reply),
                }
            }
        }
    }

    /// Sends the call, and leaves it to the caller to wait for the reply.
    pub(crate) fn begin(self, when_full: WhenFull, deadline: Option<Instant>) -> Result<Begun, CallError> {
        let Self { callee, way, mut draft, .. } = self;
        let tries = Tries::begin(callee, way, draft.timeout);
        let (header, mut parcel) = draft.seal(&tries)?;
        let deadline = deadline.into_iter().chain(tries.timing.deadline).min();
        let begun = tries.way.connection.begin_call(header, &mut parcel, when_full, deadline);
        begun.map_err(|error| tries.failed(error))
    }

    /// Sends the call and waits for a reply that is not a failure.
    pub(crate) fn reply(self) -> Result<Replied, CallError> {
        let Self { callee, way, mut draft, callbacks, .. } = self;
        let when_full = callee.remote.when_full;
        // They may have been called, and would be once more.
        draft.is_idempotent &= callbacks.is_empty();
        let mut tries = Tries::begin(callee, way, draft.timeout);
        loop {
            let (header, mut parcel) = draft.seal(&tries)?;
            let (connection, deadline) = (&tries.way.connection, tries.timing.deadline);
            match connection.call(header, &mut parcel, &callbacks, when_full, deadline) {
                Err(error) => draft.message = tries.again(error, parcel)?,
                Ok(reply) => return tries.replied(reply),
            }
        }
    }
}

impl<'m> Draft<'m> {
    /// Makes a parcel of the message, for the connection of this try.
    fn seal(&mut self, tries: &Tries<'_>) -> Result<(Header, Parcel<'m>), CallError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let Tries { callee, way, timing, left, .. } = tries;
        if left.is_zero() {
            return Err(tries.failed(NoReply::TimedOut(Delivery::NotSent)));
        }
        let mut message = std::mem::take(&mut self.message);
        if tries.is_elsewhere && callee.remote.lender.is_none() && self.parent.take().is_some() {
            // The call that it is made in came from a process that is gone.
            message.drop_parent();
        }
        message.set_prefix(CallPrefix::new(timing.deadline.map(|_| *left), self.parent));
        let mut parcel = Parcel::seal(&way.connection, message)
            .map_err(|reason| tries.told(callee.not_encoded(None, reason)))?;
        if self.is_idempotent && callee.remote.place().is_some() {
            parcel.keep();
        }
        let header = Header {
            object: way.object,
            method: self.id,
            handles: parcel.has_handles(),
            nested: self.parent.is_some(),
            ..Header::bare(Kind::Call)
        };
        Ok((header, parcel))
    }
}

impl fmt::Debug for OutgoingCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingCall").field("target", &self.callee.target()).finish_non_exhaustive()
    }
}
