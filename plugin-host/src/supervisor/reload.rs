//! Starts a plugin again when its program changes, for those who develop one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::core::Core;
use super::policy::Policy;
use super::supervised::{SupervisedPlugin, replace};
use crate::copies::content_of;
use crate::sys;

/// How long a program has to stay as it is before it is started. A linker writes it in many pieces within milliseconds;
/// a person does not notice as much.
const SETTLE: Duration = Duration::from_millis(200);

/// How many times a program that keeps changing is waited for before it is looked at all the same: a minute.
const MAX_SETTLES: u32 = 300;

/// Starts a plugin again whenever its program changes, until it is dropped, see [`SupervisedPlugin::watch_program`].
///
/// To drop it waits for a restart that is on its way, and for the old process to end, which takes the
/// [`drain_timeout`](Policy::drain_timeout) at most where that is still in use.
#[must_use = "the program is watched until this is dropped"]
pub struct ProgramWatch {
    watcher: Option<RecommendedWatcher>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl SupervisedPlugin {
    /// Starts the plugin again, as [`restart`](Self::restart) does, whenever the file of its program has changed: whoever
    /// develops a plugin sees what he has built in a host that goes on. A version that does not start changes nothing;
    /// the [events](Self::events) and the log tell of it.
    ///
    /// The file that is watched is the one that the plugin is [started from](Self::program) now. Let it run from [private copies](crate::Launcher::private_copies), since a program that runs
    /// cannot be overwritten. What changes within a fifth of a second counts as one change.
    ///
    /// Needs the feature `watch`.
    ///
    /// # Errors
    /// When the system does not tell of changes: the directory of the program cannot be read, or too much is watched.
    pub fn watch_program(&self) -> Result<ProgramWatch, WatchError> {
        let path = sys::program_file(&self.program());
        let failed = |reason: io::Error| WatchError { path: path.clone(), reason: Arc::new(reason) };
        let (changed, changes) = sync_channel(1);
        let name = path.file_name().map(ToOwned::to_owned);
        let told = move |event: notify::Result<notify::Event>| {
            // What is not about this file, or is an error, is looked at, too: nothing is to be missed.
            let concerns = event.map_or(true, |event| {
                event.paths.is_empty() || event.paths.iter().any(|path| path.file_name() == name.as_deref())
            });
            if concerns {
                // When one waits already, there is no need for another one.
                let _ = SyncSender::try_send(&changed, ());
            }
        };
        let mut watcher = notify::recommended_watcher(told).map_err(|error| failed(io_error(error)))?;
        // Not the file: what is built takes its place, and then it is another one.
        let directory = path.parent().unwrap_or_else(|| Path::new("/"));
        watcher.watch(directory, RecursiveMode::NonRecursive).map_err(|error| failed(io_error(error)))?;
        let (core, policy) = (Arc::clone(self.core()), self.policy().clone());
        let watched = path.clone();
        let thread = thread::Builder::new()
            .name(format!("plugin reload {}", core.name))
            .spawn(move || reload(&core, &policy, &watched, &changes))
            .map_err(failed)?;
        Ok(ProgramWatch { watcher: Some(watcher), thread: Some(thread), path })
    }
}

fn reload(core: &Arc<Core>, policy: &Policy, path: &Path, changes: &Receiver<()>) {
    // A file that cannot be read now is another one when it can.
    let mut running = content_of(path).ok();
    while let Ok(()) = changes.recv() {
        if !settles(changes) {
            return;
        }
        let content = content_of(path).ok();
        if content.is_none() || content == running {
            continue;
        }
        running = content;
        tracing::info!(plugin = &*core.name, "its program has changed");
        if let Err(error) = replace(core, policy, None) {
            tracing::warn!(plugin = &*core.name, "{error}");
        }
    }
}

/// Waits until there is no change for a while; false when nobody watches any more.
fn settles(changes: &Receiver<()>) -> bool {
    for _ in 0..MAX_SETTLES {
        match changes.recv_timeout(SETTLE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

fn io_error(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        _ => io::Error::other(error.to_string()),
    }
}

impl Drop for ProgramWatch {
    fn drop(&mut self) {
        // The thread ends when nobody can tell it of changes.
        self.watcher = None;
        if let Some(thread) = self.thread.take() {
            // It has no panics.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for ProgramWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramWatch").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The program of a plugin cannot be watched.
#[derive(Clone, Debug)]
pub struct WatchError {
    path: PathBuf,
    reason: Arc<io::Error>,
}

impl WatchError {
    /// The program.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the program `{}` cannot be watched: {}; check its directory, and the limit of files that may be watched \
             (`fs.inotify.max_user_watches`)",
            self.path.display(),
            self.reason
        )
    }
}

impl std::error::Error for WatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.reason)
    }
}
