//! Objects that are handed over: `Box<dyn Trait>` and `Arc<dyn Trait>`.

use std::sync::Arc;

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};

use super::{DeserializeAs, SerializeAs};
use crate::callback::{Attached, Granted, SharedObject};
use crate::dynamic::DynInterface;
use crate::identity::lease_of;
use crate::interface::Client;
use crate::io::objects::Lease;
use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};
use crate::remote::Remote;

/// What a value of serde's says that has an object in it. The macro never lets it come to that.
const NOT_BY_SERDE: &str = "an object cannot be handed over within a value that serde carries";

/// An object, which a message names by its place in the list of what it hands over.
#[derive(Debug)]
pub struct Obj;

impl<T> SerializeAs<Arc<T>> for Obj
where
    T: DynInterface + Send + Sync + ?Sized + 'static,
{
    const HANDS_OVER: bool = true;

    fn serialize_as<S: Serializer>(_: &Arc<T>, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(NOT_BY_SERDE))
    }

    fn encode<'a>(value: &'a Arc<T>, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        attach(lease_of(&**value), Arc::clone(value), out, limit)
    }

    fn encode_owned(value: Arc<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        attach(lease_of(&*value), value, out, limit)
    }
}

impl<T> SerializeAs<Box<T>> for Obj
where
    T: DynInterface + Send + Sync + ?Sized + 'static,
{
    const HANDS_OVER: bool = true;

    fn serialize_as<S: Serializer>(_: &Box<T>, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(NOT_BY_SERDE))
    }

    fn encode_owned(value: Box<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        // Before it moves.
        attach::<T>(lease_of(&*value), Arc::from(value), out, limit)
    }
}

fn attach<T>(
    lease: Option<Arc<Lease>>,
    object: Arc<T>,
    out: &mut Message<'_>,
    limit: usize,
) -> Result<(), EncodeError>
where
    T: DynInterface + Send + Sync + ?Sized + 'static,
{
    out.attach(Attached::Object { object: Arc::new(SharedObject(object)), lease }, limit)
}

impl<'de, T> DeserializeAs<'de, Arc<T>> for Obj
where
    T: DynInterface + ?Sized + 'static,
{
    const HANDS_OVER: bool = true;

    fn deserialize_as<D: Deserializer<'de>>(_: D) -> Result<Arc<T>, D::Error> {
        Err(D::Error::custom(NOT_BY_SERDE))
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Arc<T>, DecodeError> {
        match accept::<T>(decoder)? {
            Accepted::Original(object) => Ok(object),
            Accepted::Lease(lease) => Ok(client::<T, _>(&lease, T::shared)),
        }
    }
}

impl<'de, T> DeserializeAs<'de, Box<T>> for Obj
where
    T: DynInterface + ?Sized + 'static,
{
    const HANDS_OVER: bool = true;

    fn deserialize_as<D: Deserializer<'de>>(_: D) -> Result<Box<T>, D::Error> {
        Err(D::Error::custom(NOT_BY_SERDE))
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Box<T>, DecodeError> {
        match accept::<T>(decoder)? {
            Accepted::Original(object) => T::forward(object).ok_or_else(|| not_this::<T>(decoder)),
            Accepted::Lease(lease) => Ok(client::<T, _>(&lease, T::boxed)),
        }
    }
}

/// What an object is for this side.
enum Accepted<T: ?Sized> {
    /// One of its own.
    Original(Arc<T>),
    /// One of the peer.
    Lease(Arc<Lease>),
}

fn accept<T: DynInterface + ?Sized + 'static>(decoder: &mut Decoder<'_>) -> Result<Accepted<T>, DecodeError> {
    match decoder.next_handle()? {
        Granted::Theirs(lease) => Ok(Accepted::Lease(lease)),
        Granted::Ours(object) => match object.original().downcast_ref::<Arc<T>>() {
            Some(object) => Ok(Accepted::Original(Arc::clone(object))),
            None => Err(not_this::<T>(decoder)),
        },
    }
}

fn not_this<T: ?Sized>(decoder: &mut Decoder<'_>) -> DecodeError {
    decoder.refuse(format!(
        "an object comes back that is no `{}`, or was handed over with other markers: write both of `Send` and `Sync`, \
         or neither",
        core::any::type_name::<T>()
    ))
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
