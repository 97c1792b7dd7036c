//! Why a plugin does not get a control group of its own.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Why there is no group for a plugin below the [cgroup](crate::Launcher::cgroup) that was set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CgroupCause {
    /// It is missing, or is not a directory of cgroup version 2.
    NotCgroup2,
    /// This user may not make groups in it, or may not put a process of this program into one.
    NotDelegated(Arc<io::Error>),
    /// The kernel is older than 5.14, and cannot kill a group.
    NoKill,
    /// There are no control groups on Windows, and they are not needed: each plugin is in a job object, which does the same.
    NotNeeded,
    /// The system refused.
    Io(Arc<io::Error>),
}

impl fmt::Display for CgroupCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCgroup2 => f.write_str(
                "that is not a directory of cgroup version 2; name one below the mount that `grep cgroup2 /proc/mounts` \
                 shows",
            ),
            Self::NotDelegated(error) => write!(
                f,
                "it is not delegated to this user: {error}; run this program in a unit with `Delegate=yes` and name the \
                 unit's own cgroup, in which this program has to be as well"
            ),
            Self::NoKill => f.write_str(
                "this kernel cannot kill a group at once; use Linux 5.14 or later, or leave the cgroup out",
            ),
            Self::NotNeeded => f.write_str(
                "there are none on Windows, and none is needed: every plugin is in a job object, which does the same; leave \
                 the cgroup out there",
            ),
            Self::Io(error) => {
                write!(f, "the system refused: {error}; check `cgroup.type` and `cgroup.max.descendants` in it")
            }
        }
    }
}
