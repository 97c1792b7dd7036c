//! What may be set for a connection, wherever the plugin runs.

use std::time::Duration;

use plugin_core::__host::{Extension, HostHello, WireLimits};
use plugin_core::{DEFAULT_MAX_IN_FLIGHT, DEFAULT_MAX_MESSAGE, Handshake};

/// How long a plugin may take to say hello unless set. It does within milliseconds; a loaded machine with a cold disk and
/// a virus scanner needs seconds.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The default of `shutdown_timeout`: long enough to write a file, short enough for a person who waits for a program to
/// end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The default of `spin`. Of 10, 20 and 50 µs the shortest that lets two threads of the host take turns, too; where it
/// does not pay nothing was slower by more than the measurements differ.
const SPIN: Duration = Duration::from_micros(20);

/// The default of `stall_timeout`. Between a plugin that takes nothing because it is being debugged or swapped in, and
/// one that never will, only time tells.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What holds from the hello on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) call_timeout: Option<Duration>,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) spin: Duration,
    pub(crate) limits: WireLimits,
    /// Whether somebody debugs the plugin, so that no time is too long for anything.
    pub(crate) is_patient: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            call_timeout: None,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            spin: SPIN,
            limits: WireLimits { message: DEFAULT_MAX_MESSAGE, in_flight: DEFAULT_MAX_IN_FLIGHT },
            is_patient: false,
        }
    }
}

impl Settings {
    /// A time that a plugin may take, unless somebody debugs it.
    pub(crate) fn limit(&self, time: Duration) -> Duration {
        if self.is_patient { Duration::MAX } else { time }
    }

    /// What the plugin is told. It records nothing above `log_level`, which counts as on the wire.
    pub(crate) fn hello(&self, handshake: &Handshake, log_level: u8) -> HostHello {
        HostHello {
            application: handshake.application().to_owned(),
            protocol: handshake.protocol(),
            limits: self.limits,
            log_level,
            extensions: vec![Extension::spin(self.spin)],
        }
    }
}

/// The methods of a builder with a field `settings` that mean the same for every plugin.
macro_rules! setters {
    () => {
        /// Sets how long a call may take, also of the objects that the plugin hands over; as long as the plugin lives
        /// unless set. A call that takes longer fails with [`CallError::TimedOut`](plugin_core::CallError::TimedOut), and
        /// its reply is dropped. The items of streams are waited for as long as it takes.
        #[must_use]
        pub fn call_timeout(mut self, timeout: Duration) -> Self {
            self.settings.call_timeout = Some(timeout);
            self
        }

        /// Sets how long a thread of the host that waits for a reply, and one of the plugin that waits for the next
        /// call, stay awake before they sleep; 20 µs unless set, and zero is not at all.
        ///
        /// To be woken is most of what a small call costs: one that comes right after another one takes less than
        /// half the time this way, and less of the processors in all. When it does not pay, because calls are rare or
        /// their methods slow, both sides try ever more rarely, down to once in 257 waits. Nobody stays awake while
        /// nothing is called, and a machine with one core is left alone.
        #[must_use]
        pub fn spin(mut self, limit: Duration) -> Self {
            self.settings.spin = limit;
            self
        }

        /// Sets the largest message of a call, in bytes of its encoding: the arguments, and what the method returns;
        /// 64 MiB unless set. The plugin has such a limit as well, and the smaller one holds in both directions.
        /// What the host keeps of a hostile reply is bounded by four times that.
        #[must_use]
        pub fn max_message(mut self, bytes: u32) -> Self {
            self.settings.limits.message = bytes;
            self
        }

        /// Sets how many calls may wait for their replies at once, over all clients of a plugin; 16,384 unless
        /// set, at least 1. Further calls wait for one of them to end.
        #[must_use]
        pub fn max_in_flight(mut self, calls: u32) -> Self {
            self.settings.limits.in_flight = calls.max(1);
            self
        }
    };
}

pub(crate) use setters;
