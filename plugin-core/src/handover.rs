//! What a value hands over while serde carries it.
//!
//! serde knows bytes alone, and the code that it derives for a type of the user's passes nothing else along. Streams and
//! objects within such a type therefore go beside it: what the value hands over that a thread is encoding, and what the
//! message was handed that it is decoding, is kept with the thread meanwhile.

use std::cell::RefCell;

use crate::callback::{Attached, Granted};
use crate::proto::handles::MAX_HANDLES;
use crate::sync::thread_local;

thread_local! {
    /// `None` while the thread encodes nothing.
    static SENDING: RefCell<Option<Sending>> = const { RefCell::new(None) };
    static RECEIVED: RefCell<Vec<Option<Granted>>> = const { RefCell::new(Vec::new()) };
}

struct Sending {
    /// How much the values before this one hand over.
    before: usize,
    attached: Vec<Attached>,
}

/// Encodes a value of a message whose other values hand over so much. Gives what this one does, in its order.
pub(crate) fn sending<R>(before: usize, encode: impl FnOnce() -> R) -> (R, Vec<Attached>) {
    let sending = Some(Sending { before, attached: Vec::new() });
    let (encoded, sent) = within(|new| SENDING.with(|it| it.replace(new)), sending, encode);
    (encoded, sent.map(|sent| sent.attached).unwrap_or_default())
}

/// Decodes a value of a message that was handed this.
pub(crate) fn receiving<R>(handles: &mut Vec<Option<Granted>>, decode: impl FnOnce() -> R) -> R {
    let received = std::mem::take(handles);
    let (decoded, received) = within(|new| RECEIVED.with(|it| it.replace(new)), received, decode);
    *handles = received;
    decoded
}

/// Hands something over with the value that this thread is encoding; gives its place in the message.
///
/// # Errors
/// When it is encoding none, or the message hands over too much.
pub(crate) fn attach(attached: impl FnOnce() -> Attached) -> Result<u32, String> {
    SENDING.with(|it| {
        let mut sending = it.borrow_mut();
        let Some(sending) = sending.as_mut() else {
            return Err("streams and objects are handed over in calls and their replies, and are no data that could be \
                        stored or sent elsewhere"
                .to_owned());
        };
        let position = sending.before + sending.attached.len();
        check(position)?;
        sending.attached.push(attached());
        Ok(u32::try_from(position).expect("the limit is lower"))
    })
}

/// Whether a message that hands over so much can hand over one thing more.
///
/// # Errors
/// When it cannot.
pub(crate) fn check(attached: usize) -> Result<(), String> {
    match attached < MAX_HANDLES {
        true => Ok(()),
        false => Err(format!("one message hands over {MAX_HANDLES} objects and streams at most")),
    }
}

/// What the message that this thread is decoding was handed at this place.
///
/// # Errors
/// When there is no such thing.
pub(crate) fn granted(position: u32) -> Result<Granted, String> {
    RECEIVED.with(|it| pick(&mut it.borrow_mut(), position))
}

/// Takes what a message was handed at this place.
///
/// # Errors
/// When there is no such thing, or a value has it already: else four bytes would be enough for a value of some hundred,
/// as often as the message says.
pub(crate) fn pick(handles: &mut [Option<Granted>], position: u32) -> Result<Granted, String> {
    let count = handles.len();
    match handles.get_mut(position as usize).map(Option::take) {
        Some(Some(granted)) => Ok(granted),
        Some(None) => Err(format!("two values are number {position} that is handed over")),
        None => Err(format!("a value is number {position} of {count} that are handed over")),
    }
}

/// Runs something while `value` is where `replace` puts it, and gives what is there afterwards. What was there before is
/// there again then, also after a panic of a type of the user's.
fn within<T, R>(replace: impl Fn(T) -> T, value: T, run: impl FnOnce() -> R) -> (R, T) {
    struct PutBack<T, F: Fn(T) -> T>(F, Option<T>);
    impl<T, F: Fn(T) -> T> PutBack<T, F> {
        fn now(&mut self) -> Option<T> {
            self.1.take().map(&self.0)
        }
    }
    impl<T, F: Fn(T) -> T> Drop for PutBack<T, F> {
        fn drop(&mut self) {
            self.now();
        }
    }
    let outer = replace(value);
    let mut outer = PutBack(replace, Some(outer));
    let result = run();
    let left = outer.now().expect("it is put back once");
    (result, left)
}
