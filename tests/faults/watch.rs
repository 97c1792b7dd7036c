//! The process outside: it starts the host that the faults are done to, and sees it end, crash or hang.

use std::env;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::support::{temporary_directory, wait_until};
use crate::sys;

/// Set for the process inside.
const INSIDE: &str = "FAULTS_INSIDE";

/// How long the whole table may take: many times what it does on two busy cores, so that this is over only when the host
/// hangs where no case notices.
const TABLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Panics of cases that fail would read the symbols of the program, and keep them.
const BACKTRACE: (&str, &str) = ("RUST_BACKTRACE", "0");

/// Whether this is the process inside.
pub(crate) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Runs this program once more, as the host, and tells how it ended.
pub(crate) fn run(soak: Option<Duration>) -> ExitCode {
    // All temporary files of the host and its plugins are here, and the name tells its plugins from all other processes.
    let directory = temporary_directory();
    sys::open_directory(directory.path());
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(env::args_os().skip(1)).env(INSIDE, "1").envs([BACKTRACE]);
    sys::keep_files_in(&mut command, directory.path());
    #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
    let mut host = command.spawn().unwrap();
    let deadline = Instant::now() + TABLE_TIMEOUT + soak.unwrap_or_default();
    let mut status = None;
    let has_ended = wait_until(deadline, || {
        status = host.try_wait().unwrap();
        status.is_some()
    });
    if !has_ended {
        host.kill().unwrap();
        host.wait().unwrap();
    }
    match status {
        Some(status) if status.success() => ExitCode::SUCCESS,
        Some(status) if status.code() == Some(1) => ExitCode::FAILURE,
        Some(status) => {
            println!("FAILED: the host ended with {status} in the last of the cases above");
            ExitCode::FAILURE
        }
        None => {
            println!("FAILED: the host hangs in the last of the cases above");
            ExitCode::FAILURE
        }
    }
}
