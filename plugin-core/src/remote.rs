//! An instance of an interface in the peer. Generated clients have one.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{CallError, CallTarget};
use crate::identity::Standing;
use crate::io::connection::Connection;
use crate::io::nested::lent_object;
use crate::io::objects::Lease;
use crate::options::WhenFull;
use crate::reply::{Timing, no_reply};

/// One instance of an interface in the peer. Cloning it is cheap.
#[derive(Clone)]
pub struct Remote {
    pub(crate) connection: Arc<Connection>,
    pub(crate) object: u64,
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
    /// The methods of the interface that the peer was built without.
    lacking: Arc<[u64]>,
    /// Of the client that it is in, where that is the contents of an `Arc`.
    pub(crate) standing: Standing,
}

impl Remote {
    /// The instance `object` of the peer, whose calls take `timeout` at most.
    #[doc(hidden)]
    pub fn new(
        connection: Arc<Connection>,
        object: u64,
        plugin: Arc<str>,
        interface: &str,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            connection,
            object,
            plugin,
            interface: interface.into(),
            default_timeout: timeout,
            timeout: None,
            when_full: WhenFull::default(),
            lease: None,
            lender: None,
            lacking: Arc::new([]),
            standing: Standing::default(),
        }
    }

    /// What a call of the peer lends as one of its arguments, for as long as it lasts.
    pub(crate) fn lent(connection: Arc<Connection>, call: u64, position: u32, interface: &str) -> Self {
        let (object, peer) = (lent_object(call, position), Arc::clone(connection.peer()));
        Self { lender: Some(call), ..Self::new(connection, object, peer, interface, None) }
    }

    /// An object of the peer.
    pub(crate) fn leased(lease: Arc<Lease>, interface: &str) -> Self {
        let (connection, object) = (Arc::clone(lease.connection()), lease.object());
        let (peer, timeout) = (Arc::clone(connection.peer()), connection.call_timeout());
        Self { lease: Some(lease), ..Self::new(connection, object, peer, interface, timeout) }
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
        self.lacking.contains(&method)
    }

    /// The same instance, in a peer that was built without these methods.
    #[doc(hidden)]
    #[must_use]
    pub fn lacking(self, methods: impl IntoIterator<Item = u64>) -> Self {
        Self { lacking: methods.into_iter().collect(), ..self }
    }

    /// Asks the plugin for a sign of life and waits for it.
    #[doc(hidden)]
    pub fn ping(&self, timeout: Duration) -> Result<Duration, CallError> {
        let start = Instant::now();
        let target = CallTarget::new(Arc::clone(&self.plugin), "".into(), "ping");
        let timing = Timing { deadline: start.checked_add(timeout), after: timeout };
        match self.connection.ping(timing.deadline) {
            Ok(_) => Ok(start.elapsed()),
            Err(error) => Err(no_reply(error, target, timing)),
        }
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
