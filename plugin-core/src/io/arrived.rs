//! What becomes of a frame that arrived, whichever thread has read it.

use std::sync::Arc;
use std::time::Duration;

use super::calls::{Waiter, Who};
use super::connection::{Connection, Side};
use super::objects::Received;
use super::{lock, now};
use crate::context;
use crate::proto::CONTROL_BUDGET;
use crate::proto::codec;
use crate::proto::frame::{Frame, Header, Kind, Stage};
use crate::proto::message::{CallPrefix, RefuseMessage, ReleaseMessage, ShutdownMessage};
use crate::proto::session::{Role, Violation, check_kind};

/// A call that arrived.
pub(crate) struct Call {
    pub(super) received: Received,
    pub(super) context: Arc<context::State>,
    /// The call of this side within which it is made.
    pub(super) parent: Option<u64>,
}

/// What to do after a frame.
pub(super) enum Next {
    /// To read on.
    Read,
    /// To have a call run, by another thread or this one.
    Call {
        call: Call,
        /// Whether no other one runs.
        is_alone: bool,
    },
    /// What only the thread that serves the plugin does.
    Serve(Order),
}

/// What the host wants of a plugin as a whole.
pub(super) enum Order {
    /// The end, once the running calls are done or this long has passed.
    ShutDown(Duration),
    /// The end at once, for this reason.
    Refused(String),
}

impl Connection {
    pub(super) fn handle(self: &Arc<Self>, frame: Frame) -> Result<Next, Violation> {
        let header = frame.header;
        check_kind(self.role(), header.kind)?;
        let bad = |error: codec::DecodeError| Violation::BadPayload {
            kind: header.kind,
            reason: error.to_string(),
        };
        match header.kind {
            Kind::Reply | Kind::ErrorReply | Kind::FailureReply | Kind::Pong => self.handle_reply(frame)?,
            Kind::Call => return self.handle_call(frame),
            Kind::Cancel => self.handle_cancel(&frame),
            // If it cannot be sent, the next read meets the end of the stream.
            Kind::Ping => self.post(Header::of_call(Kind::Pong, header.call)),
            Kind::Release => {
                let message: ReleaseMessage =
                    codec::decode(&frame.payload.head, CONTROL_BUDGET).map_err(bad)?;
                let (released, outcome) = self.objects.release(&message.objects);
                self.drop_later(released);
                outcome?;
            }
            Kind::Log => {
                if let Side::Host(host) = &self.side {
                    host.record(codec::decode(&frame.payload.head, CONTROL_BUDGET).map_err(bad)?);
                }
            }
            // The end of the stream follows, and says the same.
            Kind::Goodbye => {}
            Kind::Shutdown => {
                let message: ShutdownMessage =
                    codec::decode(&frame.payload.head, CONTROL_BUDGET).map_err(bad)?;
                return Ok(Next::Serve(Order::ShutDown(Duration::from_millis(message.drain_ms))));
            }
            Kind::Refuse => {
                let message: RefuseMessage =
                    codec::decode(&frame.payload.head, CONTROL_BUDGET).map_err(bad)?;
                return Ok(Next::Serve(Order::Refused(message.reason)));
            }
            Kind::Hello => return Err(Violation::UnexpectedKind { kind: header.kind }),
        }
        Ok(Next::Read)
    }

    fn handle_reply(self: &Arc<Self>, mut frame: Frame) -> Result<(), Violation> {
        // A host asks plugins for signs of life, and a plugin nobody.
        if frame.header.kind == Kind::Pong && self.role() == Role::Plugin {
            return Ok(());
        }
        if frame.stage == Stage::Begun {
            return self.calls.expect(&frame.header);
        }
        let handles = self.accept_handles(&mut frame)?;
        match self.calls.settle(&frame.header)? {
            Some(Waiter { who: Who::Nobody, .. }) if frame.header.kind != Kind::Reply => {
                self.count_failed_oneway();
            }
            Some(waiter) => waiter.slot.fill(Ok(Received { frame, handles })),
            None => {}
        }
        Ok(())
    }

    fn handle_call(self: &Arc<Self>, mut frame: Frame) -> Result<Next, Violation> {
        let header = frame.header;
        if frame.stage == Stage::Begun {
            // How long it is waited for is known when it is complete.
            let context = self.context(header.call, None);
            lock(&self.incoming).running.begin(header.call, context, header.nested)?;
            return Ok(Next::Read);
        }
        let prefix = CallPrefix::read(&frame.payload.head, header.nested)
            .map_err(|error| Violation::BadPayload { kind: header.kind, reason: error.to_string() })?;
        let handles = self.accept_handles(&mut frame)?;
        let deadline = prefix.timeout().and_then(|timeout| now().checked_add(timeout));
        let context = self.context(header.call, deadline);
        let mut incoming = lock(&self.incoming);
        if frame.stage == Stage::Complete {
            incoming.running.update(header.call, Arc::clone(&context));
        } else {
            incoming.running.begin(header.call, Arc::clone(&context), header.nested)?;
        }
        let is_alone = incoming.running.is_alone();
        drop(incoming);
        let call = Call { received: Received { frame, handles }, context, parent: prefix.parent };
        Ok(match self.calls.deliver(call) {
            None => Next::Read,
            Some(call) if header.oneway => {
                self.line_up(call);
                Next::Read
            }
            Some(call) => Next::Call { call, is_alone },
        })
    }

    fn handle_cancel(&self, frame: &Frame) {
        let call = frame.header.call;
        if frame.stage == Stage::Broken {
            let mut incoming = lock(&self.incoming);
            incoming.running.withdraw(call);
            self.tell_if_idle(&incoming);
            return;
        }
        let context = lock(&self.incoming).running.cancel(call).cloned();
        if let Some(context) = context {
            context.cancel();
        }
    }
}
