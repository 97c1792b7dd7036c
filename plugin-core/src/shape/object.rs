//! Objects that are handed over: `Box<dyn Trait>` and `Arc<dyn Trait>`.

use std::sync::Arc;

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};

use super::{DeserializeAs, SerializeAs};
use crate::callback::{Attached, Granted, Shared, SharedObject};
use crate::dynamic::DynInterface;
use crate::identity::{Meaning, Place, Standing, meaning_at};
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
        attach(meaning_at(Place::in_arc(value)), Arc::clone(value), out, limit)
    }

    fn encode_owned(value: Arc<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        attach(meaning_at(Place::in_arc(&value)), value, out, limit)
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
        attach::<T>(meaning_at(Place::in_box(&*value)), Arc::from(value), out, limit)
    }
}

fn attach<T>(
    meaning: Option<Meaning>,
    object: Arc<T>,
    out: &mut Message<'_>,
    limit: usize,
) -> Result<(), EncodeError>
where
    T: DynInterface + Send + Sync + ?Sized + 'static,
{
    let own = || -> Arc<dyn Shared> { Arc::new(SharedObject(Arc::clone(&object))) };
    let (object, lease) = match meaning {
        Some(Meaning::Theirs(lease)) => (own(), lease.upgrade()),
        Some(Meaning::Ours(shared)) => match shared.original().downcast_ref::<Arc<T>>() {
            // It may be one of another peer.
            Some(original) => {
                let lease = match meaning_at(Place::in_arc(original)) {
                    Some(Meaning::Theirs(lease)) => lease.upgrade(),
                    _ => None,
                };
                (shared, lease)
            }
            // With other markers than it has now it would not be known when it comes back.
            None => (own(), None),
        },
        None => (own(), None),
    };
    out.attach(Attached::Object { object, lease }, limit)
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
            Accepted::Original(object, _) => Ok(object),
            Accepted::Lease(lease) => {
                let remote = remote::<T>(&lease);
                let standing = remote.standing.later();
                let object = T::shared(T::Client::from_remote(remote));
                standing.at(Place::in_arc(&object), Meaning::Theirs(Arc::downgrade(&lease)));
                Ok(object)
            }
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
            Accepted::Original(object, shared) => {
                let standing = Standing::default();
                let later = standing.later();
                let object = T::forward(object, standing).ok_or_else(|| not_this::<T>(decoder))?;
                later.at(Place::in_box(&*object), Meaning::Ours(shared));
                Ok(object)
            }
            Accepted::Lease(lease) => {
                let standing = Standing::default();
                let later = standing.later();
                let object = T::boxed(T::Client::from_remote(remote::<T>(&lease)), standing);
                later.at(Place::in_box(&*object), Meaning::Theirs(Arc::downgrade(&lease)));
                Ok(object)
            }
        }
    }
}

/// What an object is for this side.
enum Accepted<T: ?Sized> {
    /// One of its own, also as it was lent.
    Original(Arc<T>, Arc<dyn Shared>),
    /// One of the peer.
    Lease(Arc<Lease>),
}

fn accept<T: DynInterface + ?Sized + 'static>(decoder: &mut Decoder<'_>) -> Result<Accepted<T>, DecodeError> {
    match decoder.next_handle()? {
        Granted::Theirs(lease) => Ok(Accepted::Lease(lease)),
        Granted::Ours(object) => match object.original().downcast_ref::<Arc<T>>() {
            Some(original) => Ok(Accepted::Original(Arc::clone(original), Arc::clone(&object))),
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

/// What a client of an object calls.
fn remote<T: DynInterface + ?Sized>(lease: &Arc<Lease>) -> Remote {
    Remote::leased(Arc::clone(lease), T::Client::INTERFACE.name)
}
