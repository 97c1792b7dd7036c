//! Circumstances of a host that only Unix has: limits, copies of a process, and somebody who waits for its children.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Resource, Rlimit, WaitOptions, getrlimit, setrlimit, wait};

mod c {
    use std::ffi::c_int;

    unsafe extern "C" {
        pub(super) fn fork() -> c_int;
        pub(super) fn waitpid(id: c_int, status: *mut c_int, options: c_int) -> c_int;
        pub(super) fn _exit(status: c_int) -> !;
        pub(super) fn signal(number: c_int, handler: usize) -> usize;
    }
}

/// Has the system wait for the children of this process, so that nobody else can.
pub fn ignore_children() {
    const SIGCHLD: i32 = 17;
    const SIG_IGN: usize = 1;
    // SAFETY: both numbers are those of Linux, and no handler runs.
    unsafe { c::signal(SIGCHLD, SIG_IGN) };
}

/// Runs `copied` in a copy of this process and gives the exit status of that, as `waitpid` does.
pub fn in_a_copy(copied: impl FnOnce()) -> i32 {
    // SAFETY: the copy has one thread and whatever the others held; that is what the test looks at. It does not return
    // from here.
    let id = unsafe { c::fork() };
    if id == 0 {
        copied();
        // SAFETY: ends the process, at once.
        unsafe { c::_exit(0) }
    }
    let mut status = -1;
    // SAFETY: `status` outlives the call, which writes no more than one `int`.
    unsafe { c::waitpid(id, &raw mut status, 0) };
    status
}

/// Waits for any child of this process, of whomever; whether there was one.
#[must_use]
pub fn wait_for_any_child() -> bool {
    wait(WaitOptions::empty()).is_ok()
}

/// Lets this process have so many descriptors.
///
/// # Errors
/// Those of the system.
pub fn limit_descriptors(limit: u64) -> io::Result<()> {
    set(Resource::Nofile, limit)
}

/// Lets this user have so many threads.
///
/// # Errors
/// Those of the system.
pub fn limit_tasks(limit: u64) -> io::Result<()> {
    set(Resource::Nproc, limit)
}

fn set(resource: Resource, limit: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(limit), ..getrlimit(resource) })?)
}

/// How many threads there are of this user.
///
/// # Errors
/// Those of the system.
pub fn tasks_of_this_user() -> io::Result<u64> {
    let user = fs::metadata("/proc/self")?.uid();
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let is_process = entry.file_name().to_string_lossy().parse::<u32>().is_ok();
        // Others end meanwhile.
        let is_ours = is_process && entry.metadata().is_ok_and(|metadata| metadata.uid() == user);
        if is_ours && let Ok(tasks) = fs::read_dir(entry.path().join("task")) {
            count += tasks.count() as u64;
        }
    }
    Ok(count)
}

/// Gives the next process that is started this id, which takes a namespace of one's own.
///
/// # Errors
/// Those of the system.
pub fn choose_next_id(id: u32) -> io::Result<()> {
    fs::write("/proc/sys/kernel/ns_last_pid", (id - 1).to_string())
}
