//! Linux.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use plugin_host::Launcher;
use rustix::process::{Pid, Signal, kill_process};

use crate::table::Case;

/// A user that owns nothing, whose processes and threads are counted apart from those of others.
const NOBODY: u32 = 64_321;

/// Keeps glibc from holding on to memory that was given back, so that what a case leaves can be told from that: each large
/// piece has a mapping of its own, and there is one heap for all threads.
const MALLOC: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];

/// Whether a text can be a program, which names the one that reads it.
pub(crate) const HAS_SCRIPTS: bool = true;

/// Whether a plugin has the time to drop its value when its host is killed.
pub(crate) const OUTLASTS_ITS_HOST: bool = true;

/// Has a host keep its temporary files, and those of its plugins, in a directory.
pub(crate) fn keep_files_in(command: &mut Command, directory: &Path) {
    command.env("TMPDIR", directory).envs(MALLOC);
}

/// Lets all users look into a directory.
pub(crate) fn open_directory(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o755)).expect("it is this user's");
}

/// Has a program run as another user, where this one may do so.
pub(crate) fn as_nobody(command: &mut Command) {
    if tests::sys::is_root() {
        command.uid(NOBODY);
    }
}

/// A plugin that does not listen to `SIGTERM`.
pub(crate) fn deaf(program: &str, words: impl FnOnce(&mut Command)) -> Launcher {
    by_shell(r#"trap "" TERM; exec "$0" "$@""#, program, words)
}

/// A plugin whose standard output and error are closed before it starts.
pub(crate) fn without_outputs(program: &str, words: impl FnOnce(&mut Command)) -> Option<Launcher> {
    Some(by_shell(r#"exec "$0" "$@" >&- 2>&-"#, program, words))
}

fn by_shell(script: &str, program: &str, words: impl FnOnce(&mut Command)) -> Launcher {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, program]);
    words(&mut command);
    Launcher::from_command(command)
}

/// Asks a process to end, as the system does.
pub(crate) fn ask_to_end(id: u32) {
    let pid = Pid::from_raw(id.cast_signed()).expect("the id of a process");
    kill_process(pid, Signal::TERM).expect("it runs");
}

/// At the start of the host that is watched, before it has plugins.
pub(crate) fn gather_descendants() {}

/// The processes that have come from this one and are not its children: what a plugin left behind, say. They have its
/// directory for temporary files.
pub(crate) fn strays() -> Vec<String> {
    let variable = format!("TMPDIR={}", std::env::temp_dir().display());
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("the system tells it").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // Processes end meanwhile, and those of others are not to be seen.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        let is_ours = environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes());
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name, which may have spaces: the state, then the parent.
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        if is_ours && parent != Some(&own) {
            found.push(stat.chars().take(40).collect());
        }
    }
    found
}

/// Why a case is not done on this system.
pub(crate) fn exclusion(_: &Case) -> Option<&'static str> {
    None
}
