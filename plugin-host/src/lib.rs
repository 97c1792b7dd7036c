//! Starts plugin executables and calls them like trait objects.
//!
//! ```no_run
//! # mod shared {
//! # use plugin_core::{Result, plugin_interface};
//! # #[plugin_interface]
//! # pub trait Greeter { fn greet(&self, name: &str) -> Result<String>; }
//! # }
//! use plugin_host::Launcher;
//! # use shared::{Greeter, GreeterClient};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plugin = Launcher::new("plugins/english").spawn()?;
//! let greeter = plugin.client::<GreeterClient>()?;
//! println!("{}", greeter.greet("world")?);
//! plugin.shutdown()?;
//! # Ok(())
//! # }
//! ```
//!
//! Whatever a plugin does, it is an error in the host and nothing more: it may panic, crash, print
//! anything at any time or send garbage, and it may hang, if [`Launcher::call_timeout`] is set. [`PluginProcess`] says what becomes of the process.
//!
//! A plugin that is to be there again when it has failed is [supervised](Supervisor), and clients of it stay valid. Where a
//! program does not name its plugins but has a directory for them, it has a [`PluginSet`].
//!
//! What a plugin logs arrives as `tracing` events of the host, and so does what it prints, unless
//! [`Launcher::stdout`] and [`Launcher::stderr`] say otherwise.
//!
//! Tests need no executable: a [`PluginThread`] runs a plugin on threads of the program itself, through the same
//! encoding, and where every method returns a `Result`, the plugin's value itself does wherever a client does.

// A library does not print: the output belongs to the program.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod attach;
mod attach_error;
mod cgroup;
mod copies;
mod description;
mod diagnose;
mod endpoint;
mod environment;
mod error;
mod events;
mod files;
mod launcher;
mod lines;
mod output;
mod peer;
mod plugin;
mod process;
mod relay;
mod report;
mod set;
mod settings;
mod start;
mod supervisor;
mod survival;
mod sys;
mod thread;

pub use attach::ReattachInfo;
pub use attach_error::{AttachCause, AttachError};
pub use cgroup::CgroupCause;
pub use copies::CopyCause;
pub use description::{Description, InstanceDescription, MethodDescription};
pub use error::{ClientError, Difference, LaunchCause, LaunchError, ShutdownError};
pub use launcher::Launcher;
pub use output::{Input, Output};
pub use plugin::PluginProcess;
pub use report::{CrashPhase, CrashReport, PendingCallReport, ReportError, ReportErrorCause};
pub use set::{BrokenCause, BrokenPlugin, Changes, Offer, PluginSet, PluginSetBuilder, SetError};
pub use supervisor::{Event, Events, Policy, Restart, SupervisedPlugin, Supervisor, SwapError, WhileDown};
#[cfg(feature = "watch")]
pub use supervisor::{ProgramWatch, WatchError};
pub use thread::{PluginThread, PluginThreadBuilder};
