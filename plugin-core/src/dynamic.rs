//! Interfaces as trait objects: how a value behind `dyn Trait` is called by a peer, and a peer behind `dyn Trait`.

use std::sync::Arc;

use crate::identity::Standing;
use crate::incoming::{Outcome, Request};
use crate::interface::Client;

/// A trait object of an interface: `dyn Trait`, with or without `Send` and `Sync`.
///
/// [`dyn_interface!`](crate::__dyn_interface) implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be lent to a peer",
    label = "this is not the trait object of an interface",
    note = "put `#[plugin_interface]` on the trait; each of its methods must return a `Result` (or be `oneway`), \
            and none may be `async`"
)]
pub trait DynInterface {
    /// The client of the interface, which implements the trait.
    type Client: Client;

    /// Runs one call of a peer on the value.
    fn dispatch(&self, request: Request) -> Outcome;

    /// A client as the trait.
    fn borrowed(client: &Self::Client) -> &Self;

    /// A client as the trait, owned, in a type that nothing else has.
    fn boxed(client: Self::Client, standing: Standing) -> Box<Self>;

    /// A client as the trait, shared.
    fn shared(client: Self::Client) -> Arc<Self>;

    /// An object that comes back to its owner in a `Box`, in that type; `None` where its markers are `Send` or `Sync`
    /// alone, which an `Arc` of it does not have.
    fn forward(object: Arc<Self>, standing: Standing) -> Option<Box<Self>>;
}

/// A trait object that a peer may keep: calls of it arrive on any thread, at any time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to a peer",
    label = "this is not the trait object of an interface, or it is not `Send` and `Sync`",
    note = "put `#[plugin_interface]` on the trait; each of its methods must return a `Result` (or be `oneway`), \
            and none may be `async`",
    note = "the peer may call it from any thread: write `dyn Trait + Send + Sync`, or `trait Trait: Send + Sync` \
            where it is declared"
)]
pub trait DynObject: DynInterface + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DynInterface + Send + Sync + ?Sized + 'static> DynObject for T {}

/// Does not compile unless `T` can be lent for a call.
pub const fn is_lent<T: DynInterface + ?Sized>() {}

/// Does not compile unless `T` can be handed over.
pub const fn is_handed_over<T: DynObject + ?Sized>() {}

/// Implements [`DynInterface`] for the trait objects of an interface, given its trait, its client, its server and
/// what forwards the calls of the trait to an `Arc`.
#[doc(hidden)]
#[macro_export]
macro_rules! __dyn_interface {
    ($interface:ident, $client:ident, $server:ident, $forward:ident) => {
        $crate::__dyn_interface!($interface, $client, $server, $forward, [object]);
        $crate::__dyn_interface!($interface, $client, $server, $forward, [], + ::core::marker::Send);
        $crate::__dyn_interface!($interface, $client, $server, $forward, [], + ::core::marker::Sync);
        $crate::__dyn_interface!(
            $interface, $client, $server, $forward, [object], + ::core::marker::Send + ::core::marker::Sync
        );
    };
    (
        $interface:ident, $client:ident, $server:ident, $forward:ident, [$($object:ident)?] $(, $($markers:tt)*)?
    ) => {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl<'a> $crate::__private::DynInterface for dyn $interface $($($markers)*)? + 'a {
            type Client = $client;

            fn dispatch(&self, request: $crate::__private::Request) -> $crate::__private::Outcome {
                <$server<Self>>::call(self, request)
            }

            fn borrowed(client: &$client) -> &Self {
                client
            }

            fn boxed(client: $client, standing: $crate::__private::Standing) -> ::std::boxed::Box<Self> {
                ::std::boxed::Box::new($forward(::std::sync::Arc::new(client), standing))
            }

            fn shared(client: $client) -> ::std::sync::Arc<Self> {
                ::std::sync::Arc::new(client)
            }

            #[allow(unused_variables, reason = "where it has one marker only")]
            fn forward(
                object: ::std::sync::Arc<Self>,
                standing: $crate::__private::Standing,
            ) -> ::core::option::Option<::std::boxed::Box<Self>> {
                $(
                    let $object = $forward(object, standing);
                    return ::core::option::Option::Some(::std::boxed::Box::new($object));
                )?
                #[allow(unreachable_code, reason = "where it has both markers or none")]
                ::core::option::Option::None
            }
        }
    };
}
