//! Processes, their threads and times.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::Command;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::time::Duration;

use windows_sys::Win32::Foundation::{FILETIME, HANDLE, INVALID_HANDLE_VALUE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOBOBJECT_BASIC_ACCOUNTING_INFORMATION,
    JobObjectBasicAccountingInformation, QueryInformationJobObject,
};
use windows_sys::Win32::System::ProcessStatus::{
    GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS, PROCESS_MEMORY_COUNTERS_EX,
};
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RegGetValueW};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessTimes, GetSystemTimes, GetThreadTimes, OpenProcess, OpenThread,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, PROCESS_VM_READ,
    THREAD_QUERY_LIMITED_INFORMATION, TerminateProcess, WaitForSingleObject,
};
use windows_sys::core::w;

use crate::Result;
use crate::sys::{Footprint, Usage};

/// The exit code by which plugin-host knows a process that was killed: its `KILL_STATUS`.
const KILLED: u32 = 0xE000_0009;

/// Bytes of a text of the registry: processors have names of less than half as many.
const MOST_TEXT: usize = 256;

fn failed(what: &str) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{what}: {}", io::Error::last_os_error()).into()
}

fn owned(handle: HANDLE, what: &str) -> Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(failed(what));
    }
    // SAFETY: the system has just made it for the caller, who passes it on to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn open(id: u32, rights: u32) -> Result<OwnedHandle> {
    // SAFETY: it takes numbers only.
    owned(unsafe { OpenProcess(rights, 0, id) }, "cannot open a process")
}

/// What the processor calls itself.
pub(crate) fn processor() -> Result<String> {
    text(w!(r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"), w!("ProcessorNameString"))
}

/// The system and its release.
pub(crate) fn system() -> Result<String> {
    let build = text(w!(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"), w!("CurrentBuildNumber"))?;
    Ok(format!("Windows, build {build}"))
}

/// A text of the registry; both names end with a zero, as those that `w!` makes.
fn text(key: *const u16, value: *const u16) -> Result<String> {
    let mut units = [0_u16; MOST_TEXT];
    let mut size = (units.len() * 2) as u32;
    // SAFETY: both names end with a zero, the buffer has the size that is told, and null stands for a type that is not asked.
    let error = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key,
            value,
            RRF_RT_REG_SZ,
            null_mut(),
            units.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error.cast_signed()).into());
    }
    let length = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    Ok(String::from_utf16_lossy(&units[..length]).trim().to_owned())
}

/// In seconds.
fn seconds(time: FILETIME) -> f64 {
    // Units of 100 ns.
    let units = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos(units * 100).as_secs_f64()
}

impl Usage {
    pub(crate) fn now() -> Result<Self> {
        let [mut idle, mut kernel, mut user] = [FILETIME::default(); 3];
        // SAFETY: all three outlive the call.
        if unsafe { GetSystemTimes(&raw mut idle, &raw mut kernel, &raw mut user) } == 0 {
            return Err(failed("cannot tell what the processors did"));
        }
        // What the kernel counts as its own has the idle time in it. What the hypervisor takes is not told.
        let busy = seconds(kernel) - seconds(idle) + seconds(user);
        Ok(Self { busy, steal: 0.0, own: own()? })
    }
}

/// Processor time of this process, and of all that have come from it since this was asked for the first time.
fn own() -> Result<f64> {
    // Nothing else sums up what ended processes have used. It lives as long as this process.
    static JOB: OnceLock<OwnedHandle> = OnceLock::new();
    if JOB.get().is_none() {
        // SAFETY: null stands for the usual rights and for no name.
        let job = owned(unsafe { CreateJobObjectW(null(), null()) }, "cannot make a job object")?;
        // SAFETY: both handles are open.
        if unsafe { AssignProcessToJobObject(job.as_raw_handle(), GetCurrentProcess()) } == 0 {
            return Err(failed("cannot put this process into a job object"));
        }
        let _ = JOB.set(job);
    }
    let job = JOB.get().ok_or("there is a job object")?.as_raw_handle();
    let mut sum = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
    // SAFETY: the structure is that of this class, has the size that is told, and outlives the call.
    let is_told = unsafe {
        QueryInformationJobObject(
            job,
            JobObjectBasicAccountingInformation,
            (&raw mut sum).cast(),
            size_of_val(&sum) as u32,
            null_mut(),
        )
    };
    if is_told == 0 {
        return Err(failed("cannot tell what a job object has used"));
    }
    let units = u64::try_from(sum.TotalUserTime + sum.TotalKernelTime)?;
    let of_all = Duration::from_nanos(units * 100).as_secs_f64();
    // Wine does not count for job objects.
    Ok(of_all.max(of_this_process()?))
}

fn of_this_process() -> Result<f64> {
    let [mut created, mut ended, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: all four outlive the call, and the handle of this process is always valid.
    let is_told = unsafe {
        GetProcessTimes(GetCurrentProcess(), &raw mut created, &raw mut ended, &raw mut kernel, &raw mut user)
    };
    if is_told == 0 {
        return Err(failed("cannot tell what this process has used"));
    }
    Ok(seconds(kernel) + seconds(user))
}

/// The ids of the threads of a process.
fn threads(process: u32) -> Result<Vec<u32>> {
    // SAFETY: it takes numbers only.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) };
    let snapshot = owned(snapshot, "cannot list threads")?;
    let mut entry = THREADENTRY32 { dwSize: size_of::<THREADENTRY32>() as u32, ..THREADENTRY32::default() };
    let mut ids = Vec::new();
    // SAFETY: the handle is open, and the structure tells its size and outlives the call; so below.
    let mut is_one = unsafe { Thread32First(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    while is_one {
        if entry.th32OwnerProcessID == process {
            ids.push(entry.th32ThreadID);
        }
        // SAFETY: as above.
        is_one = unsafe { Thread32Next(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    }
    Ok(ids)
}

/// Processor time of each thread of a process in ns, in multiples of the system's tick, of some ms: so a thread that is seen to
/// work in a pause has not just looked at a clock.
pub(crate) fn thread_times(process: u32) -> Result<HashMap<OsString, f64>> {
    let mut times = HashMap::new();
    for id in threads(process)? {
        // SAFETY: it takes numbers only.
        let thread = unsafe { OpenThread(THREAD_QUERY_LIMITED_INFORMATION, 0, id) };
        // It ended since they were listed.
        let Ok(thread) = owned(thread, "it has ended") else { continue };
        let [mut created, mut ended, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: all four outlive the call, and the handle is open.
        let is_told = unsafe {
            GetThreadTimes(
                thread.as_raw_handle(),
                &raw mut created,
                &raw mut ended,
                &raw mut kernel,
                &raw mut user,
            )
        };
        if is_told == 0 {
            return Err(failed("cannot tell what a thread has used"));
        }
        times.insert(id.to_string().into(), (seconds(kernel) + seconds(user)) * 1e9);
    }
    Ok(times)
}

impl Footprint {
    pub(crate) fn of(id: u32) -> Result<Self> {
        let process = open(id, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ)?;
        let mut memory = PROCESS_MEMORY_COUNTERS_EX::default();
        // SAFETY: the longer structure begins with the shorter one, its size tells which it is, and it outlives the call.
        let is_told = unsafe {
            GetProcessMemoryInfo(
                process.as_raw_handle(),
                (&raw mut memory).cast::<PROCESS_MEMORY_COUNTERS>(),
                size_of_val(&memory) as u32,
            )
        };
        if is_told == 0 {
            return Err(failed("cannot tell what memory a process has"));
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 bytes or threads")]
        Ok(Self { memory: memory.PrivateUsage as f64 / 1024.0, threads: threads(id)?.len() as f64 })
    }
}

/// Ends a process, as nobody can prevent.
pub(crate) fn kill(id: u32) -> Result<()> {
    let process = open(id, PROCESS_TERMINATE)?;
    // SAFETY: the handle is open and has the right.
    if unsafe { TerminateProcess(process.as_raw_handle(), KILLED) } == 0 {
        return Err(failed("cannot end a process"));
    }
    Ok(())
}

/// A child that a plugin has left is in its job object, with which it has ended: its id may be another's by now.
#[expect(clippy::unnecessary_wraps, reason = "on another system there is something to do")]
pub(crate) fn kill_left(_id: u32) -> Result<()> {
    Ok(())
}

/// A child ends with this process only by its job object, which it cannot leave.
pub(crate) fn leave(_command: &mut Command) {}

/// A process that loses its parent.
pub(crate) struct Orphan(OwnedHandle);

impl Orphan {
    pub(crate) fn watch(id: u32) -> Result<Self> {
        open(id, PROCESS_SYNCHRONIZE).map(Self)
    }

    /// Waits for its end; whether that came in time.
    pub(crate) fn wait(&self, patience: Duration) -> Result<bool> {
        // SAFETY: the handle is open and has the right.
        match unsafe { WaitForSingleObject(self.0.as_raw_handle(), u32::try_from(patience.as_millis())?) } {
            WAIT_FAILED => Err(failed("cannot wait for a process")),
            state => Ok(state == WAIT_OBJECT_0),
        }
    }

    /// Nobody has to wait for a process so that the system forgets it.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "on another system there is something to do"
    )]
    pub(crate) fn reap(&self) -> Result<()> {
        Ok(())
    }
}

/// There is nothing to adopt: a process belongs to whoever has a handle.
#[expect(clippy::unnecessary_wraps, reason = "on another system there is something to do")]
pub(crate) fn adopt_orphans(_adopt: bool) -> Result<()> {
    Ok(())
}
