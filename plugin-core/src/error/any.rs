//! An error that any other one turns into, for methods that use `?` on whatever they call.

use core::any::Any;
use core::error::Error;
use core::fmt;
use core::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CallError;

/// A [`CallError`] that every other error turns into: `?` works on all of them.
///
/// It is for methods that call what fails in many ways, and whose callers read the reason rather than match on it. The text
/// tells the error with all its sources. It can be the error of a method in an interface, or of the functions behind
/// methods that return [`plugin_core::Result`](crate::Result).
///
/// ```
/// use plugin_core::{AnyError, Result, plugin_interface};
///
/// #[plugin_interface]
/// trait Settings {
///     fn port(&self, line: &str) -> Result<u16, AnyError>;
///     fn host(&self, line: &str) -> Result<String>;
/// }
///
/// struct Parsed;
///
/// impl Settings for Parsed {
///     fn port(&self, line: &str) -> Result<u16, AnyError> {
///         let (_, port) = line.split_once(':').ok_or_else(|| AnyError::msg("no port is given"))?;
///         Ok(port.parse()?)
///     }
///     fn host(&self, line: &str) -> Result<String> {
///         // An `AnyError` becomes a `CallError` as well.
///         self.port(line)?;
///         Ok(line.split(':').take(1).collect())
///     }
/// }
///
/// let error = Parsed.host("localhost:web").unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// assert_eq!(Parsed.port("localhost").unwrap_err().to_string(), "no port is given");
/// ```
///
/// In the host it is what went wrong with the call, and says what a `CallError` does, see its methods.
///
/// It is no [`Error`] itself: two ways to turn one into the other would be one too many for the compiler. It becomes a
/// `Box<dyn Error>` by `?`.
#[derive(Clone)]
pub struct AnyError(CallError);

impl AnyError {
    /// An error of this text.
    #[must_use]
    pub fn msg(message: impl fmt::Display) -> Self {
        Self(CallError::failed(message))
    }
}

impl<E: Error + 'static> From<E> for AnyError {
    fn from(error: E) -> Self {
        let whole: &dyn Any = &error;
        // One that became an error of a read or write is that again.
        let within = whole.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        let found = whole.downcast_ref().or_else(|| within.and_then(|error| error.downcast_ref()));
        Self(found.cloned().unwrap_or_else(|| CallError::from_error(&error)))
    }
}

impl From<AnyError> for CallError {
    fn from(error: AnyError) -> Self {
        error.0
    }
}

impl From<AnyError> for Box<dyn Error + Send + Sync> {
    fn from(error: AnyError) -> Self {
        error.0.into()
    }
}

impl From<AnyError> for Box<dyn Error> {
    fn from(error: AnyError) -> Self {
        error.0.into()
    }
}

impl Deref for AnyError {
    type Target = CallError;

    fn deref(&self) -> &CallError {
        &self.0
    }
}

impl fmt::Display for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text, as `main` and `unwrap` show it to people.
impl fmt::Debug for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// As [`CallError`] does.
impl Serialize for AnyError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AnyError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CallError::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Busy, CallTarget};

    #[test]
    fn a_call_error_stays_what_it_is() {
        let target = CallTarget::new("p".into(), "Kv".into(), "get");
        let busy = CallError::Busy(Box::new(Busy { target, limit: 64 }));
        let text = busy.to_string();
        let any = AnyError::from(busy);
        assert!(any.is_busy() && !any.may_have_run());
        assert_eq!(any.to_string(), text);
        assert!(AnyError::from(std::io::Error::from(CallError::from(any.clone()))).is_busy());
        assert!(CallError::from(any.clone()).is_busy());
        assert_eq!(Box::<dyn Error>::from(any.clone()).to_string(), text);
        assert_eq!(Box::<dyn Error + Send + Sync>::from(any).to_string(), text);
    }

    #[test]
    fn question_marks_turn_every_error_into_it() {
        fn read(number: &str, path: &str) -> Result<u32, AnyError> {
            let number: u32 = number.parse()?;
            std::fs::metadata(path)?;
            Ok(number)
        }
        assert_eq!(read("7", "/").unwrap(), 7);
        assert_eq!(read("x", "/").unwrap_err().to_string(), "invalid digit found in string");
        let missing = std::fs::metadata("/nowhere/at all").unwrap_err();
        assert_eq!(read("7", "/nowhere/at all").unwrap_err().to_string(), missing.to_string());
    }
}
