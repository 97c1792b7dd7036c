//! Runs the calls of the peer and sends their outcomes.

use std::sync::Arc;

use super::arrived::Call;
use super::connection::Connection;
use super::ending::AfterPanic;
use super::lock;
use super::nested::{self, Panic};
use super::tasks::{Polled, Rest, Task};
use super::writer::WriteError;
use crate::callback::{Callback, Shared};
use crate::context;
use crate::incoming::{Answer, Outcome, Refusal, Reply, Request};
use crate::interface::Service;
use crate::panic::{CaughtPanic, catch, catch_payload};
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
    /// The calls that nobody waits for.
    Lane,
    /// Objects that nobody calls any more; what they do when they are dropped may take long.
    Drop(Vec<Arc<dyn Shared>>),
}

/// What runs a call.
enum Callee {
    /// An instance that is there from the start.
    Service(Arc<dyn Service>),
    /// An object that was lent.
    Shared(Arc<dyn Shared>),
}

impl Callee {
    fn dispatch(&self, request: Request) -> Outcome {
        match self {
            Self::Service(service) => service.dispatch(request),
            Self::Shared(object) => object.dispatch(request),
        }
    }
}

impl Connection {
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

    pub(super) fn submit_work(self: &Arc<Self>, work: Work) {
        // What comes back without a thread may be what another thread has submitted meanwhile.
        let Err(((_, work), error)) = self.workers.submit((Arc::clone(self), work)) else { return };
        let header = match work {
            Work::Call(call) => call.received.frame.header,
            Work::Task(task) => {
                // It has run in part, and nobody will go on with it.
                task.abandon();
                let message = format!("the system gives no thread to go on with the method: {error}");
                let failure = FailureMessage::Panicked { message, location: None, backtrace: None };
                return self.reply(task.header(), Err(failure), false);
            }
            Work::Lane => return self.run_lane(),
            // Then here, and whoever reads waits for it.
            Work::Drop(objects) => return self.drop_now(objects),
        };
        self.reply(header, Err(FailureMessage::NoThread { reason: error.to_string() }), false);
    }

    /// Does what a worker thread was given.
    pub(super) fn work(self: &Arc<Self>, work: Work) {
        match work {
            Work::Call(call) => self.answer(call, false),
            Work::Task(task) => self.go_on(&task),
            Work::Lane => self.run_lane(),
            Work::Drop(objects) => self.drop_now(objects),
        }
    }

    /// Drops objects: here, where they live on, and otherwise on a worker thread.
    pub(super) fn drop_later(self: &Arc<Self>, objects: Vec<Arc<dyn Shared>>) {
        // One whose last owner lets go of it at this moment is dropped here all the same, and whoever reads waits for it.
        let (kept, last): (Vec<_>, Vec<_>) = objects.into_iter().partition(|object| object.is_kept());
        drop_objects(kept);
        if !last.is_empty() {
            lock(&self.incoming).dropping += 1;
            self.submit_work(Work::Drop(last));
        }
    }

    fn drop_now(&self, objects: Vec<Arc<dyn Shared>>) {
        drop_objects(objects);
        let mut incoming = lock(&self.incoming);
        incoming.dropping -= 1;
        self.tell_if_idle(&incoming);
    }

    /// Runs one call and sends its outcome; with `more_follow` not before that of the next one. A call whose method is
    /// `async` may go on afterwards.
    pub(super) fn answer(self: &Arc<Self>, call: Call, more_follow: bool) {
        let Call { received, context, .. } = call;
        let header = received.frame.header;
        // One within a call of this side belongs to what is finished.
        if self.begins_no_more() && !header.nested {
            return self.rest(header.call);
        }
        if context.was_cancelled() {
            return self.reply(header, Err(FailureMessage::Cancelled), more_follow);
        }
        let callee = match self.callee(header.object) {
            Ok(callee) => callee,
            Err(failure) => return self.reply(header, Err(failure), more_follow),
        };
        if matches!(&callee, Callee::Shared(object) if object.is_stream()) {
            self.rest(header.call);
        }
        let request = Request::new(self, received);
        // It takes the callee: once the call is answered, nothing of it holds what the plugin ends with.
        match catch(|| context.enter(move || callee.dispatch(request))) {
            Ok(Outcome::Now(answer)) => self.reply(header, outcome(Ok(answer)), more_follow),
            Ok(Outcome::Later(rest)) => self.begin(header, context, rest, more_follow),
            Err(panic) => self.reply(header, outcome(Err(panic)), more_follow),
        }
    }

    /// Runs one call of something that is lent for the length of a call, and sends its outcome.
    ///
    /// # Errors
    /// When it panicked, with the panic itself.
    pub(super) fn answer_with(self: &Arc<Self>, call: Call, callback: &dyn Callback) -> Result<(), Panic> {
        let Call { received, context, .. } = call;
        let header = received.frame.header;
        if context.was_cancelled() {
            self.reply(header, Err(FailureMessage::Cancelled), false);
            return Ok(());
        }
        let request = Request::new(self, received);
        match catch_payload(|| context.enter(|| callback.run(request))) {
            Ok(Outcome::Now(answer)) => {
                self.reply(header, outcome(Ok(answer)), false);
                Ok(())
            }
            Ok(Outcome::Later(rest)) => {
                self.begin(header, context, rest, false);
                Ok(())
            }
            Err((panic, payload)) => {
                self.reply(header, outcome(Err(panic)), false);
                Err(payload)
            }
        }
    }

    /// Takes note that a call is not to be waited for at the end.
    fn rest(&self, call: u64) {
        let mut incoming = lock(&self.incoming);
        incoming.running.rest(call);
        self.tell_if_idle(&incoming);
    }

    fn callee(&self, object: u64) -> Result<Callee, FailureMessage> {
        if let Some(service) = self.objects.service(object) {
            return Ok(Callee::Service(service));
        }
        match self.objects.lent_object(object) {
            Some(object) => Ok(Callee::Shared(object)),
            None if nested::is_lent(object) => Err(FailureMessage::CallIsOver),
            None => Err(FailureMessage::UnknownObject),
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
        let after = self.look_for_panic(&outcome);
        let header = task.header();
        let is_wanted = self.begin_reply(header) && after != AfterPanic::CutOff;
        // Also when the runtime ends meanwhile.
        let replying = Replying(self);
        // The next read tells that the host is gone, and the writer what else went wrong.
        let _written = match outcome {
            _ if !is_wanted => Ok(()),
            Ok(Reply { kind, mut message }) => match self.lend(&mut message) {
                Ok(mut loan) => {
                    let header = Header { handles: !loan.is_empty(), ..Header::of_call(kind, header.call) };
                    let written = self.writer.write_in_task(message, header).await;
                    if written.is_ok() {
                        loan.sent();
                    }
                    written
                }
                Err(reason) => {
                    let header = Header::of_call(Kind::FailureReply, header.call);
                    self.writer.write_message_in_task(header, &FailureMessage::BadReply { reason }).await
                }
            },
            Err(failure) => {
                let header = Header::of_call(Kind::FailureReply, header.call);
                self.writer.write_message_in_task(header, &failure).await
            }
        };
        drop(replying);
        if after == AfterPanic::End {
            self.end_after_panic();
        }
    }

    /// Writes what was held back.
    pub(super) fn flush(self: &Arc<Self>) {
        // The next read tells that the host is gone, and the writer what else went wrong.
        let _ = self.writer.flush();
    }

    pub(super) fn reply(
        self: &Arc<Self>,
        call: Header,
        outcome: Result<Reply, FailureMessage>,
        more_follow: bool,
    ) {
        let after = self.look_for_panic(&outcome);
        if self.begin_reply(call) && after != AfterPanic::CutOff {
            // The next read tells that the peer is gone, and the writer what else went wrong.
            let _written = self.write_reply(call, outcome, more_follow);
        }
        self.end_reply();
        if after == AfterPanic::End {
            self.end_after_panic();
        }
    }

    fn look_for_panic(&self, outcome: &Result<Reply, FailureMessage>) -> AfterPanic {
        match outcome {
            Err(FailureMessage::Panicked { .. }) => self.note_panic(),
            _ => AfterPanic::GoOn,
        }
    }

    /// Takes note that the reply of a call is about to be written; whether it is to be.
    fn begin_reply(&self, call: Header) -> bool {
        let mut incoming = lock(&self.incoming);
        incoming.running.begin_reply(call.call);
        !incoming.is_cut_off
    }

    fn write_reply(
        self: &Arc<Self>,
        call: Header,
        outcome: Result<Reply, FailureMessage>,
        more_follow: bool,
    ) -> Result<(), WriteError> {
        match outcome {
            Ok(Reply { kind, mut message }) => {
                let mut loan = match self.lend(&mut message) {
                    Ok(loan) => loan,
                    Err(reason) => {
                        return self.write_reply(call, Err(FailureMessage::BadReply { reason }), more_follow);
                    }
                };
                let header = Header { handles: !loan.is_empty(), ..Header::of_call(kind, call.call) };
                let written = if more_follow && message.len() <= MAX_HELD {
                    self.writer.hold(&mut message, header)
                } else {
                    self.writer.write_parts(&mut message, header, None)
                };
                if written.is_ok() {
                    loan.sent();
                }
                written
            }
            Err(failure) => {
                self.writer.write_message(Header::of_call(Kind::FailureReply, call.call), &failure, None)
            }
        }
    }

    /// Takes note that a reply has been written.
    fn end_reply(&self) {
        let mut incoming = lock(&self.incoming);
        incoming.running.end_reply();
        self.tell_if_idle(&incoming);
    }
}

/// A task that writes a reply.
#[cfg(feature = "tokio")]
struct Replying<'c>(&'c Connection);

#[cfg(feature = "tokio")]
impl Drop for Replying<'_> {
    fn drop(&mut self) {
        self.0.end_reply();
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
        Err(CaughtPanic { failed_callback: Some(reason), .. }) => {
            Err(FailureMessage::CallbackFailed { reason })
        }
        Err(panic) => Err(FailureMessage::Panicked {
            message: panic.message,
            location: panic.location,
            backtrace: panic.backtrace,
        }),
    }
}

/// Drops objects of the user's.
pub(super) fn drop_objects(objects: impl IntoIterator<Item = Arc<dyn Shared>>) {
    for object in objects {
        // The program has printed the panic, and nobody waits for anything that could fail.
        let _ = catch(|| drop(object));
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
