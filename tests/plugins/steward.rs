//! A plugin with hooks that do what its arguments say.
//!
//! The first argument is a file, to which it appends a line for each thing that happens to it; the second what it does at
//! its start: `fail`, `panic`, `hang`, or `well`; the third what at its end: `panic`, `hang`, or `well`; the fourth its panic
//! policy: `keep`, `end` or `abort`.

use std::fs::OpenOptions;
use std::future::poll_fn;
use std::io::Write;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;

use plugin_core::{AnyError, CallError, Hooks, PanicPolicy, Registry, Result};
use tests::{Steward, StewardServer};

struct House {
    diary: PathBuf,
    at_start: String,
    at_end: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: u64,
    is_open: bool,
    is_told: bool,
    illness: String,
}

impl House {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, line: &str) {
        let file = OpenOptions::new().create(true).append(true).open(&self.diary);
        // The test finds out that it is missing.
        let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}

/// Parks for ever.
fn hang() {
    loop {
        thread::park();
    }
}

impl Hooks for House {
    fn on_start(&self) -> Result<(), AnyError> {
        self.note(&format!("{}", std::process::id()));
        match self.at_start.as_str() {
            "fail" => drop(std::fs::read("/the/licence")?),
            "panic" => panic!("the house burns"),
            "hang" => hang(),
            _ => {}
        }
        Ok(())
    }

    fn on_shutdown(&self) {
        self.note("told to end");
        self.state().is_told = true;
        self.changed.notify_all();
        match self.at_end.as_str() {
            "panic" => panic!("the keys are lost"),
            "hang" => hang(),
            _ => {}
        }
    }

    fn health(&self) -> Result<(), AnyError> {
        match self.state().illness.as_str() {
            "" => Ok(()),
            reason => Err(AnyError::msg(reason)),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.note("dropped");
    }
}

impl Steward for House {
    fn wait_at_door(&self) -> Result<String> {
        let mut state = self.state();
        state.waiting += 1;
        while !state.is_open && !state.is_told {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        Ok(if state.is_told { "told" } else { "opened" }.to_owned())
    }
    fn open_door(&self) -> Result<()> {
        self.state().is_open = true;
        self.changed.notify_all();
        Ok(())
    }
    fn waiting(&self) -> Result<u64> {
        Ok(self.state().waiting)
    }
    fn fall_ill(&self, reason: &str) -> Result<()> {
        reason.clone_into(&mut self.state().illness);
        Ok(())
    }
    fn panic(&self, text: &str) -> Result<()> {
        panic!("{text}")
    }
    async fn panic_later(&self, text: &str) -> Result<()> {
        let mut has_paused = false;
        poll_fn(|context| {
            if std::mem::replace(&mut has_paused, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        panic!("{text}")
    }
    fn outlast(&self, text: &str) -> Result<()> {
        self.note("begins to outlast");
        let call = plugin_core::call();
        while !call.is_cancelled() {
            thread::yield_now();
        }
        // More than a pipe holds, so that it blocks where nobody reads.
        for number in 0..100 {
            println!("{text}: {}", "x".repeat(2000));
            eprintln!("{text}: {}", "y".repeat(2000));
            log::warn!("{text}, {number}");
        }
        self.note(text);
        Ok(())
    }
    fn catch(&self, text: &str) -> Result<String> {
        let text = text.to_owned();
        let panic = catch_unwind(move || panic!("{text}")).expect_err("it panics");
        panic.downcast::<String>().map(|text| *text).map_err(|_| CallError::failed("another panic"))
    }
}

fn main() -> ExitCode {
    tests::starts::begin();
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    let house = Arc::new(House {
        diary: next().into(),
        at_start: next(),
        at_end: next(),
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    let policy = match next().as_str() {
        "end" => PanicPolicy::EndAfterReply,
        "abort" => PanicPolicy::Abort,
        _ => PanicPolicy::Keep,
    };
    let registry = Registry::new("steward", "1.0.0").panic_policy(policy).hooks(Arc::clone(&house));
    plugin_core::serve(registry.add(StewardServer::shared(house)))
}
