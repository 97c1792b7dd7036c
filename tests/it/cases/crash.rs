//! What can happen in the methods of a plugin.

use std::ops::Range;

use plugin_core::{CallError, DisconnectCause, Panicked};
use plugin_host::{PluginProcess, ShutdownError};
use tests::sys::{self, Told};
use tests::{Crash, CrashClient, Mishap};

use super::session::end_child;
use crate::support::{SHORT, assert_says, cause, child_id, crashing, wait_until_gone};

/// Whether this end of a process is told as another one: Wine has success in place of an overflow.
pub(crate) fn is_lost(status: Status) -> bool {
    matches!(status, Status::Overflow) && sys::is_wine()
}

/// Panics, which fail one call, with their message.
pub(crate) const PANICS: &[(Mishap, &str)] = &[
    (Mishap::PanicWithText, "a plain text"),
    (Mishap::PanicWithString, "a text with the number 7"),
    (Mishap::PanicWithValue, "a value that is not a text"),
    (Mishap::PanicInDrop, "while dropping"),
    (Mishap::PanicWithHugeText, "xxx"),
];

/// How a process ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    Code(i32),
    Signal(i32),
    /// In the way of the system of telling that a thread had no stack left.
    Overflow,
}

impl Status {
    /// How the system tells it.
    pub(crate) fn told(self) -> Told {
        match self {
            Self::Code(code) => Told::Code(code),
            Self::Signal(signal) => sys::told_of_signal(signal),
            Self::Overflow => sys::told_of_overflow(),
        }
    }
}

/// What ends the process, how it ends, and what it or the host says of it.
pub(crate) const ENDS: &[(Mishap, Status, &[&str])] = &[
    (Mishap::Abort, Status::Signal(6), &["aborted (signal: 6"]),
    (Mishap::PanicTwice, Status::Signal(6), &["signal: 6", "panic in a destructor during cleanup"]),
    (Mishap::Signal(11), Status::Signal(11), &["crashed (signal: 11"]),
    (Mishap::Signal(15), Status::Signal(15), &["was ended by a signal (signal: 15"]),
    (Mishap::Signal(9), Status::Signal(9), &["was killed", "(signal: 9"]),
    (Mishap::Exit(0), Status::Code(0), &["ended by itself"]),
    (Mishap::Exit(3), Status::Code(3), &["failed (exit status: 3)"]),
    (Mishap::StackOverflow, Status::Overflow, &["it overflowed its stack (", "has overflowed its stack"]),
    (
        Mishap::StackOverflowOnThread,
        Status::Overflow,
        &["it overflowed its stack (", "has overflowed its stack"],
    ),
    (Mishap::Signal(4), Status::Signal(4), &["crashed (signal: 4"]),
    (Mishap::Signal(7), Status::Signal(7), &["crashed (signal: 7"]),
    (Mishap::Signal(8), Status::Signal(8), &["crashed (signal: 8"]),
    (Mishap::OutOfMemory, Status::Signal(6), &["it ran out of memory (signal: 6", "memory allocation of"]),
];

fn launch() -> (PluginProcess, CrashClient) {
    let plugin = crashing().spawn().expect("it starts");
    let client = plugin.client().expect("it has the interface");
    (plugin, client)
}

/// A panic fails the call that raised it, and no other.
pub(crate) fn panics() {
    panic_with(0..PANICS.len());
}

/// Some of the panics.
pub(crate) fn panic_with(which: Range<usize>) {
    let (plugin, client) = launch();
    for (mishap, message) in &PANICS[which] {
        let error = client.crash(*mishap).expect_err("it panics");
        let CallError::Panicked(panicked) = &error else { panic!("{mishap:?}: {error:?}") };
        let Panicked { message: told, location, backtrace, .. } = &**panicked;
        assert!(told.contains(message), "{mishap:?}: {told}");
        assert!(told.len() < 8 * 1024, "{mishap:?}: {} bytes", told.len());
        assert!(
            location.as_deref().is_some_and(|at| at.contains("crashing.rs:")),
            "{mishap:?}: {location:?}"
        );
        assert!(backtrace.as_deref().is_some_and(|text| text.contains("crash")), "{mishap:?}: {backtrace:?}");
        assert!(error.is_panicked() && error.may_have_run());
        assert_says(&error, &["`Crash::crash` of plugin `crashing` panicked at", message, "report it"]);
        assert_eq!(client.survive(7).expect("the plugin goes on"), 7);
    }
    plugin.shutdown().expect("it ends in order");
    wait_until_gone(plugin.id());
}

/// The end of that name.
pub(crate) fn end_by(name: &str) {
    let found = ENDS.iter().find(|(mishap, ..)| format!("{mishap:?}") == name);
    let (mishap, status, says) = found.unwrap_or_else(|| panic!("no end is called {name}"));
    end(*mishap, *status, says);
}

/// The end of the process fails all its calls.
pub(crate) fn end(mishap: Mishap, status: Status, says: &[&str]) {
    if is_lost(status) {
        return;
    }
    let (plugin, client) = launch();
    let error = client.crash(mishap).expect_err("it ends");
    let DisconnectCause::Ended(end) = cause(&error) else { panic!("{mishap:?}: {error:?}") };
    let told = end.status.expect("the host has waited for it");
    assert_eq!(sys::told(told), status.told(), "{mishap:?}");
    assert_says(
        &error,
        &["plugin `crashing` is gone", "`Crash::crash` may have run", "launch the plugin again"],
    );
    assert_says(&error, says);
    wait_until_gone(plugin.id());
    assert!(plugin.exited().is_some());
    assert_says(&client.survive(7).expect_err("it has ended"), &["`Crash::survive` has not run"]);
    match (plugin.shutdown(), status) {
        (Ok(()), Status::Code(0)) => {}
        (Err(error @ ShutdownError::Failed { .. }), _) => {
            assert_says(&error, &["did not end in order", "crashing"])
        }
        other => panic!("{mishap:?}: {other:?}"),
    }
}

/// A child in the plugin's group ends with it; another one is no matter of the host.
pub(crate) fn children() {
    for own_group in [false, true] {
        let (plugin, client) = launch();
        let error = client.crash(Mishap::ExitLeavingChild { own_group }).expect_err("it ends");
        let DisconnectCause::Ended(end) = cause(&error) else { panic!("{error:?}") };
        let child = child_id(&end.stderr);
        wait_until_gone(plugin.id());
        if own_group && sys::CHILDREN_CAN_LEAVE {
            end_child(child);
        } else {
            wait_until_gone(child);
        }
        plugin.shutdown().expect("it has ended with success");
    }
}

/// A method that never returns does not keep the plugin from being ended.
pub(crate) fn hang() {
    let mut launcher = crashing().call_timeout(SHORT).shutdown_timeout(SHORT);
    let plugin = launcher.spawn().expect("it starts");
    let client: CrashClient = plugin.client().expect("it has the interface");
    let error = client.crash(Mishap::Hang).expect_err("it never returns");
    assert!(error.is_timed_out() && error.may_have_run(), "{error:?}");
    assert_eq!(client.survive(7).expect("other calls go on"), 7);
    // The method is cut off, and the plugin ends in order.
    plugin.shutdown().expect("a method that hangs does not keep it");
    assert!(plugin.exited().is_some_and(|end| end.status.is_some_and(|status| status.success())));
    wait_until_gone(plugin.id());
    assert!(matches!(cause(&client.survive(7).expect_err("it is gone")), DisconnectCause::ShutDown));
}
