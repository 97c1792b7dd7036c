//! Linux: a Unix socket, `/proc`, and process descriptors.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, path::PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, set_child_subreaper, waitid,
};
use tempfile::TempDir;

use super::{Footprint, Usage};
use crate::Result;
use crate::machine::{field, numbers, read};

/// A bare connection, which sleeps in each call until the system is done with it.
pub(crate) struct Connection(UnixStream);

/// Both ends of a connection, the second as what a process gets as its standard input.
pub(crate) fn pair() -> io::Result<(Connection, Stdio)> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok((Connection(ours), OwnedFd::from(theirs).into()))
}

impl Connection {
    /// The end that this process was started with.
    pub(crate) fn from_stdin() -> io::Result<Self> {
        stdin().map(|stdin| Self(stdin.into()))
    }
}

fn stdin() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            // The other end had not read all that was sent to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
            result => result,
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A place where another process serves many connections.
pub(crate) struct Meeting {
    path: PathBuf,
    _folder: TempDir,
}

impl Meeting {
    /// The place, and the standard input of the process that is to serve there. It listens before that process is there, so
    /// that nobody waits for anybody.
    pub(crate) fn new() -> io::Result<(Self, Stdio)> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path)?;
        Ok((Self { path, _folder: folder }, OwnedFd::from(listener).into()))
    }

    /// What the process that serves is told of it.
    pub(crate) fn address(&self) -> OsString {
        self.path.clone().into()
    }

    /// One more connection.
    pub(crate) fn connect(&mut self) -> io::Result<Connection> {
        UnixStream::connect(&self.path).map(Connection)
    }

    /// What the process that serves does with each connection.
    pub(crate) fn serve(
        _address: &OsString,
        mut each: impl FnMut(Connection) -> io::Result<()>,
    ) -> io::Result<()> {
        let listener = UnixListener::from(stdin()?);
        loop {
            each(Connection(listener.accept()?.0))?;
        }
    }
}

/// What the processor calls itself.
pub(crate) fn processor() -> Result<String> {
    let cpus = read("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Ok(model.map_or("unknown", |(_, model)| model.trim()).to_owned())
}

/// The system and its release.
pub(crate) fn system() -> Result<String> {
    Ok(format!("Linux {}", read("/proc/sys/kernel/osrelease")?.trim()))
}

impl Usage {
    pub(crate) fn now() -> Result<Self> {
        // What the kernel calls USER_HZ, the same on all architectures in use.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = read("/proc/stat")?;
        let all = numbers(stat.lines().next().and_then(|line| line.strip_prefix("cpu")))?;
        let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = all[..] else {
            return Err("/proc/stat says less than is known of it".into());
        };
        let stat = read("/proc/self/stat")?;
        // The name of the program is in parentheses and may hold anything; the state follows it.
        let after = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split_once(' '));
        let own = numbers(after.map(|(_state, rest)| rest))?;
        // Fields 14 to 17 of proc_pid_stat(5), counted from the fourth.
        let own = own.get(10..14).ok_or("/proc/self/stat says less than is known of it")?;
        let busy = user + nice + system + irq + softirq;
        let [busy, steal, own] = [busy, steal, own.iter().sum()].map(|ticks: f64| ticks / TICKS_PER_SECOND);
        Ok(Self { busy, steal, own })
    }
}

/// Processor time of each thread of a process in ns, which is what the scheduler counts: user and system time in
/// `stat` are multiples of 10 ms.
pub(crate) fn thread_times(process: u32) -> Result<HashMap<OsString, f64>> {
    let path = format!("/proc/{process}/task");
    let mut times = HashMap::new();
    for thread in fs::read_dir(&path).map_err(|error| format!("cannot read {path}: {error}"))? {
        let name = thread?.file_name();
        let stat = fs::read_to_string(format!("{path}/{}/schedstat", name.display()));
        match stat {
            Ok(stat) => {
                let time = *numbers(Some(&stat))?.first().ok_or("schedstat is empty")?;
                times.insert(name, time);
            }
            // It ended since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(times)
}

impl Footprint {
    pub(crate) fn of(process: u32) -> Result<Self> {
        let folder = format!("/proc/{process}");
        let memory = field(&read(&format!("{folder}/smaps_rollup"))?, "Anonymous:")?;
        let threads = field(&read(&format!("{folder}/status"))?, "Threads:")?;
        Ok(Self { memory, threads })
    }
}

/// Ends a process that has not been waited for, as nobody can prevent.
pub(crate) fn kill(id: u32) -> Result<()> {
    Ok(kill_process(pid(id)?, Signal::KILL)?)
}

/// Ends a child that a plugin has left, out of its process group.
pub(crate) fn kill_left(id: u32) -> Result<()> {
    kill(id)
}

/// Has a child not end with this process.
pub(crate) fn leave(command: &mut Command) {
    command.process_group(0);
}

/// A process that loses its parent.
pub(crate) struct Orphan(OwnedFd);

impl Orphan {
    pub(crate) fn watch(id: u32) -> Result<Self> {
        Ok(Self(pidfd_open(pid(id)?, PidfdFlags::empty())?))
    }

    /// Waits for its end; whether that came in time.
    pub(crate) fn wait(&self, patience: Duration) -> Result<bool> {
        let patience = Timespec::try_from(patience)?;
        Ok(poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience))? > 0)
    }

    /// Lets the system forget it: it is a child of this process by now.
    pub(crate) fn reap(&self) -> Result<()> {
        waitid(WaitId::PidFd(self.0.as_fd()), WaitIdOptions::EXITED)?;
        Ok(())
    }
}

/// Whether orphans become children of this process, which waits for them: nobody else is to have them.
pub(crate) fn adopt_orphans(adopt: bool) -> Result<()> {
    let own = adopt.then(|| pid(std::process::id())).transpose()?;
    Ok(set_child_subreaper(own)?)
}

fn pid(id: u32) -> Result<Pid> {
    Ok(i32::try_from(id).ok().and_then(Pid::from_raw).ok_or("not the id of a process")?)
}
