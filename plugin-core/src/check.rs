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

/// An error type that has room for a failed call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that a call failed",
    label = "does not implement `From<plugin_core::CallError>`",
    note = "any call of a plugin can fail: implement `From<plugin_core::CallError>` for `{Self}`"
)]
pub trait TakesCallError: From<CallError> {}

#[diagnostic::do_not_recommend]
impl<E: From<CallError>> TakesCallError for E {}

/// Does not compile unless a failed call can become an `E`.
pub const fn takes_call_error<E: TakesCallError>() {}
