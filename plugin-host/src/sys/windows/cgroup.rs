//! Control groups, which this system does not have. Job objects do the same, for every plugin.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Instant;

use crate::cgroup::CgroupCause;

/// There is none.
#[derive(Debug)]
pub(crate) struct NewCgroup(Infallible);

impl NewCgroup {
    pub(crate) fn create(_: &Path) -> Result<Self, CgroupCause> {
        Err(CgroupCause::NotNeeded)
    }

    pub(crate) fn path(&self) -> &Path {
        match self.0 {}
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) struct Cgroup(Infallible);

impl Cgroup {
    pub(crate) fn of_process(_: u32, _: &Path) -> Option<Self> {
        None
    }

    pub(crate) fn path(&self) -> &Path {
        match self.0 {}
    }

    pub(crate) fn kill(&self) {
        match self.0 {}
    }

    pub(crate) fn clear(&self, _: Instant) -> io::Result<()> {
        match self.0 {}
    }
}
