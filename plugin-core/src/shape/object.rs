//! Objects that are handed over: `Box<dyn Trait>` and `Arc<dyn Trait>`.

use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use super::{DeserializeAs, SerializeAs};
use crate::callback::{Attached, Granted, SharedObject};
use crate::dynamic::DynInterface;
use crate::handover;
use crate::identity::lease_of;
use crate::interface::Client;
use crate::io::objects::Lease;
use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};
use crate::remote::Remote;

/// An object, which a message names by its place in the list of what it hands over.
#[derive(Debug)]
pub struct Obj;

impl<T> SerializeAs<Arc<T>> for Obj
where
    T: DynInterface + Send + Sync + ?Sized + 'static,
{
    const HANDS_OVER: bool = true;

    fn serialize_as<S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        let attached = || attached(lease_of(&**value), Arc::clone(value));
        handover::attach(attached).map_err(S::Error::custom)?.serialize(serializer)
    }

    fn encode<'a>(value: &'a Arc<T>, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        out.attach(attached(lease_of(&**value), Arc::clone(value)), limit)
    }

    fn encode_owned(value: Arc<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        out.attach(attached(lease_of(&*value), value), limit)
    }
}

impl<T> SerializeAs<Box<T>> for Obj
where
    T: DynInterface + Send + Sync + ?Sized + 'static,
{
    const HANDS_OVER: bool = true;

    /// The macro never lets it come to that.
    fn serialize_as<S: Serializer>(_: &Box<T>, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("an object in a `Box` cannot be handed over by what only lends it"))
    }

    fn encode_owned(value: Box<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        // Before it moves.
        let lease = lease_of(&*value);
        out.attach(attached::<T>(lease, Arc::from(value)), limit)
    }
}

fn attached<T>(lease: Option<Arc<Lease>>, object: Arc<T>) -> Attached
where
    T: DynInterface + Send + Sync + ?Sized + 'static,
{
    Attached::Object { object: Arc::new(SharedObject(object)), lease }
}

impl<'de, T> DeserializeAs<'de, Arc<T>> for Obj
where
    T: DynInterface + ?Sized + 'static,
{
    const HANDS_OVER: bool = true;

    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Arc<T>, D::Error> {
        let granted = handover::granted(u32::deserialize(deserializer)?);
        granted.and_then(shared::<T>).map_err(D::Error::custom)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Arc<T>, DecodeError> {
        let granted = decoder.next_handle()?;
        shared::<T>(granted).map_err(|reason| decoder.refuse(reason))
    }
}

impl<'de, T> DeserializeAs<'de, Box<T>> for Obj
where
    T: DynInterface + ?Sized + 'static,
{
    const HANDS_OVER: bool = true;

    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Box<T>, D::Error> {
        let granted = handover::granted(u32::deserialize(deserializer)?);
        granted.and_then(boxed::<T>).map_err(D::Error::custom)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Box<T>, DecodeError> {
        let granted = decoder.next_handle()?;
        boxed::<T>(granted).map_err(|reason| decoder.refuse(reason))
    }
}

fn shared<T: DynInterface + ?Sized + 'static>(granted: Granted) -> Result<Arc<T>, String> {
    match accept::<T>(granted)? {
        Accepted::Original(object) => Ok(object),
        Accepted::Lease(lease) => Ok(client::<T, _>(&lease, T::shared)),
    }
}

fn boxed<T: DynInterface + ?Sized + 'static>(granted: Granted) -> Result<Box<T>, String> {
    match accept::<T>(granted)? {
        Accepted::Original(object) => T::forward(object).ok_or_else(not_this::<T>),
        Accepted::Lease(lease) => Ok(client::<T, _>(&lease, T::boxed)),
    }
}

/// What an object is for this side.
enum Accepted<T: ?Sized> {
    /// One of its own.
    Original(Arc<T>),
    /// One of the peer.
    Lease(Arc<Lease>),
}

fn accept<T: DynInterface + ?Sized + 'static>(granted: Granted) -> Result<Accepted<T>, String> {
    match granted {
        Granted::Theirs(lease) => Ok(Accepted::Lease(lease)),
        Granted::Ours(object) => match object.original().downcast_ref::<Arc<T>>() {
            Some(object) => Ok(Accepted::Original(Arc::clone(object))),
            None => Err(not_this::<T>()),
        },
    }
}

fn not_this<T: ?Sized>() -> String {
    format!(
        "an object comes back that is no `{}`, or was handed over with other markers: write both of `Send` and `Sync`, \
         or neither",
        core::any::type_name::<T>()
    )
}

/// A client of an object, as a trait object.
fn client<T, P>(lease: &Arc<Lease>, make: fn(T::Client) -> P) -> P
where
    T: DynInterface + ?Sized,
    P: core::ops::Deref<Target = T>,
{
    let remote = Remote::leased(Arc::clone(lease), T::Client::INTERFACE.name);
    let identity = remote.identity.later();
    let object = make(T::Client::from_remote(remote));
    identity.at(&*object, lease);
    object
}
