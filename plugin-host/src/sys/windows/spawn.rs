//! How a process is started: in a job from its first instruction on, and with three handles of this process.

use std::io;
use std::marker::PhantomData;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::process::Command;
use std::ptr::{null, null_mut};

use plugin_core::__host::handle::{checked, owned, wide, wide_path};
use plugin_core::__host::start_time_of;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Console::GetConsoleCP;
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED,
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT,
    InitializeProcThreadAttributeList, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST,
    PROCESS_INFORMATION, ResumeThread, STARTF_USESTDHANDLES, STARTUPINFOEXW, STARTUPINFOW,
    UpdateProcThreadAttribute,
};

use super::command_line::command_line;
use super::environment::block;
use super::given::Streams;
use super::job::Job;
use super::process::ProcessHandle;
use super::program::find;
use crate::process::{Birth, Born};

/// Starts a process, in a job that ends with this one.
///
/// Ctrl-C in the console goes to the host alone, unless the plugin shares the standard input.
pub(crate) fn spawn(command: &mut Command, birth: Birth) -> io::Result<Born> {
    let program = wide_path(&find(command)?)?;
    let line = command_line(command.get_program(), command.get_args())?;
    let directory = command.get_current_dir().map(wide).transpose()?;
    let (may_outlive, clears_environment) = (birth.may_outlive, birth.clears_environment);
    let shares_stdin = birth.stdin.is_none();
    let streams = Streams::new(birth)?;
    let environment = block(command, clears_environment, streams.variable())?;

    let mut flags = CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
    if !shares_stdin {
        flags |= CREATE_NEW_PROCESS_GROUP;
    }
    // With this flag it does not have the console of this process, which it may be to write to. Without it, the system opens a
    // window where this process has no console.
    if !(streams.shares_any && has_console()) {
        flags |= CREATE_NO_WINDOW;
    }
    let what =
        What { program, line, environment, directory, handles: streams.handles(), job: Job::new(None)? };
    let (id, handle) = if may_outlive { what.start_survivor(flags)? } else { what.start_child(flags)? };
    let [stdout, stderr] = streams.pipes;
    Ok(Born { id, handle, stdout, stderr })
}

/// Whether this program has a console, in which what it starts can write.
fn has_console() -> bool {
    // SAFETY: nothing is given.
    unsafe { GetConsoleCP() != 0 }
}

/// A process that was started.
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
    /// Standard input, output and error, and what else is inherited.
    handles: Vec<HANDLE>,
    /// Where it is from the beginning: there is no moment in which it would stay when this process is killed.
    job: Job,
}

impl What {
    fn start_child(self, flags: u32) -> io::Result<(u32, ProcessHandle)> {
        let Started { id, process, .. } = self.start(flags)?;
        Ok((id, ProcessHandle::new(process, self.job, None)))
    }

    /// Starts a process that is in a second job as well, by whose name a later host finds it.
    fn start_survivor(self, flags: u32) -> io::Result<(u32, ProcessHandle)> {
        let flags = flags | CREATE_SUSPENDED;
        // The end of the job that this process is in, if any, would end it as well. Not all jobs let somebody leave.
        let started = self.start(flags | CREATE_BREAKAWAY_FROM_JOB).or_else(|_| self.start(flags))?;
        let Started { id, process, thread } = started;
        // When it fails, the process ends with the job without having run.
        let start_time = start_time_of(process.as_handle())?;
        let named = Job::new(Some((id, start_time)))?;
        named.take(process.as_handle())?;
        // SAFETY: the thread is open.
        if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
            return Err(io::Error::last_os_error());
        }
        Ok((id, ProcessHandle::new(process, self.job, Some(named))))
    }

    fn start(&self, flags: u32) -> io::Result<Started> {
        let job = self.job.raw();
        let attributes = Attributes::new(&self.handles, &job)?;
        let [stdin, stdout, stderr] = *self.handles.first_chunk().ok_or(io::ErrorKind::InvalidInput)?;
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

/// What a process inherits of this one, these handles and no others that happen to be inherited, and the job that it is in.
struct Attributes<'a> {
    list: *mut core::ffi::c_void,
    /// Where the list is, aligned for whatever the system keeps in it.
    _room: Vec<u64>,
    /// What the list points to.
    values: PhantomData<&'a HANDLE>,
}

impl<'a> Attributes<'a> {
    fn new(handles: &'a [HANDLE], job: &'a HANDLE) -> io::Result<Self> {
        const COUNT: u32 = 2;
        let mut size = 0;
        // SAFETY: no room is given, so nothing but the size is written. It fails for that.
        unsafe { InitializeProcThreadAttributeList(null_mut(), COUNT, 0, &raw mut size) };
        let mut room = vec![0_u64; size.div_ceil(8)];
        let list = room.as_mut_ptr().cast();
        // SAFETY: there is as much room as is said.
        checked(unsafe { InitializeProcThreadAttributeList(list, COUNT, 0, &raw mut size) })?;
        let mut this = Self { list, _room: room, values: PhantomData };
        this.add(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles)?;
        this.add(PROC_THREAD_ATTRIBUTE_JOB_LIST, std::slice::from_ref(job))?;
        Ok(this)
    }

    fn add(&mut self, attribute: u32, handles: &'a [HANDLE]) -> io::Result<()> {
        // SAFETY: the list has been prepared for as many attributes as are added. It keeps the pointer to the handles, which are
        // there for as long as this is.
        checked(unsafe {
            let (at, size) = (handles.as_ptr().cast(), size_of_val(handles));
            UpdateProcThreadAttribute(self.list, 0, attribute as usize, at, size, null_mut(), null())
        })
    }
}

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: the list has been prepared, and nobody uses it any more.
        unsafe { DeleteProcThreadAttributeList(self.list) };
    }
}
