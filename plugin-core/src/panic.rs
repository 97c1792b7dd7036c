//! Catches the panic of a method, with its message, location and backtrace.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::callback::CallbackFailed;
use crate::text::bounded;

/// The longest panic message that travels, in bytes. A person reads it.
const MAX_MESSAGE: usize = 4 * 1024;

/// The longest backtrace that travels, in bytes. It holds about 150 frames with their locations.
const MAX_BACKTRACE: usize = 32 * 1024;

/// What is known of a panic.
#[derive(Clone, Debug)]
pub(crate) struct CaughtPanic {
    pub(crate) message: String,
    /// `file:line:column`.
    pub(crate) location: Option<String>,
    pub(crate) backtrace: Option<String>,
    /// Why a callback failed, where it is that which ended the method.
    pub(crate) failed_callback: Option<String>,
}

/// How many panics of one call are remembered. A method that catches panics of its own may raise many;
/// only the one that leaves it matters, and that is the last or, with a drop that panics, near it.
const MAX_REMEMBERED: usize = 8;

thread_local! {
    /// The panics raised by the method that runs on this thread; `None` when none runs.
    static RAISED: RefCell<Option<Vec<Raised>>> = const { RefCell::new(None) };
}

/// A panic that may or may not leave the method. To put its backtrace into words takes milliseconds.
struct Raised {
    message: String,
    location: Option<String>,
    backtrace: Backtrace,
}

/// Runs `f` and catches its panic. What the program prints about a panic it prints all the same.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, CaughtPanic> {
    catch_payload(f).map_err(|(panic, payload)| {
        // The payload may be a value of the user's whose drop panics too.
        std::mem::forget(payload);
        panic
    })
}

/// Like [`catch`], for a panic that goes on elsewhere.
pub(crate) fn catch_payload<R>(f: impl FnOnce() -> R) -> Result<R, (CaughtPanic, Box<dyn Any + Send>)> {
    install_hook();
    // A method that runs already may have called back, and this may be a part of that.
    let outer = RAISED.replace(Some(Vec::new()));
    // The services of a plugin are shared between threads, so they must cope with a method that ends
    // early on another thread anyway; nothing else outlives the call.
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    let raised = RAISED.replace(outer).unwrap_or_default();
    result.map_err(|payload| {
        let message = message(&*payload);
        let failed_callback = payload.downcast_ref().map(|CallbackFailed(reason)| reason.clone());
        let raised = raised.into_iter().rev().find(|panic| panic.message == message);
        let (location, backtrace) = raised.map(|panic| (panic.location, panic.backtrace)).unzip();
        let panic = CaughtPanic {
            message,
            location: location.flatten(),
            backtrace: backtrace.map(|backtrace| bounded(backtrace, MAX_BACKTRACE)),
            failed_callback,
        };
        (panic, payload)
    })
}

/// Whether a panic that a method raises ends the process, see [`abort_where_raised`].
static ABORTS: AtomicBool = AtomicBool::new(false);

/// Has this process abort where a method raises a panic, from now on.
pub(crate) fn abort_where_raised() {
    ABORTS.store(true, Ordering::Relaxed);
}

/// Puts our hook before the one that is installed, once for the process.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            previous(info);
            // Where it is borrowed, a panic is raised in the middle of another one, which aborts by itself.
            let is_in_method = RAISED.with(|raised| raised.try_borrow().is_ok_and(|raised| raised.is_some()));
            if is_in_method && ABORTS.load(Ordering::Relaxed) {
                std::process::abort();
            }
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    // Not while it is borrowed: a panic here would come in the middle of another one.
    RAISED.with(|raised| {
        let Ok(mut raised) = raised.try_borrow_mut() else { return };
        let Some(raised) = raised.as_mut() else { return };
        if raised.len() == MAX_REMEMBERED {
            raised.remove(0);
        }
        raised.push(Raised {
            message: message(info.payload()),
            location: info.location().map(ToString::to_string),
            backtrace: Backtrace::force_capture(),
        });
    });
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    bounded(text.unwrap_or("a panic with a value that is not a text"), MAX_MESSAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_message_location_and_backtrace() {
        let caught = catch(|| panic!("the {} broke", "cup")).unwrap_err();
        assert_eq!(caught.message, "the cup broke");
        let location = caught.location.unwrap();
        assert!(location.contains("panic.rs:"), "{location}");
        assert!(caught.backtrace.unwrap().contains("a_panic_is_caught"));
    }

    #[test]
    fn a_panic_with_any_value_is_caught() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let caught = catch(|| panic::panic_any(Bomb)).unwrap_err();
        assert!(caught.message.contains("not a text"), "{}", caught.message);
    }

    #[test]
    fn a_huge_message_is_cut_visibly() {
        let caught = catch(|| panic!("{}", "ä".repeat(MAX_MESSAGE))).unwrap_err();
        assert!(caught.message.len() < MAX_MESSAGE + 64);
        assert!(caught.message.ends_with("bytes cut]"), "{}", caught.message);
    }

    #[test]
    fn a_panic_in_a_drop_does_not_hide_the_first_one() {
        struct Second;
        impl Drop for Second {
            fn drop(&mut self) {
                // A nested catch keeps the process alive, as a drop of the user's could.
                let _ = panic::catch_unwind(|| panic!("second"));
            }
        }
        let caught = catch(|| {
            let _second = Second;
            panic!("first");
        });
        assert_eq!(caught.unwrap_err().message, "first");
    }

    #[test]
    fn a_panic_after_one_that_the_method_caught_is_the_one_told() {
        let caught = catch(|| {
            let _ = panic::catch_unwind(|| panic!("inner"));
            panic!("outer");
        });
        assert_eq!(caught.unwrap_err().message, "outer");
    }

    #[test]
    fn a_panic_caught_by_the_method_itself_does_not_fail_the_call() {
        let result = catch(|| {
            let _ = panic::catch_unwind(|| panic!("inner"));
            7
        });
        assert_eq!(result.unwrap(), 7);
    }
}
