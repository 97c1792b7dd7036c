//! How a process is started: in a job from its first instruction on, and with three handles of this process.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::process::Command;
use std::ptr::{null, null_mut};

use plugin_core::__host::handle::{checked, owned, wide, wide_path};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, HANDLE};
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED,
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT,
    InitializeProcThreadAttributeList, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROCESS_INFORMATION, ResumeThread,
    STARTF_USESTDHANDLES, STARTUPINFOEXW, STARTUPINFOW, UpdateProcThreadAttribute,
};

use super::command_line::command_line;
use super::environment::block;
use super::given::Streams;
use super::job::Job;
use super::process::{ProcessHandle, creation_time, end};
use super::program::find;
use crate::process::{Birth, Born};

/// Starts a process, in a job that ends with this one.
///
/// Ctrl-C in the console goes to the host alone, unless the plugin shares the standard input.
pub(crate) fn spawn(command: &mut Command, birth: Birth) -> io::Result<Born> {
    let program = wide_path(&find(command)?)?;
    let line = command_line(command.get_program(), command.get_args())?;
    let environment = block(command, birth.clears_environment)?;
    let directory = command.get_current_dir().map(wide).transpose()?;
    let may_outlive = birth.may_outlive;
    let shares_stdin = birth.stdin.is_none();
    let streams = Streams::new(birth)?;

    let mut flags = CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
    if !shares_stdin {
        flags |= CREATE_NEW_PROCESS_GROUP;
    }
    // Without a window it would not have the console of this process either, which it is to write to.
    if !streams.shares_any {
        flags |= CREATE_NO_WINDOW;
    }
    let what = What { program, line, environment, directory, handles: streams.handles() };
    let started = match may_outlive.then(|| what.start(flags | CREATE_BREAKAWAY_FROM_JOB)) {
        // The job that this process is in, if any, does not let anybody leave.
        Some(Err(error)) if error.raw_os_error().map(i32::cast_unsigned) != Some(ERROR_ACCESS_DENIED) => {
            return Err(error);
        }
        Some(Ok(started)) => started,
        Some(Err(_)) | None => what.start(flags)?,
    };
    let Started { id, process, thread } = started;
    let [stdout, stderr] = streams.pipes;
    match take(id, process.as_handle(), may_outlive).and_then(|job| resume(&thread).map(|()| job)) {
        Ok(job) => Ok(Born { id, handle: ProcessHandle::new(process, job), stdout, stderr }),
        Err(error) => {
            // It has not run, and must not.
            end(&process);
            Err(error)
        }
    }
}

/// Puts a process that does not run yet into a job of its own.
fn take(id: u32, process: BorrowedHandle<'_>, is_found_again: bool) -> io::Result<Job> {
    let name = is_found_again.then(|| creation_time(process).map(|start| (id, start))).transpose()?;
    let job = Job::new(name)?;
    job.take(process)?;
    Ok(job)
}

fn resume(thread: &OwnedHandle) -> io::Result<()> {
    // SAFETY: the thread is open.
    match unsafe { ResumeThread(thread.as_raw_handle()) } {
        u32::MAX => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A process that does not run yet.
struct Started {
    id: u32,
    process: OwnedHandle,
    thread: OwnedHandle,
}

/// What is started, as the system takes it: all texts end with a zero.
struct What {
    program: Vec<u16>,
    line: Vec<u16>,
    environment: Vec<u16>,
    directory: Option<Vec<u16>>,
    /// Standard input, output and error.
    handles: [HANDLE; 3],
}

impl What {
    fn start(&self, flags: u32) -> io::Result<Started> {
        let attributes = Attributes::new(&self.handles)?;
        let [stdin, stdout, stderr] = self.handles;
        let info = STARTUPINFOEXW {
            StartupInfo: STARTUPINFOW {
                cb: size_of::<STARTUPINFOEXW>() as u32,
                dwFlags: STARTF_USESTDHANDLES,
                hStdInput: stdin,
                hStdOutput: stdout,
                hStdError: stderr,
                ..STARTUPINFOW::default()
            },
            lpAttributeList: attributes.list,
        };
        let mut made = PROCESS_INFORMATION::default();
        // The system writes to it.
        let mut line = self.line.clone();
        // SAFETY: all texts end with a zero, and the block of variables with two. The information is of the size that it says
        // and that the flags announce; what it and its attributes point to is there during the call.
        checked(unsafe {
            CreateProcessW(
                self.program.as_ptr(),
                line.as_mut_ptr(),
                null(),
                null(),
                1,
                flags,
                self.environment.as_ptr().cast(),
                self.directory.as_ref().map_or(null(), |directory| directory.as_ptr()),
                &raw const info.StartupInfo,
                &raw mut made,
            )
        })?;
        Ok(Started { id: made.dwProcessId, process: owned(made.hProcess)?, thread: owned(made.hThread)? })
    }
}

/// What a process inherits of this one: these handles, and no others that happen to be inherited.
struct Attributes<'a> {
    list: *mut core::ffi::c_void,
    /// Where the list is, aligned for whatever the system keeps in it.
    _room: Vec<u64>,
    /// The list points to them.
    _handles: &'a [HANDLE; 3],
}

impl<'a> Attributes<'a> {
    fn new(handles: &'a [HANDLE; 3]) -> io::Result<Self> {
        let mut size = 0;
        // SAFETY: no room is given, so nothing but the size is written. It fails for that.
        unsafe { InitializeProcThreadAttributeList(null_mut(), 1, 0, &raw mut size) };
        let mut room = vec![0_u64; size.div_ceil(8)];
        let list = room.as_mut_ptr().cast();
        // SAFETY: there is as much room as is said.
        checked(unsafe { InitializeProcThreadAttributeList(list, 1, 0, &raw mut size) })?;
        let this = Self { list, _room: room, _handles: handles };
        // SAFETY: the list has been prepared for one attribute. It keeps the pointer to the handles, which are there for as long
        // as this is.
        checked(unsafe {
            UpdateProcThreadAttribute(
                list,
                0,
                PROC_THREAD_ATTRIBUTE_HANDLE_LIST as usize,
                handles.as_ptr().cast(),
                size_of_val(handles),
                null_mut(),
                null(),
            )
        })?;
        Ok(this)
    }
}

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: the list has been prepared, and nobody uses it any more.
        unsafe { DeleteProcThreadAttributeList(self.list) };
    }
}
