//! A process that is watched, and killed with what it has started.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plugin_core::__host::handle::{Event, owned, wait_any};
use plugin_core::__host::{KILL_STATUS, start_time_of};
use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, HANDLE};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, OpenProcess, PROCESS_QUERY_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
    TerminateProcess,
};

use super::cgroup::{Cgroup, NewCgroup};
use super::job::Job;
use crate::cgroup::CgroupCause;

/// A process that was started, or found. The handle names it also when it has ended and its id is used again.
#[derive(Debug)]
pub(crate) struct ProcessHandle {
    process: OwnedHandle,
    /// Holds nothing but the process and what it has started. A process that no host has started has none.
    job: Option<Job>,
    /// Holds the same, for a process that this one has started and that may outlive it: that a later host finds.
    named: Option<Job>,
    /// What there is only for a process that is no child.
    stranger: Option<Stranger>,
}

/// A process that was there before.
#[derive(Debug)]
struct Stranger {
    /// Set once the process is let go.
    let_go: Event,
    /// How long the process had run when it was found.
    age: Duration,
}

impl ProcessHandle {
    /// Takes over a child, which is in these jobs.
    pub(super) fn new(process: OwnedHandle, job: Job, named: Option<Job>) -> Self {
        Self { process, job: Some(job), named, stranger: None }
    }

    /// Takes over a process that is no child, if it is the one that started at this time. `NotFound` if it is not.
    pub(crate) fn adopt(id: u32, start_time: u64) -> io::Result<Self> {
        let process = open(id, PROCESS_QUERY_INFORMATION | PROCESS_TERMINATE | PROCESS_SYNCHRONIZE)?;
        if start_time_of(process.as_handle())? != start_time || has_ended(&process) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let job = Job::of(process.as_handle(), id, start_time);
        let stranger = Stranger { let_go: Event::new()?, age: age(start_time) };
        Ok(Self { process, job, named: None, stranger: Some(stranger) })
    }

    /// Puts a child into a control group, of which there are none.
    #[expect(clippy::needless_pass_by_value, reason = "elsewhere it is taken")]
    pub(crate) fn enter(&self, group: NewCgroup) -> Result<(), CgroupCause> {
        let _ = group.path();
        Ok(())
    }

    /// Takes note of the control group of a process, of which there are none.
    #[expect(clippy::needless_pass_by_value, reason = "elsewhere it is taken")]
    pub(crate) fn set_cgroup(&self, group: Cgroup) {
        group.kill();
    }

    /// The control group that the process has for itself.
    #[expect(clippy::unused_self, reason = "elsewhere there may be one")]
    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        None
    }

    /// How long the process had run when it was taken over; nothing for a child.
    pub(crate) fn age(&self) -> Duration {
        self.stranger.as_ref().map_or(Duration::ZERO, |stranger| stranger.age)
    }

    /// Ends the watching, unless the process is a child.
    pub(crate) fn let_go(&self) {
        if let Some(stranger) = &self.stranger {
            stranger.let_go.set();
        }
    }

    /// Lets a child outlive this program: its jobs, which would end with the last handle of them, are its own as well from now
    /// on. What the child leaves at its end is still killed then.
    pub(crate) fn let_outlive(&self) -> io::Result<()> {
        self.job.iter().chain(&self.named).try_for_each(|job| job.give_to(self.process.as_handle()))
    }

    /// Kills the process with all that it has started.
    pub(crate) fn kill(&self) {
        match &self.job {
            Some(job) => job.kill(),
            None => {
                // SAFETY: the process is open. It fails only when it has ended.
                unsafe { TerminateProcess(self.process.as_raw_handle(), KILL_STATUS) };
            }
        }
    }

    pub(super) fn raw(&self) -> BorrowedHandle<'_> {
        self.process.as_handle()
    }

    /// What is set once a process is let go that is no child.
    pub(super) fn let_go_event(&self) -> Option<HANDLE> {
        self.stranger.as_ref().map(|stranger| stranger.let_go.raw())
    }

    /// Whether a process is this one, or one that it has started.
    pub(super) fn has_started(&self, id: u32) -> bool {
        let Some(job) = &self.job else { return false };
        open(id, PROCESS_QUERY_INFORMATION).is_ok_and(|process| job.has(process.as_handle()))
    }

    /// Kills what the process left, which has ended, and gives its exit status. `None` for one that is no child.
    pub(super) fn reap(&self) -> Option<ExitStatus> {
        if let Some(job) = &self.job {
            job.kill();
        }
        let mut code = 0;
        // SAFETY: the process is open, and the code is for this function.
        let asked = unsafe { GetExitCodeProcess(self.process.as_raw_handle(), &raw mut code) };
        (asked != 0 && self.stranger.is_none()).then(|| ExitStatus::from_raw(code))
    }
}

/// Opens a process; `NotFound` if there is none of this id. To ask for its job takes `PROCESS_QUERY_INFORMATION` under Wine, and
/// less elsewhere.
fn open(id: u32, access: u32) -> io::Result<OwnedHandle> {
    // SAFETY: no memory is given.
    owned(unsafe { OpenProcess(access, 0, id) }).map_err(|error| match error.raw_os_error() {
        Some(code) if code.cast_unsigned() == ERROR_INVALID_PARAMETER => io::ErrorKind::NotFound.into(),
        _ => error,
    })
}

fn has_ended(process: &OwnedHandle) -> bool {
    // Who cannot be looked at is not to be killed.
    !matches!(wait_any(&[process.as_raw_handle()], Some(Instant::now())), Ok(None))
}

/// How long ago a process started at this time.
fn age(start_time: u64) -> Duration {
    SystemTime::now().duration_since(system_time(start_time)).unwrap_or_default()
}

/// A time as the system counts.
pub(super) fn system_time(time: u64) -> SystemTime {
    /// How long after the system's first moment Unix counts from, in seconds: from 1601 to 1970.
    const EPOCH: u64 = 11_644_473_600;
    let since = Duration::from_nanos(time % 10_000_000 * 100) + Duration::from_secs(time / 10_000_000);
    UNIX_EPOCH + since.saturating_sub(Duration::from_secs(EPOCH))
}
