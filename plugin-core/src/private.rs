//! What generated code may name. Not public API: it changes without notice, and the macros are pinned
//! to the exact version of this crate for that reason.

pub use crate::__dyn_interface as dyn_interface;
pub use crate::callback::{Callback, Lent, LentFn, callback_value};
pub use crate::check::{
    Crosses, HiddenErrorCrosses, Parts, TakesCallError, crosses, hidden_error_crosses, takes_call_error,
};
pub use crate::dynamic::{DynInterface, DynObject, is_handed_over, is_lent};
pub use crate::error::CallError;
pub use crate::hooks::Hooks;
pub use crate::identity::Standing;
pub use crate::incoming::{Answer, Incoming, Outcome, Refusal, Reply, Request};
pub use crate::interface::{Client, Interface, Method, Service, method_id};
pub use crate::options::WhenFull;
pub use crate::outgoing::OutgoingCall;
pub use crate::plugin::{Plugin, Registry};
pub use crate::proto::codec;
pub use crate::remote::Remote;
pub use crate::shape::{
    Boxed, ByteStreamed, Bytes, DeserializeAs, Map, MaybeBytes, Obj, Opt, PathBytes, Same, Seq, SerializeAs,
    Streamed, Text, Tuple,
};
