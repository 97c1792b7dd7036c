//! What processes hold of the system.

use std::collections::BTreeMap;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{
    CloseHandle, FILETIME, GetHandleInformation, HANDLE, INVALID_HANDLE_VALUE, LocalFree,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, FILE_TYPE_UNKNOWN, GetFileType};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
    TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::System::Pipes::GetNamedPipeInfo;
use windows_sys::Win32::System::ProcessStatus::{
    GetProcessMemoryInfo, K32GetModuleInformation, MODULEINFO, PROCESS_MEMORY_COUNTERS,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessHandleCount, GetThreadDescription, GetThreadTimes, OpenThread,
    PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW, THREAD_QUERY_INFORMATION,
    THREAD_QUERY_LIMITED_INFORMATION,
};

use super::{exists, open};

/// The largest handle that is looked at: a process of the tests has some hundreds, and each is the next multiple of four.
const LAST_HANDLE: usize = 0x4000;

/// The longest path that the system knows, in units.
const LONGEST_PATH: usize = 0x8000;

fn snapshot(of: u32) -> OwnedHandle {
    // SAFETY: takes numbers only.
    let handle = unsafe { CreateToolhelp32Snapshot(of, 0) };
    assert!(handle != INVALID_HANDLE_VALUE, "{}", io::Error::last_os_error());
    // SAFETY: it was made here and is nobody else's.
    unsafe { OwnedHandle::from_raw_handle(handle) }
}

/// The ids of the threads of a process.
fn thread_ids(id: u32) -> Vec<u32> {
    let snapshot = snapshot(TH32CS_SNAPTHREAD);
    // SAFETY: zeros are numbers, of which the entry consists.
    let mut entry: THREADENTRY32 = unsafe { zeroed() };
    entry.dwSize = size_of::<THREADENTRY32>() as u32;
    let mut ids = Vec::new();
    // SAFETY: the handle is open and the entry says how large it is.
    let mut is_one = unsafe { Thread32First(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    while is_one {
        if entry.th32OwnerProcessID == id {
            ids.push(entry.th32ThreadID);
        }
        // SAFETY: as above.
        is_one = unsafe { Thread32Next(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    }
    ids
}

/// How many threads a process has, without those that the system starts in each process and ends when it likes to.
#[must_use]
pub fn threads(id: u32) -> usize {
    thread_ids(id).into_iter().filter(|id| !is_of_the_system(*id)).count()
}

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtQueryInformationThread(
        thread: HANDLE,
        what: i32,
        told: *mut std::ffi::c_void,
        size: u32,
        length: *mut u32,
    ) -> i32;
}

/// Whether a thread runs for the library that loads programs, which has a pool of them.
fn is_of_the_system(id: u32) -> bool {
    // By the documentation of `NtQueryInformationThread`.
    const START_ADDRESS: i32 = 9;
    // SAFETY: takes numbers only.
    let handle = unsafe { OpenThread(THREAD_QUERY_INFORMATION, 0, id) };
    if handle.is_null() {
        // It has ended.
        return true;
    }
    // SAFETY: it was opened here and is nobody else's.
    let thread = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut start = 0_usize;
    // SAFETY: zeros are numbers and a pointer to nothing. The handle is open, and what is written has the sizes that are
    // told. The library is at the same place in each process.
    unsafe {
        let mut library: MODULEINFO = zeroed();
        let size = size_of::<usize>() as u32;
        let told = NtQueryInformationThread(
            thread.as_raw_handle(),
            START_ADDRESS,
            (&raw mut start).cast(),
            size,
            std::ptr::null_mut(),
        );
        let module = GetModuleHandleW(windows_sys::w!("ntdll.dll"));
        let size = size_of::<MODULEINFO>() as u32;
        let found = K32GetModuleInformation(GetCurrentProcess(), module, &raw mut library, size);
        let begin = library.lpBaseOfDll as usize;
        told >= 0 && found != 0 && (begin..begin + library.SizeOfImage as usize).contains(&start)
    }
}

/// The names of the threads of a process.
#[must_use]
pub fn thread_names(id: u32) -> Vec<String> {
    thread_ids(id).into_iter().filter_map(thread_name).collect()
}

fn thread_name(id: u32) -> Option<String> {
    // SAFETY: takes numbers only; the handle is closed by its owner, and the text is freed after its use.
    unsafe {
        let handle = OpenThread(THREAD_QUERY_LIMITED_INFORMATION, 0, id);
        // It may have ended.
        let thread = (!handle.is_null()).then(|| OwnedHandle::from_raw_handle(handle))?;
        let mut text = std::ptr::null_mut();
        if GetThreadDescription(thread.as_raw_handle(), &raw mut text) < 0 || text.is_null() {
            return None;
        }
        let length = (0..).take_while(|index| *text.add(*index) != 0).count();
        let name = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Some(name)
    }
}

/// How many handles this process has.
#[must_use]
pub fn descriptors() -> usize {
    // Wine does not count them.
    if super::is_wine() {
        return (4..LAST_HANDLE).step_by(4).filter(|value| is_open(*value as HANDLE)).count();
    }
    let mut count = 0;
    // SAFETY: the handle of this process is always valid, and `count` is writable.
    assert!(unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) } != 0);
    count as usize
}

/// A thread of this process.
#[derive(Debug)]
pub struct Worker(OwnedHandle);

impl Worker {
    /// That of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let id = thread_ids(std::process::id())
            .into_iter()
            .find(|id| thread_name(*id).as_deref() == Some(name))?;
        // SAFETY: takes numbers only, and the handle is nobody else's.
        let handle = unsafe { OpenThread(THREAD_QUERY_LIMITED_INFORMATION, 0, id) };
        // SAFETY: as above.
        (!handle.is_null()).then(|| Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// How much it has worked, in units of the system's clock.
    #[must_use]
    pub fn worked(&self) -> Option<u64> {
        // SAFETY: zeros are numbers, of which the times consist.
        let [mut start, mut end, mut kernel, mut user]: [FILETIME; 4] = unsafe { zeroed() };
        // SAFETY: the handle is open, and the times are writable.
        let told = unsafe {
            GetThreadTimes(
                self.0.as_raw_handle(),
                &raw mut start,
                &raw mut end,
                &raw mut kernel,
                &raw mut user,
            )
        };
        let ticks = |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
        (told != 0).then(|| ticks(kernel) + ticks(user))
    }
}

fn is_open(value: HANDLE) -> bool {
    let mut flags = 0;
    // SAFETY: a value that is no handle is an error and nothing else; `flags` is writable.
    unsafe { GetHandleInformation(value, &raw mut flags) != 0 }
}

/// The children of a process that have not ended.
#[must_use]
pub fn children(id: u32) -> Vec<u32> {
    let snapshot = snapshot(TH32CS_SNAPPROCESS);
    // SAFETY: zeros are numbers, of which the entry consists.
    let mut entry: PROCESSENTRY32W = unsafe { zeroed() };
    entry.dwSize = size_of::<PROCESSENTRY32W>() as u32;
    let mut ids = Vec::new();
    // SAFETY: the handle is open and the entry says how large it is.
    let mut is_one = unsafe { Process32FirstW(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    while is_one {
        if entry.th32ParentProcessID == id && exists(entry.th32ProcessID) {
            ids.push(entry.th32ProcessID);
        }
        // SAFETY: as above.
        is_one = unsafe { Process32NextW(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    }
    ids
}

/// The memory that is a process's own, in KiB.
#[must_use]
pub fn memory(id: u32) -> u64 {
    let process = open(id, PROCESS_QUERY_LIMITED_INFORMATION).expect("it runs");
    // SAFETY: zeros are numbers, of which the counters consist.
    let mut counters: PROCESS_MEMORY_COUNTERS = unsafe { zeroed() };
    counters.cb = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    let size = counters.cb;
    // SAFETY: the handle is open, and the system writes no more than the size that it is told.
    let told = unsafe { GetProcessMemoryInfo(process.as_raw_handle(), &raw mut counters, size) };
    assert!(told != 0, "{}", io::Error::last_os_error());
    // What is committed for it alone, whatever the name says.
    counters.PagefileUsage as u64 / 1024
}

/// The file that a process runs; `None` when it has ended.
#[must_use]
pub fn executable(id: u32) -> Option<PathBuf> {
    let process = open(id, PROCESS_QUERY_LIMITED_INFORMATION)?;
    let mut units = vec![0_u16; LONGEST_PATH];
    let mut length = LONGEST_PATH as u32;
    // SAFETY: the handle is open, and the system writes no more units than it is told.
    let told = unsafe {
        QueryFullProcessImageNameW(process.as_raw_handle(), 0, units.as_mut_ptr(), &raw mut length)
    };
    (told != 0).then(|| String::from_utf16_lossy(&units[..length as usize]).into())
}

/// The handles of this process that are pipes, with their values; the standard streams as 0, 1 and 2.
#[must_use]
pub fn pipes() -> Vec<usize> {
    let standard = [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE];
    // SAFETY: takes numbers only.
    let standard = standard.map(|which| unsafe { GetStdHandle(which) });
    let is_pipe = |value: &usize| {
        let handle = *value as HANDLE;
        // SAFETY: a value that is no handle is an error and nothing else.
        is_open(handle) && unsafe { GetFileType(handle) } == FILE_TYPE_PIPE
    };
    let number = |value: usize| standard.iter().position(|it| *it as usize == value).unwrap_or(value);
    let mut pipes: Vec<_> = (4..LAST_HANDLE).step_by(4).filter(is_pipe).map(number).collect();
    pipes.sort_unstable();
    pipes
}

/// Closes each connection that this process has, whoever uses it.
///
/// # Errors
/// None.
pub fn cut_connections() -> io::Result<()> {
    for value in pipes().into_iter().filter(|value| *value > 2) {
        let handle = value as HANDLE;
        let (mut flags, mut outgoing, mut incoming, mut most) = (0, 0, 0, 0);
        // SAFETY: all four are writable. What uses the handle finds that it is gone, which is the purpose, and ends the
        // process before there is another one of the same value.
        unsafe {
            let is_named =
                GetNamedPipeInfo(handle, &raw mut flags, &raw mut outgoing, &raw mut incoming, &raw mut most);
            if is_named != 0 && GetFileType(handle) != FILE_TYPE_UNKNOWN {
                CloseHandle(handle);
            }
        }
    }
    Ok(())
}

/// The pipes of a process, as on Unix it tells its descriptors.
///
/// # Errors
/// Where it is not this process.
pub fn descriptors_of(id: u32) -> io::Result<BTreeMap<u32, String>> {
    if id != std::process::id() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(pipes().into_iter().map(|value| (value as u32, "pipe:".to_owned())).collect())
}

/// Another process does not show it here.
///
/// # Errors
/// Always.
pub fn environment_of(_: u32) -> io::Result<BTreeMap<String, String>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whatever starts this process hands on nothing that was not asked for.
#[must_use]
pub fn hands_on(_: u32, _: &str) -> bool {
    false
}

/// How many children of this process run this file.
#[must_use]
pub fn processes_of(program: &Path) -> usize {
    children(std::process::id()).into_iter().filter(|id| executable(*id).as_deref() == Some(program)).count()
}
