//! Objects that are handed over: `Box<dyn Trait>` and `Arc<dyn Trait>`.

use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use super::{DeserializeAs, SerializeAs};
use crate::callback::{Attached, Granted, Shared, SharedObject};
use crate::dynamic::DynInterface;
use crate::handover;
use crate::identity::{Meaning, Place, Standing, meaning_at};
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
        let attached = || attached(meaning_at(Place::in_arc(value)), Arc::clone(value));
        handover::attach(attached).map_err(S::Error::custom)?.serialize(serializer)
    }

    fn encode<'a>(value: &'a Arc<T>, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        out.attach(attached(meaning_at(Place::in_arc(value)), Arc::clone(value)), limit)
    }

    fn encode_owned(value: Arc<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        out.attach(attached(meaning_at(Place::in_arc(&value)), value), limit)
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
        let meaning = meaning_at(Place::in_box(&*value));
        out.attach(attached::<T>(meaning, Arc::from(value)), limit)
    }
}

/// What is handed over: the object, or what it stands for.
fn attached<T>(meaning: Option<Meaning>, object: Arc<T>) -> Attached
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
    Attached::Object { object, lease }
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

fn boxed<T: DynInterface + ?Sized + 'static>(granted: Granted) -> Result<Box<T>, String> {
    let standing = Standing::default();
    let later = standing.later();
    let (object, meaning) = match accept::<T>(granted)? {
        Accepted::Original(object, shared) => {
            (T::forward(object, standing).ok_or_else(not_this::<T>)?, Meaning::Ours(shared))
        }
        Accepted::Lease(lease) => {
            let client = T::Client::from_remote(remote::<T>(&lease));
            (T::boxed(client, standing), Meaning::Theirs(Arc::downgrade(&lease)))
        }
    };
    later.at(Place::in_box(&*object), meaning);
    Ok(object)
}

/// What an object is for this side.
enum Accepted<T: ?Sized> {
    /// One of its own, also as it was lent.
    Original(Arc<T>, Arc<dyn Shared>),
    /// One of the peer.
    Lease(Arc<Lease>),
}

fn accept<T: DynInterface + ?Sized + 'static>(granted: Granted) -> Result<Accepted<T>, String> {
    match granted {
        Granted::Theirs(lease) => Ok(Accepted::Lease(lease)),
        Granted::Ours(object) => match object.original().downcast_ref::<Arc<T>>() {
            Some(original) => Ok(Accepted::Original(Arc::clone(original), Arc::clone(&object))),
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

/// What a client of an object calls.
fn remote<T: DynInterface + ?Sized>(lease: &Arc<Lease>) -> Remote {
    Remote::leased(Arc::clone(lease), T::Client::INTERFACE.name)
}
