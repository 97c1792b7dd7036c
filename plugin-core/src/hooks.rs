//! What a plugin does at its start and its end, and when its host asks how it is.

use std::sync::Arc;

use crate::error::{AnyError, CallError};
use crate::incoming::{Outcome, Refusal, Request};
use crate::interface::{Client, Interface, Method, Service, method_id};
use crate::outgoing::OutgoingCall;
use crate::remote::Remote;
use crate::shape::{Bytes, Opt, Same};

/// What a plugin does at its start and its end, when its host asks how it is, and when another process takes its place.
///
/// Each method has a body of its own, so implement those that the plugin needs, and register the value:
/// `#[plugin(interfaces(…), hooks)]` takes the plugin itself, [`Registry::hooks`](crate::Registry::hooks) any value.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use plugin_core::{AnyError, Hooks, Plugin, Result, plugin_interface};
///
/// #[plugin_interface]
/// trait Index {
///     fn find(&self, word: &str) -> Result<Option<u64>>;
/// }
///
/// #[derive(Default, Plugin)]
/// #[plugin(interfaces(Index), hooks)]
/// struct Words(Mutex<HashMap<String, u64>>);
///
/// impl Index for Words {
///     fn find(&self, word: &str) -> Result<Option<u64>> {
///         Ok(self.0.lock().unwrap().get(word).copied())
///     }
/// }
///
/// impl Hooks for Words {
///     fn on_start(&self) -> Result<(), AnyError> {
///         let text = std::fs::read_to_string("words.txt")?;
///         self.0.lock().unwrap().extend(text.lines().map(str::to_owned).zip(0..));
///         Ok(())
///     }
///     fn health(&self) -> Result<(), AnyError> {
///         match self.0.lock().unwrap().len() {
///             0 => Err(AnyError::msg("the index is empty")),
///             _ => Ok(()),
///         }
///     }
/// }
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no hooks",
    note = "write `impl plugin_core::Hooks for {Self} {{}}`, and in it those that the plugin needs"
)]
pub trait Hooks: Send + Sync + 'static {
    /// Runs before the plugin says hello, on the thread that serves it; no method is called before it returns.
    ///
    /// The host's `start_timeout` goes on meanwhile. When the host is gone, the process ends within a second as always,
    /// also in the middle of this.
    ///
    /// # Errors
    /// The plugin does not start, and the error of the launch in the host has this text. So it has that of a panic.
    fn on_start(&self) -> Result<(), AnyError> {
        Ok(())
    }

    /// Runs when the host has asked the plugin to end, on a thread of its own, while the calls that run are finished; no
    /// call begins any more. It is for telling long methods that they should come to an end. What belongs behind the
    /// last method, such as writing a file, belongs into the `Drop` of the plugin.
    ///
    /// It has the same time as the calls: three quarters of the host's `shutdown_timeout`. When it has not returned by
    /// then, the plugin ends without it. When it panics, the calls are finished all the same, and then the process ends
    /// with the status 101, which the host tells as an error of its shutdown.
    ///
    /// It does not run when the host has ended without asking, or kills the plugin.
    fn on_shutdown(&self) {}

    /// Says whether the plugin is able to do its work. The host asks with `PluginProcess::health`, as often as it likes and
    /// while methods run; 5 seconds after the question it waits no more.
    ///
    /// # Errors
    /// What is wrong, for people.
    fn health(&self) -> Result<(), AnyError> {
        Ok(())
    }

    /// Gives what another process that takes the place of this one needs to know; `None` if there is nothing. The
    /// bytes travel as one message, so they may be as many as [`max_message`](crate::Registry::max_message) says.
    ///
    /// # Errors
    /// Why the state cannot be had. This process stays in its place then.
    fn save_state(&self) -> Result<Option<Vec<u8>>, AnyError> {
        Ok(None)
    }

    /// Takes over what the process that had this one's place has [saved](Self::save_state), before any method is called.
    /// It may have been another version of the plugin. Where that saved nothing, this is not called.
    ///
    /// # Errors
    /// Why the state cannot be taken over. This process does not take the place then. The body that is there refuses
    /// every state, so that none is lost unnoticed.
    fn restore_state(&self, state: &[u8]) -> Result<(), AnyError> {
        let bytes = state.len();
        Err(AnyError::msg(format_args!("it takes over no state, and there are {bytes} bytes of it")))
    }
}

impl<T: Hooks + ?Sized> Hooks for Arc<T> {
    fn on_start(&self) -> Result<(), AnyError> {
        T::on_start(self)
    }

    fn on_shutdown(&self) {
        T::on_shutdown(self);
    }

    fn health(&self) -> Result<(), AnyError> {
        T::health(self)
    }

    fn save_state(&self) -> Result<Option<Vec<u8>>, AnyError> {
        T::save_state(self)
    }

    fn restore_state(&self, state: &[u8]) -> Result<(), AnyError> {
        T::restore_state(self, state)
    }
}

/// The interface that a plugin with hooks has beside its own. No trait has a `:` in its name on the wire, so this is
/// nobody else's.
const LIFECYCLE: Interface = Interface::new(
    "plugin_core::Lifecycle",
    &[
        Method::new("health", "fn health(&self) -> Result<()>", "()->Result<()>"),
        Method::new(
            "save_state",
            "fn save_state(&self) -> Result<Option<Vec<u8>>>",
            "()->Result<Option<Vec<u8>>>",
        ),
        Method::new(
            "restore_state",
            "fn restore_state(&self, state: &[u8]) -> Result<()>",
            "(Vec<u8>)->Result<()>",
        ),
    ],
);

const HEALTH: u64 = method_id("health");
const SAVE_STATE: u64 = method_id("save_state");
const RESTORE_STATE: u64 = method_id("restore_state");

/// Lets the host call the hooks that it may call.
pub(crate) struct LifecycleServer(pub(crate) Arc<dyn Hooks>);

impl Service for LifecycleServer {
    fn interface(&self) -> Interface {
        LIFECYCLE
    }

    fn dispatch(&self, request: Request) -> Outcome {
        let hooks = &*self.0;
        match request.method() {
            HEALTH => Outcome::now(request, |mut call| {
                call.end_args()?;
                call.result::<Same, Same, _, _>(hooks.health())
            }),
            SAVE_STATE => Outcome::now(request, |mut call| {
                call.end_args()?;
                call.result::<Opt<Bytes>, Same, _, _>(hooks.save_state())
            }),
            RESTORE_STATE => Outcome::now(request, |mut call| {
                let state: &[u8] = call.arg::<Bytes, _>("state")?;
                call.end_args()?;
                call.result::<Same, Same, _, _>(hooks.restore_state(state))
            }),
            _ => Outcome::Now(Err(Refusal::UnknownMethod)),
        }
    }
}

/// Calls the hooks of a plugin.
#[derive(Clone, Debug)]
pub struct LifecycleClient(Remote);

impl Client for LifecycleClient {
    const INTERFACE: Interface = LIFECYCLE;

    fn from_remote(remote: Remote) -> Self {
        Self(remote)
    }

    fn remote(&self) -> &Remote {
        &self.0
    }
}

impl LifecycleClient {
    /// Calls [`Hooks::health`].
    ///
    /// # Errors
    /// What it says is wrong, or why there is no answer.
    pub fn health(&self) -> Result<(), CallError> {
        OutgoingCall::new(&self.0, "health", HEALTH).result::<Same, Same, _, _>()
    }

    /// Calls [`Hooks::health`], as a task.
    pub fn health_async(&self) -> impl Future<Output = Result<(), CallError>> + Send + use<> {
        OutgoingCall::new(&self.0, "health", HEALTH).result_async::<Same, Same, _, _>()
    }

    /// Calls [`Hooks::save_state`].
    ///
    /// # Errors
    /// What it says is wrong, or why there is no answer.
    pub fn save_state(&self) -> Result<Option<Vec<u8>>, CallError> {
        OutgoingCall::new(&self.0, "save_state", SAVE_STATE).result::<Opt<Bytes>, Same, _, _>()
    }

    /// Calls [`Hooks::restore_state`].
    ///
    /// # Errors
    /// What it says is wrong, or why there is no answer.
    pub fn restore_state(&self, state: &[u8]) -> Result<(), CallError> {
        let mut call = OutgoingCall::new(&self.0, "restore_state", RESTORE_STATE);
        call.arg::<Bytes, _>("state", state);
        call.result::<Same, Same, _, _>()
    }
}
