//! Job objects: a process and all that it starts, which cannot leave.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use plugin_core::__host::handle::{checked, owned, wide};
use plugin_core::__host::security::OwnerOnly;
use plugin_core::__host::{KILL_STATUS, job_name};
use windows_sys::Win32::Foundation::{
    DuplicateHandle, ERROR_ALREADY_EXISTS, GetLastError, HANDLE, SetLastError,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, IsProcessInJob, JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectExtendedLimitInformation, OpenJobObjectW, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::SystemServices::{JOB_OBJECT_QUERY, JOB_OBJECT_TERMINATE};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// A job whose processes end when the last handle of it is closed. Each process that is started in it is in it as well.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

impl Job {
    /// Makes a job; with the name for a process, if it is to be found by its id and the time when it started.
    pub(super) fn new(process: Option<(u32, u64)>) -> io::Result<Self> {
        let security = OwnerOnly::new()?;
        let name = process.map(|(id, start)| wide(job_name(id, start))).transpose()?;
        let text = name.as_ref().map_or(null(), |name| name.as_ptr());
        // SAFETY: the attributes are there during the call, and the name ends with a zero.
        let (job, error) = unsafe {
            // It is not said otherwise that there is none of this name.
            SetLastError(0);
            let job = CreateJobObjectW(security.attributes().as_ptr(), text);
            (job, GetLastError())
        };
        let job = Self(owned(job)?);
        if error == ERROR_ALREADY_EXISTS {
            // Somebody has made it who means no good: nobody else makes one for a process that has just been started.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        // Who crashes ends at once, and no window waits for somebody who closes it.
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        // SAFETY: the job is open, and the limits are what this kind of information is, of that size.
        checked(unsafe {
            SetInformationJobObject(
                job.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            )
        })?;
        Ok(job)
    }

    /// The job that an earlier host made for a process which is still in it.
    pub(super) fn of(process: BorrowedHandle<'_>, id: u32, start: u64) -> Option<Self> {
        let name = wide(job_name(id, start)).ok()?;
        // SAFETY: the name ends with a zero.
        let job = unsafe { OpenJobObjectW(JOB_OBJECT_QUERY | JOB_OBJECT_TERMINATE, 0, name.as_ptr()) };
        let job = Self(owned(job).ok()?);
        job.has(process).then_some(job)
    }

    /// Puts a process into the job.
    pub(super) fn take(&self, process: BorrowedHandle<'_>) -> io::Result<()> {
        // SAFETY: both are open.
        checked(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process.as_raw_handle()) })
    }

    /// For functions of the system, while this is there.
    pub(super) fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Whether a process is in the job.
    pub(super) fn has(&self, process: BorrowedHandle<'_>) -> bool {
        let mut is_in = 0;
        // SAFETY: both are open, and the result is for this function.
        let asked =
            unsafe { IsProcessInJob(process.as_raw_handle(), self.0.as_raw_handle(), &raw mut is_in) };
        asked != 0 && is_in != 0
    }

    /// Gives a handle of the job to a process, so that the job, its name and all that is in it last at least as long as that
    /// process.
    pub(super) fn give_to(&self, process: BorrowedHandle<'_>) -> io::Result<()> {
        let mut theirs = null_mut();
        // SAFETY: all three are open. The new handle belongs to the other process, where nobody closes it before its end.
        checked(unsafe {
            DuplicateHandle(
                GetCurrentProcess(),
                self.0.as_raw_handle(),
                process.as_raw_handle(),
                &raw mut theirs,
                JOB_OBJECT_QUERY | JOB_OBJECT_TERMINATE,
                0,
                0,
            )
        })
    }

    /// Kills all that is in the job.
    pub(super) fn kill(&self) {
        // SAFETY: the job is open. It fails for no other reason than that.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), KILL_STATUS) };
    }
}
