//! The standard output and error of a plugin whose host may end before it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};

/// How much is read at once of what nobody reads any more: what a pipe of Linux holds.
const READ_LEN: usize = 64 * 1024;

/// How often that is done at most. Each time one that waits for room goes on, and what it writes next goes elsewhere; a
/// child of the plugin that goes on writing must not keep the plugin busy.
const MAX_READS: usize = 64;

/// The pipes to a host, whose other ends are held here as well: so a write that comes after the end of the host does not
/// fail, as a `println!` would with a panic.
#[derive(Debug)]
pub(crate) struct Outputs(Vec<(Which, OwnedFd)>);

#[derive(Clone, Copy, Debug)]
enum Which {
    Stdout,
    Stderr,
}

impl Which {
    fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            Self::Stdout => rustix::stdio::stdout(),
            Self::Stderr => rustix::stdio::stderr(),
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Stdout => "/proc/self/fd/1",
            Self::Stderr => "/proc/self/fd/2",
        }
    }
}

impl Outputs {
    /// Holds the other ends of those that are pipes. What is a file or a terminal needs nobody at its other end.
    pub(crate) fn hold() -> Self {
        let pipes = [Which::Stdout, Which::Stderr].into_iter().filter(|which| {
            rustix::fs::fstat(which.descriptor())
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
        });
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // Without it a write in the moment after the host's end may fail; nothing else is lost.
        Self(
            pipes
                .filter_map(|it| Some((it, rustix::fs::open(it.path(), flags, Mode::empty()).ok()?)))
                .collect(),
        )
    }

    /// Throws away what is printed from now on, since the host is gone.
    pub(crate) fn let_go(&mut self) {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        for (which, reader) in self.0.drain(..) {
            if let Ok(null) = rustix::fs::open("/dev/null", flags, Mode::empty()) {
                // Each fails only for a descriptor that is not open, and both are.
                let _ = match which {
                    Which::Stdout => rustix::stdio::dup2_stdout(&null),
                    Which::Stderr => rustix::stdio::dup2_stderr(&null),
                };
            }
            drain(reader.as_fd());
        }
    }
}

/// Lets those go on that wait for room in a pipe.
fn drain(reader: BorrowedFd<'_>) {
    let mut buffer = vec![0; READ_LEN];
    for _ in 0..MAX_READS {
        match rustix::io::retry_on_intr(|| rustix::io::read(reader, &mut buffer)) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}
