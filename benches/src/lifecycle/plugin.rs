//! The plugin that is ended.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plugin_core::{AnyError, Hooks, Registry, plugin_interface};
use plugin_host::Launcher;

use crate::Result;
use crate::sys::leave;

/// The argument that makes this executable, started as a plugin, this plugin.
const MODE: &str = "mortal";
/// Follows [`MODE`]: the plugin has a child.
const PARENT: &str = "parent";
/// Follows [`MODE`]: the plugin hands over its state when it is replaced.
const HEIR: &str = "heir";

/// Follows [`MODE`]: this is the child of the plugin.
const CHILD: &str = "child";

/// How long the child lives: longer than a plugin is measured, in which nothing needs it any more.
const LIFE: Duration = Duration::from_secs(60);

/// Is ended while it is called.
#[plugin_interface]
pub(crate) trait Mortal: Send + Sync {
    /// The id of the process.
    #[plugin(idempotent)]
    fn id(&self) -> plugin_core::Result<u32>;
    /// The id of the child, which has inherited the connection and both outputs and ends by itself after a minute; 0
    /// without one.
    fn child(&self) -> plugin_core::Result<u32>;
    /// Does not return.
    fn hang(&self) -> plugin_core::Result<()>;
    /// Does not return, and needs a processor for that.
    fn toil(&self) -> plugin_core::Result<()>;
    /// Whether a method that does not return has begun.
    fn is_stuck(&self) -> plugin_core::Result<bool>;
    /// The number after the one that the last call of this process got.
    fn count(&self) -> plugin_core::Result<u64>;
}

#[derive(Default)]
struct Soul {
    child: u32,
    is_stuck: AtomicBool,
    count: AtomicU64,
}

impl Mortal for Soul {
    fn id(&self) -> plugin_core::Result<u32> {
        Ok(std::process::id())
    }

    fn child(&self) -> plugin_core::Result<u32> {
        Ok(self.child)
    }

    fn hang(&self) -> plugin_core::Result<()> {
        self.is_stuck.store(true, Ordering::Relaxed);
        loop {
            thread::park();
        }
    }

    fn toil(&self) -> plugin_core::Result<()> {
        self.is_stuck.store(true, Ordering::Relaxed);
        loop {
            std::hint::spin_loop();
        }
    }

    fn is_stuck(&self) -> plugin_core::Result<bool> {
        Ok(self.is_stuck.load(Ordering::Relaxed))
    }

    fn count(&self) -> plugin_core::Result<u64> {
        Ok(self.count.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Hooks for Soul {
    fn save_state(&self) -> plugin_core::Result<Option<Vec<u8>>, AnyError> {
        Ok(Some(self.count.load(Ordering::Relaxed).to_le_bytes().into()))
    }

    fn restore_state(&self, state: &[u8]) -> plugin_core::Result<(), AnyError> {
        self.count.store(u64::from_le_bytes(state.try_into()?), Ordering::Relaxed);
        Ok(())
    }
}

/// What starts the plugin.
pub(super) fn launcher() -> Result<Launcher> {
    Ok(Launcher::current_exe()?.arg(MODE))
}

/// What starts the plugin with a child.
pub(super) fn launcher_of_parent() -> Result<Launcher> {
    Ok(launcher()?.arg(PARENT))
}

/// What starts the plugin with a state that is handed over.
pub(super) fn launcher_of_heir() -> Result<Launcher> {
    Ok(launcher()?.arg(HEIR))
}

/// Serves this plugin, if it is the one that is wanted.
pub(crate) fn serve() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(MODE) {
        return None;
    }
    let role = arguments.next();
    let child = match role.as_deref() {
        Some(PARENT) => match start_child() {
            Ok(child) => child,
            Err(error) => {
                eprintln!("benches {MODE}: cannot start a child: {error}");
                return Some(ExitCode::FAILURE);
            }
        },
        _ => 0,
    };
    let soul = Arc::new(Soul { child, ..Soul::default() });
    let mut registry =
        Registry::new("mortal", env!("CARGO_PKG_VERSION")).add(MortalServer::shared(Arc::clone(&soul)));
    if role.as_deref() == Some(HEIR) {
        registry = registry.hooks(soul);
    }
    Some(plugin_core::serve(registry))
}

/// Starts a process that holds on to everything that this one has. In its own group it does not end with this one.
#[expect(clippy::disallowed_methods, reason = "it is no plugin")]
fn start_child() -> std::io::Result<u32> {
    let mut command = Command::new(std::env::current_exe()?);
    leave(&mut command);
    // The connection is still the standard input, which is inherited as the outputs are.
    command.args([MODE, CHILD]).spawn().map(|child| child.id())
}

/// Whether this process is the child of the plugin: it looks like the plugin itself, since it has its standard input.
pub(crate) fn is_child(arguments: &[OsString]) -> bool {
    matches!(arguments, [mode, child] if mode == MODE && child == CHILD)
}

/// The child's `main`.
pub(crate) fn sleep() {
    let end = Instant::now() + LIFE;
    // It may wake up for no reason.
    while Instant::now() < end {
        thread::park_timeout(LIFE);
    }
}
