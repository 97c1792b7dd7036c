//! What one side lends the other: instances that it may call.

use core::any::Any;
use core::cell::RefCell;
use core::fmt;
use std::sync::Arc;

use crate::dynamic::DynInterface;
use crate::error::CallError;
use crate::incoming::{Answer, Incoming, Outcome, Refusal, Request};
use crate::io::objects::Lease;

/// What the peer may call while a call of this side lasts. It may borrow whatever lives that long.
pub trait Callback {
    /// Runs one call.
    fn run(&self, request: Request) -> Outcome;
}

/// A reference to a trait object, lent for a call.
pub struct Lent<'a, T: ?Sized>(&'a T);

impl<'a, T: DynInterface + ?Sized> Lent<'a, T> {
    /// Lends it.
    #[must_use]
    pub fn new(value: &'a T) -> Self {
        Self(value)
    }
}

impl<T: DynInterface + ?Sized> Callback for Lent<'_, T> {
    fn run(&self, request: Request) -> Outcome {
        self.0.dispatch(request)
    }
}

/// A closure that decodes the arguments for another one, lent for a call.
pub struct LentFn<F>(RefCell<F>);

impl<F: FnMut(Incoming<'_>) -> Answer> LentFn<F> {
    /// Lends it.
    #[must_use]
    pub fn new(run: F) -> Self {
        Self(RefCell::new(run))
    }
}

impl<F: FnMut(Incoming<'_>) -> Answer> Callback for LentFn<F> {
    fn run(&self, mut request: Request) -> Outcome {
        // The calls of one closure come one after another, all of them on the thread that lent it.
        let Ok(mut run) = self.0.try_borrow_mut() else { return Outcome::Now(Err(Refusal::UnknownMethod)) };
        Outcome::Now(run(request.open()))
    }
}

/// An object that the peer may call until it releases it.
pub(crate) trait Shared: Send + Sync {
    /// Runs one call.
    fn dispatch(&self, request: Request) -> Outcome;

    /// The `Arc` of the object itself, for when it comes back.
    fn original(&self) -> &dyn Any;

    /// Whether its calls wait for something that may never come: the next item of a stream.
    fn is_stream(&self) -> bool {
        false
    }

    /// Whether the object is kept elsewhere as well, so that to drop this one does nothing of the user's.
    fn is_kept(&self) -> bool {
        false
    }
}

/// An object of an interface.
pub(crate) struct SharedObject<T: ?Sized>(pub(crate) Arc<T>);

impl<T> Shared for SharedObject<T>
where
    T: DynInterface + Send + Sync + ?Sized + 'static,
{
    fn dispatch(&self, request: Request) -> Outcome {
        self.0.dispatch(request)
    }

    fn original(&self) -> &dyn Any {
        &self.0
    }

    fn is_kept(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// What a message hands over.
pub(crate) enum Attached {
    /// An object, which may be one of the peer that goes back to it.
    Object { object: Arc<dyn Shared>, lease: Option<Arc<Lease>> },
}

/// Something that a message handed over.
pub(crate) enum Granted {
    /// An object of the peer.
    Theirs(Arc<Lease>),
    /// An object of this side that comes back.
    Ours(Arc<dyn Shared>),
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Theirs(lease) => write!(f, "Theirs({})", lease.object()),
            Self::Ours(_) => f.write_str("Ours"),
        }
    }
}

/// What unwinds out of a method whose callback failed and has no place for that in what it returns.
pub(crate) struct CallbackFailed(pub(crate) String);

/// What a callback gave to a method, or the end of the method: whoever lent the callback is gone, or has seen it panic.
///
/// # Panics
/// To end the method. No hook is run, since nothing is wrong with the method.
pub fn callback_value<T>(result: Result<T, CallError>) -> T {
    result.unwrap_or_else(|error| std::panic::resume_unwind(Box::new(CallbackFailed(error.to_string()))))
}

impl<T: ?Sized> fmt::Debug for Lent<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent")
    }
}

impl<F> fmt::Debug for LentFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LentFn")
    }
}
