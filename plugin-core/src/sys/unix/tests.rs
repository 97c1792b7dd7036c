//! How Unix tells the ends of processes apart.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use crate::error::{EndKind, ProcessEnd};

#[test]
fn each_end_is_told_from_the_others() {
    let exited = |code: i32| code << 8;
    for (raw, stderr, kind, says) in [
        (exited(0), "", EndKind::Exited, "ended by itself (exit status: 0)"),
        (exited(3), "", EndKind::Failed(3), "failed (exit status: 3)"),
        (exited(101), "", EndKind::Panicked, "panicked outside of a call"),
        (6, "", EndKind::Aborted, "aborted (signal: 6"),
        (6, "thread 'x' has overflowed its stack", EndKind::StackOverflow, "overflowed its stack (signal: 6"),
        (6, "memory allocation of 9 bytes failed", EndKind::OutOfMemory, "ran out of memory (signal: 6"),
        (11, "", EndKind::Crashed(11), "crashed (signal: 11"),
        (4, "", EndKind::Crashed(4), "crashed (signal: 4"),
        // What it said means nothing where something else ended it.
        (9, "memory allocation of 9 bytes failed", EndKind::Killed, "was killed"),
        (15, "", EndKind::Signal(15), "was ended by a signal (signal: 15"),
    ] {
        let status = Some(ExitStatus::from_raw(raw));
        let lines = vec![stderr.to_owned()];
        let end = ProcessEnd::new(status, Duration::from_millis(1500), lines);
        assert_eq!(end.kind(), kind, "{raw}");
        let text = end.to_string();
        assert!(text.contains(says) && text.ends_with(" after 1.5s"), "{text}");
    }
    let end = ProcessEnd::new(None, Duration::ZERO, Vec::new());
    assert_eq!(end.kind(), EndKind::Unknown);
}
