//! What processes hold of the system.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// How many threads a process has.
#[must_use]
pub fn threads(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().count()
}

/// The names of the threads of a process.
#[must_use]
pub fn thread_names(id: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let names = tasks.map(|task| fs::read_to_string(task.path().join("comm")).unwrap_or_default());
    names.map(|name| name.trim_end().to_owned()).collect()
}

/// How many descriptors this process has.
#[must_use]
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("the system tells it").count()
}

/// The children of a process.
#[must_use]
pub fn children(id: u32) -> Vec<u32> {
    // The system lists them by the thread that started them. Threads end meanwhile.
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let texts = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let ids: Vec<_> = texts.collect();
    ids.iter().flat_map(|text| text.split_whitespace()).filter_map(|id| id.parse().ok()).collect()
}

/// The memory of a process that no file stands behind, in KiB.
#[must_use]
pub fn memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the system tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

/// The file that a process runs; `None` when it has ended.
#[must_use]
pub fn executable(id: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{id}/exe")).ok()
}

/// The open descriptors of a process, with what they are.
///
/// # Errors
/// Where there is no such process.
pub fn descriptors_of(id: u32) -> io::Result<BTreeMap<u32, String>> {
    let directory = PathBuf::from(format!("/proc/{id}/fd"));
    let own = if id == std::process::id() { directory.clone() } else { PathBuf::from("/nowhere") };
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&directory)? {
        let entry = entry?;
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        // The descriptor through which the directory is read.
        if target == own {
            continue;
        }
        if let Ok(number) = entry.file_name().to_string_lossy().parse() {
            found.insert(number, target.to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

/// The environment that a process was started with.
///
/// # Errors
/// Where there is no such process.
pub fn environment_of(id: u32) -> io::Result<BTreeMap<String, String>> {
    let bytes = fs::read(format!("/proc/{id}/environ"))?;
    let text = String::from_utf8_lossy(&bytes);
    let variables = text.split_terminator('\0').filter_map(|variable| variable.split_once('='));
    Ok(variables.map(|(name, value)| (name.into(), value.into())).collect())
}

/// Whether this process has the same descriptor, and hands it on to whatever it starts.
#[must_use]
pub fn hands_on(number: u32, what: &str) -> bool {
    const CLOSED_ON_EXEC: u32 = 0o2_000_000;
    let is_same = fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|own| own == Path::new(what));
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    is_same && flags.is_some_and(|flags| flags & CLOSED_ON_EXEC == 0)
}

/// How many processes were started by this path, which may be a link.
#[must_use]
pub fn processes_of(program: &Path) -> usize {
    let words = program.as_os_str().as_encoded_bytes();
    let processes = fs::read_dir("/proc").expect("the system tells it").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.windows(words.len()).any(|part| part == words)).count()
}

/// Closes each connection that this process has, whoever uses it.
///
/// # Errors
/// Those of the system.
pub fn cut_connections() -> io::Result<()> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        // That of the listing itself is gone already.
        let target = fs::read_link(&path).unwrap_or_default();
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| target.to_string_lossy().starts_with("socket:")) {
            let copy = pidfd_getfd(&own, number, PidfdGetfdFlags::empty())?;
            UnixStream::from(copy).shutdown(Shutdown::Both)?;
        }
    }
    Ok(())
}

/// A thread of this process.
#[derive(Debug)]
pub struct Worker(PathBuf);

impl Worker {
    /// That of this name, of which the system keeps 15 bytes.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let tasks = fs::read_dir("/proc/self/task").expect("the system tells it").flatten();
        let is_it =
            |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|it| it.trim_end() == name);
        tasks.map(|task| task.path()).find(is_it).map(Self)
    }

    /// How much it has worked, unless it does so at this moment.
    #[must_use]
    pub fn worked(&self) -> Option<String> {
        let sleeps = fs::read_to_string(self.0.join("stat")).expect("it is there").contains(") S ");
        sleeps.then(|| fs::read_to_string(self.0.join("schedstat")).expect("it is there"))
    }
}
