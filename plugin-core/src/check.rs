//! Questions that generated code asks the compiler, with answers in the words of this project.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CallError;

/// A type of an interface that serde can carry.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross to a plugin",
    label = "does not implement serde's `Serialize` and `Deserialize`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`, or use another type"
)]
pub trait Crosses: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Crosses for T {}

/// Does not compile unless `T` can cross.
pub const fn crosses<T: Crosses>() {}

/// An error type that serde can carry, where an alias of `Result` hides it: what is to be changed is the alias.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross to a plugin",
    label = "this `Result` has the error `{Self}`, which does not implement serde's `Serialize` and `Deserialize`",
    note = "return `plugin_core::Result<_>`, or `Result<_, E>` with an error type `E` of your own"
)]
pub trait HiddenErrorCrosses: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> HiddenErrorCrosses for E {}

/// Does not compile unless `E` can cross.
pub const fn hidden_error_crosses<E: HiddenErrorCrosses>() {}

/// What an alias of `Result` stands for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "has the name of `Result` but is another type",
    note = "return `plugin_core::Result<_>` or `Result<_, E>`, or give this type another name"
)]
pub trait Parts {
    /// The type of its error.
    type Error;
}

impl<T, E> Parts for Result<T, E> {
    type Error = E;
}

/// An error type that has room for a failed call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that a call failed",
    label = "does not implement `From<plugin_core::CallError>`",
    note = "any call of a plugin can fail: return `plugin_core::Result<_>`, or implement `From<plugin_core::CallError>` \
            for an error type of your own"
)]
pub trait TakesCallError: From<CallError> {}

#[diagnostic::do_not_recommend]
impl<E: From<CallError>> TakesCallError for E {}

/// Does not compile unless a failed call can become an `E`.
pub const fn takes_call_error<E: TakesCallError>() {}
