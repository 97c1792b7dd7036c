//! Objects within types that derive serde's traits: `#[serde(with = "plugin_core::object")]`.
//!
//! A type of your own may have objects in it, as `Arc<dyn Trait>`. They are handed over when a value of that type is an argument or a
//! result of a call, or an item of a stream, as objects are that stand there by themselves.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use plugin_core::{Result, plugin_interface};
//! use serde::{Deserialize, Serialize};
//!
//! #[plugin_interface]
//! trait Table: Send + Sync {
//!     fn len(&self) -> Result<u64>;
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Opened {
//!     version: u32,
//!     #[serde(with = "plugin_core::object")]
//!     tables: BTreeMap<String, Arc<dyn Table>>,
//! }
//!
//! #[plugin_interface]
//! trait Database {
//!     fn open(&self, name: &str) -> Result<Opened>;
//! }
//! ```
//!
//! A field may be an `Arc<dyn Trait>`, or an `Option`, `Vec`, `HashMap` or `BTreeMap` of them. It cannot be a `Box<dyn Trait>`,
//! since serde only lends what it serializes: `Arc::from(boxed)` makes one into the other. Anywhere but in calls, as
//! in a file, such a value cannot be serialized. A [`Stream`](crate::Stream) needs no attribute.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::dynamic::DynObject;
use crate::shape::{DeserializeAs, Map, Obj, Opt, Same, Seq, SerializeAs};

/// Serializes a field; `#[serde(with = "plugin_core::object")]` calls it.
///
/// # Errors
/// Those of `serializer`, and one when the value is not part of a call.
pub fn serialize<T: Field, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    <T::Shape as SerializeAs<T>>::serialize_as(value, serializer)
}

/// Deserializes a field; `#[serde(with = "plugin_core::object")]` calls it.
///
/// # Errors
/// Those of `deserializer`, and one when the value is not part of a call.
pub fn deserialize<'de, T: Field, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    <T::Shape as DeserializeAs<'de, T>>::deserialize_as(deserializer)
}

/// What a field with objects in it may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed over within another type",
    label = "this is no `Arc<dyn Trait>` of an interface, and no `Option`, `Vec` or map of them",
    note = "write `Arc<dyn Trait>` for `Box<dyn Trait>`: serde lends what it serializes, and `Arc::from` makes one of a box",
    note = "`#[plugin_interface]` has to stand on the trait, which is `trait Trait: Send + Sync`, or else write \
            `Arc<dyn Trait + Send + Sync>`"
)]
pub trait Field: Sized {
    #[doc(hidden)]
    type Shape: SerializeAs<Self> + for<'de> DeserializeAs<'de, Self>;
}

impl<T: DynObject + ?Sized> Field for Arc<T> {
    type Shape = Obj;
}

#[diagnostic::do_not_recommend]
impl<T: Field> Field for Option<T> {
    type Shape = Opt<T::Shape>;
}

#[diagnostic::do_not_recommend]
impl<T: Field> Field for Vec<T> {
    type Shape = Seq<T::Shape>;
}

#[diagnostic::do_not_recommend]
impl<K, T, H> Field for HashMap<K, T, H>
where
    K: Serialize + for<'de> Deserialize<'de> + Eq + Hash,
    T: Field,
    H: BuildHasher + Default,
{
    type Shape = Map<Same, T::Shape>;
}

#[diagnostic::do_not_recommend]
impl<K, T> Field for BTreeMap<K, T>
where
    K: Serialize + for<'de> Deserialize<'de> + Ord,
    T: Field,
{
    type Shape = Map<Same, T::Shape>;
}
