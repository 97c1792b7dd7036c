//! An interface in the peer: starting a call on it. Generated clients use it.

use crate::error::CallError;
use crate::shape::{DeserializeAs, SerializeAs};

/// One instance of an interface in the peer. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Remote {}

/// A call being made: its arguments are added one by one, then it is sent and its reply decoded.
#[derive(Debug)]
pub struct OutgoingCall<'r> {
    remote: &'r Remote,
}

impl<'r> OutgoingCall<'r> {
    /// Starts a call of the method `name`, whose wire id is `id`.
    #[must_use]
    pub fn new(remote: &'r Remote, name: &'static str, id: u64) -> Self {
        let _ = (name, id);
        Self { remote }
    }

    /// Encodes the next argument; an error is kept for the end of the call.
    pub fn arg<S, T: ?Sized>(&mut self, name: &'static str, value: &T)
    where
        S: SerializeAs<T>,
    {
        let _ = (name, value, self.remote);
        todo!()
    }

    /// Sends the call of a method without a `Result` and waits for its value.
    ///
    /// # Errors
    /// [`CallError`] says what went wrong and whether the plugin may have run the method.
    pub fn value<S, T>(self) -> Result<T, CallError>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        todo!()
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
        todo!()
    }
}
