//! What generated code may name. Not public API: it changes without notice, and the macros are pinned
//! to the exact version of this crate for that reason.

pub use crate::check::{
    Crosses, HiddenErrorCrosses, Parts, TakesCallError, crosses, hidden_error_crosses, takes_call_error,
};
pub use crate::error::CallError;
pub use crate::incoming::{Answer, Incoming, Outcome, Refusal, Reply, Request};
pub use crate::interface::{Client, Interface, Method, Service, method_id};
pub use crate::options::WhenFull;
pub use crate::plugin::{Plugin, Registry};
pub use crate::proto::codec;
pub use crate::remote::{OutgoingCall, Remote};
pub use crate::shape::{
    Boxed, Bytes, DeserializeAs, Map, MaybeBytes, Opt, PathBytes, Same, Seq, SerializeAs, Text, Tuple,
};
