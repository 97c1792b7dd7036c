//! Runs the calls of a plugin and sends their outcomes.

use std::sync::Arc;

use super::lock;
use super::server::{Call, Server};
use super::tasks::{Polled, Rest, Task};
use crate::context;
use crate::incoming::{Answer, Outcome, Refusal, Reply, Request};
use crate::interface::Service;
use crate::panic::{CaughtPanic, catch};
use crate::proto::frame::{Header, Kind};
use crate::proto::message::FailureMessage;
use crate::text::bounded;

/// The largest frame that is held back for others, in bytes. To copy it costs less than to send it by itself.
const MAX_HELD: usize = 4 * 1024;

/// The most bytes of a reason that a type of the user's gave: as much as of the message of a panic, so that it
/// always fits into a frame.
const MAX_REASON: usize = 16 * 1024;

/// What a worker thread is given.
pub(super) enum Work {
    /// A call that has not begun.
    Call(Call),
    /// An `async` method that goes on.
    Task(Arc<Task>),
}

impl Server {
    /// Has a worker thread run a call.
    pub(super) fn submit(self: &Arc<Self>, call: Call) {
        self.submit_work(Work::Call(call));
    }

    /// Has an `async` method go on.
    pub(super) fn submit_task(self: &Arc<Self>, task: Arc<Task>) {
        if let Some(task) = self.executor.spawn(self, task) {
            self.submit_work(Work::Task(task));
        }
    }

    fn submit_work(self: &Arc<Self>, work: Work) {
        // What comes back without a thread may be what another thread has submitted meanwhile.
        let Err((work, error)) = self.workers.submit(work) else { return };
        let header = match work {
            Work::Call(call) => call.frame.header,
            Work::Task(task) => task.header(),
        };
        self.reply(header, Err(FailureMessage::NoThread { reason: error.to_string() }), false);
    }

    /// Does what a worker thread was given.
    pub(super) fn work(self: &Arc<Self>, work: Work) {
        match work {
            Work::Call(call) => self.answer(call, false),
            Work::Task(task) => self.go_on(&task),
        }
    }

    /// Runs one call and sends its outcome; with `more_follow` not before that of the next one. A call whose method is
    /// `async` may go on afterwards.
    pub(super) fn answer(self: &Arc<Self>, call: Call, more_follow: bool) {
        let Call { frame, context } = call;
        let header = frame.header;
        if context.was_cancelled() {
            return self.reply(header, Err(FailureMessage::Cancelled), more_follow);
        }
        let Some(service) = self.service(header.object) else {
            return self.reply(header, Err(FailureMessage::UnknownObject), more_follow);
        };
        let request = Request::new(header.method, frame.payload, self.budget, self.max_message);
        match catch(|| context.enter(|| service.dispatch(request))) {
            Ok(Outcome::Now(answer)) => self.reply(header, outcome(Ok(answer)), more_follow),
            Ok(Outcome::Later(rest)) => self.begin(header, context, rest, more_follow),
            Err(panic) => self.reply(header, outcome(Err(panic)), more_follow),
        }
    }

    /// Begins an `async` method.
    fn begin(self: &Arc<Self>, header: Header, context: Arc<context::State>, rest: Rest, more_follow: bool) {
        let task = Task::new(self, header, context, rest);
        if let Some(outcome) = ended(self.executor.enter(|| task.poll())) {
            self.reply(header, outcome, more_follow);
        }
    }

    /// Goes on with an `async` method.
    fn go_on(self: &Arc<Self>, task: &Arc<Task>) {
        if let Some(outcome) = ended(task.poll()) {
            self.reply(task.header(), outcome, false);
        }
    }

    /// Goes on with an `async` method on a thread of a runtime, which must not wait for the host.
    #[cfg(feature = "tokio")]
    pub(super) async fn go_on_in_task(self: &Arc<Self>, task: &Arc<Task>) {
        let Some(outcome) = ended(task.poll()) else { return };
        let header = task.header();
        lock(&self.state).running.begin_reply(header.call);
        // The next read tells that the host is gone, and the writer what else went wrong.
        let _written = match outcome {
            Ok(Reply { kind, message }) => {
                self.writer.write_in_task(message, Header::of_call(kind, header.call)).await
            }
            Err(failure) => {
                let header = Header::of_call(Kind::FailureReply, header.call);
                self.writer.write_message_in_task(header, &failure).await
            }
        };
        self.end_reply();
    }

    /// Writes what was held back.
    pub(super) fn flush(self: &Arc<Self>) {
        // The next read tells that the host is gone, and the writer what else went wrong.
        let _ = self.writer.flush();
    }

    fn service(&self, object: u64) -> Option<Arc<dyn Service>> {
        let index = usize::try_from(object.checked_sub(1)?).ok()?;
        lock(&self.services).get(index).cloned()
    }

    fn reply(self: &Arc<Self>, call: Header, outcome: Result<Reply, FailureMessage>, more_follow: bool) {
        lock(&self.state).running.begin_reply(call.call);
        // The next read tells that the host is gone, and the writer what else went wrong.
        let _written = match outcome {
            Ok(Reply { kind, mut message }) => {
                let header = Header::of_call(kind, call.call);
                if more_follow && message.len() <= MAX_HELD {
                    self.writer.hold(&mut message, header)
                } else {
                    self.writer.write_parts(&mut message, header, None)
                }
            }
            Err(failure) => {
                self.writer.write_message(Header::of_call(Kind::FailureReply, call.call), &failure, None)
            }
        };
        self.end_reply();
    }

    /// Takes note that a reply has been written.
    fn end_reply(&self) {
        let mut state = lock(&self.state);
        state.running.end_reply();
        if state.running.is_empty() {
            self.changed.notify_all();
        }
    }
}

/// The outcome of a method that has ended.
fn ended(polled: Polled) -> Option<Result<Reply, FailureMessage>> {
    match polled {
        Polled::Pending => None,
        Polled::Cancelled => Some(Err(FailureMessage::Cancelled)),
        Polled::Ready(result) => Some(outcome(result)),
    }
}

fn outcome(result: Result<Answer, CaughtPanic>) -> Result<Reply, FailureMessage> {
    match result {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(refusal)) => Err(refusal.into_message()),
        Err(panic) => Err(FailureMessage::Panicked {
            message: panic.message,
            location: panic.location,
            backtrace: panic.backtrace,
        }),
    }
}

impl Refusal {
    fn into_message(self) -> FailureMessage {
        match self {
            Self::UnknownMethod => FailureMessage::UnknownMethod,
            Self::BadArgument { argument, reason } => FailureMessage::BadArguments {
                argument: argument.to_owned(),
                reason: bounded(reason, MAX_REASON),
            },
            Self::BadReply { reason } => FailureMessage::BadReply { reason: bounded(reason, MAX_REASON) },
            Self::ReplyTooLarge { size, limit } => FailureMessage::ReplyTooLarge { size, limit },
        }
    }
}
