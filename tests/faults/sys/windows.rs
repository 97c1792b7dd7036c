//! Windows.
#![allow(unsafe_code, reason = "the system's own functions, of which each call says why it is sound")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::process::Command;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation,
    QueryInformationJobObject, SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use plugin_host::Launcher;

use crate::table::{Case, Windows};

/// All that has come from this process, in whatever jobs of their own it is. The handle is closed at the end of this process,
/// and with it the last of them.
static JOB: OnceLock<OwnedHandle> = OnceLock::new();

/// How many processes there may be at once: many times what any case has.
const MOST: usize = 1024;

/// Whether a text can be a program, which names the one that reads it.
pub(crate) const HAS_SCRIPTS: bool = false;

/// Whether a plugin has the time to drop its value when its host is killed: the job object that ends with the host ends it.
pub(crate) const OUTLASTS_ITS_HOST: bool = false;

/// A `JOBOBJECT_BASIC_PROCESS_ID_LIST` that has room.
#[repr(C)]
struct Members {
    there_are: u32,
    told: u32,
    ids: [usize; MOST],
}

/// Has a host keep its temporary files, and those of its plugins, in a directory.
pub(crate) fn keep_files_in(command: &mut Command, directory: &Path) {
    command.env("TMP", directory).env("TEMP", directory);
}

/// Other users may not look into a directory of this one, and need not.
pub(crate) fn open_directory(_: &Path) {}

/// Nobody needs another user here.
pub(crate) fn as_nobody(_: &mut Command) {}

/// A plugin as any other: there is nothing else to listen to.
pub(crate) fn deaf(program: &str, words: impl FnOnce(&mut Command)) -> Launcher {
    let mut command = Command::new(program);
    words(&mut command);
    Launcher::from_command(command)
}

/// No other program is needed to close them, and the host does not start one that has none.
pub(crate) fn without_outputs(_: &str, _: impl FnOnce(&mut Command)) -> Option<Launcher> {
    None
}

/// The system does not ask.
pub(crate) fn ask_to_end(_: u32) {}

/// At the start of the host that is watched, before it has plugins.
pub(crate) fn gather_descendants() {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    // SAFETY: null stands for the usual rights and for no name.
    let job = unsafe { CreateJobObjectW(null(), null()) };
    assert!(!job.is_null(), "{}", io::Error::last_os_error());
    // SAFETY: it was made here and is nobody else's.
    let job = JOB.get_or_init(|| unsafe { OwnedHandle::from_raw_handle(job) });
    // SAFETY: the handle is open, and the structure is that of this class and has the size that is told.
    let is_set = unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast::<c_void>(),
            size_of_val(&limits) as u32,
        )
    };
    assert!(is_set != 0, "{}", io::Error::last_os_error());
    // SAFETY: both handles are open.
    let is_in = unsafe { AssignProcessToJobObject(job.as_raw_handle(), GetCurrentProcess()) };
    assert!(is_in != 0, "{}", io::Error::last_os_error());
}

/// The processes that have come from this one and are not its children: what a plugin left behind, say.
pub(crate) fn strays() -> Vec<String> {
    let Some(job) = JOB.get() else { return Vec::new() };
    let mut members = Members { there_are: 0, told: 0, ids: [0; MOST] };
    // SAFETY: the handle is open, and the structure is that of this class and has the size that is told.
    let is_told = unsafe {
        QueryInformationJobObject(
            job.as_raw_handle(),
            JobObjectBasicProcessIdList,
            (&raw mut members).cast::<c_void>(),
            size_of::<Members>() as u32,
            null_mut(),
        )
    };
    assert!(is_told != 0, "{}", io::Error::last_os_error());
    let own = std::process::id();
    let children = tests::sys::children(own);
    let ids = members.ids[..members.told as usize].iter().filter_map(|id| u32::try_from(*id).ok());
    // One that has ended is listed for as long as somebody holds a handle to it.
    let strays = ids.filter(|id| *id != own && !children.contains(id) && tests::sys::exists(*id));
    strays.map(|id| format!("process {id}")).collect()
}

/// Why a case is not done on this system.
pub(crate) fn exclusion(case: &Case) -> Option<&'static str> {
    match case.windows {
        Windows::Excluded(why) => Some(why),
        Windows::Same | Windows::Outcome(_) => case.wine.filter(|_| tests::sys::is_wine()),
    }
}
