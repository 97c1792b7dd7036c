//! What this process holds of the system.

use std::fs;

use crate::support::wait_for;

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
    pub(crate) children: usize,
}

impl Held {
    pub(crate) fn now() -> Self {
        let count = |path| fs::read_dir(path).expect("the system tells it").count();
        // The system lists them by the thread that started them. Threads end meanwhile.
        let tasks = fs::read_dir("/proc/self/task").expect("the system tells it").flatten();
        let children = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            text.split_whitespace().count()
        };
        let children = tasks.map(children).sum();
        Self { threads: count("/proc/self/task"), descriptors: count("/proc/self/fd"), children }
    }
}

/// Runs a case and waits until the process holds nothing of it any more.
pub(crate) fn check(name: &str, run: impl FnOnce()) {
    let descriptors = Held::now().descriptors;
    run();
    let before = Held { threads: 1, descriptors, children: 0 };
    wait_for(&format!("{name} leaves {before:?}"), || Held::now() == before);
}

/// The memory of a process that no file stands behind, in KiB.
pub(crate) fn memory(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the system tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}
