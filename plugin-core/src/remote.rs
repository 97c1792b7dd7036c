//! An instance of an interface in the peer. Generated clients have one.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{CallError, CallTarget};
use crate::identity::Standing;
use crate::io::connection::Connection;
use crate::io::future::CallFuture;
use crate::io::line::{Place, Way};
use crate::io::nested::lent_object;
use crate::io::objects::Lease;
use crate::io::parcel::Parcel;
use crate::options::WhenFull;
use crate::proto::frame::{Header, Kind};
use crate::reply::{Timing, no_reply};

/// One instance of an interface in the peer. Cloning it is cheap.
#[derive(Clone)]
pub struct Remote {
    route: Route,
    pub(crate) plugin: Arc<str>,
    pub(crate) interface: Arc<str>,
    /// What holds unless the attributes of the method or the interface say otherwise.
    pub(crate) default_timeout: Option<Duration>,
    /// What holds whatever the attributes say.
    pub(crate) timeout: Option<Duration>,
    pub(crate) when_full: WhenFull,
    /// What keeps the object, where it is not there from the start.
    #[expect(dead_code, reason = "it is there to be dropped")]
    lease: Option<Arc<Lease>>,
    /// The call of the peer that lends it, where it is lent for the length of a call.
    pub(crate) lender: Option<u64>,
    /// Of the client that it is in, where that is the contents of an `Arc`.
    pub(crate) standing: Standing,
}

/// How the instance is reached.
#[derive(Clone)]
enum Route {
    /// Over one connection, for as long as that lasts.
    Fixed(Way),
    /// Over the connection of the process that runs now.
    Line(Place),
}

impl Remote {
    /// An instance in the peer at the other end of one connection, whose calls take `timeout` at most.
    #[doc(hidden)]
    pub fn new(way: Way, plugin: Arc<str>, interface: &str, timeout: Option<Duration>) -> Self {
        Self::on(Route::Fixed(way), plugin, interface, timeout)
    }

    /// An instance of a plugin that may run in another process tomorrow.
    #[doc(hidden)]
    pub fn in_line(place: Place, plugin: Arc<str>, interface: &str, timeout: Option<Duration>) -> Self {
        Self::on(Route::Line(place), plugin, interface, timeout)
    }

    fn on(route: Route, plugin: Arc<str>, interface: &str, timeout: Option<Duration>) -> Self {
        Self {
            route,
            plugin,
            interface: interface.into(),
            default_timeout: timeout,
            timeout: None,
            when_full: WhenFull::default(),
            lease: None,
            lender: None,
            standing: Standing::default(),
        }
    }

    /// What a call of the peer lends as one of its arguments, for as long as it lasts.
    pub(crate) fn lent(connection: Arc<Connection>, call: u64, position: u32, interface: &str) -> Self {
        let peer = Arc::clone(connection.peer());
        let way = Way::new(connection, lent_object(call, position), []);
        Self { lender: Some(call), ..Self::new(way, peer, interface, None) }
    }

    /// An object of the peer.
    pub(crate) fn leased(lease: Arc<Lease>, interface: &str) -> Self {
        let connection = Arc::clone(lease.connection());
        let (peer, timeout) = (Arc::clone(connection.peer()), connection.call_timeout());
        let way = Way::new(connection, lease.object(), []);
        Self { lease: Some(lease), ..Self::new(way, peer, interface, timeout) }
    }

    /// A stream of the peer. Its items may be long in coming: whoever takes them says how long he waits.
    pub(crate) fn of_stream(lease: Arc<Lease>) -> Self {
        Self { default_timeout: None, ..Self::leased(lease, "Stream") }
    }

    /// The same instance, whose calls take `timeout` at most whatever the interface says.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }

    /// The same instance, whose calls do this when the connection carries no more of them.
    #[must_use]
    pub fn when_full(&self, when_full: WhenFull) -> Self {
        Self { when_full, ..self.clone() }
    }

    /// Whether the peer was built without this method, as far as it has said what it has.
    #[must_use]
    pub fn lacks(&self, method: u64) -> bool {
        self.way().lacking.contains(&method)
    }

    /// How the instance is reached, as far as is known: the connection may be dead.
    pub(crate) fn way(&self) -> Cow<'_, Way> {
        match &self.route {
            Route::Fixed(way) => Cow::Borrowed(way),
            Route::Line(place) => Cow::Owned(place.way()),
        }
    }

    /// Where another connection is waited for when one is dead.
    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.route {
            Route::Fixed(_) => None,
            Route::Line(place) => Some(place),
        }
    }

    /// Asks the plugin for a sign of life and waits for it.
    #[doc(hidden)]
    pub fn ping(&self, timeout: Duration) -> Result<Duration, CallError> {
        let start = Instant::now();
        let target = CallTarget::new(Arc::clone(&self.plugin), "".into(), "ping");
        let timing = Timing { deadline: start.checked_add(timeout), after: timeout };
        match self.way().connection.ping(timing.deadline) {
            Ok(_) => Ok(start.elapsed()),
            Err(error) => Err(no_reply(error, target, timing)),
        }
    }

    /// Asks the plugin for a sign of life, as a task.
    #[doc(hidden)]
    pub fn ping_async(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), CallError>> + Send + use<> {
        let target = CallTarget::new(Arc::clone(&self.plugin), "".into(), "ping");
        let timing = Timing { deadline: Instant::now().checked_add(timeout), after: timeout };
        let connection = Arc::clone(&self.way().connection);
        let (header, parcel) = (Header::bare(Kind::Ping), Parcel::default());
        let call = CallFuture::new(connection, header, parcel, WhenFull::Wait, timing.deadline);
        async move { call.await.map(drop).map_err(|error| no_reply(error, target, timing)) }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, interface, timeout, when_full, .. } = self;
        f.debug_struct("Remote")
            .field("plugin", plugin)
            .field("interface", interface)
            .field("timeout", timeout)
            .field("when_full", when_full)
            .finish_non_exhaustive()
    }
}
