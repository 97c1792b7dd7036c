//! Misdeeds of plugins, in tables: what is done, which error the host gets, and what its text says.
//!
//! The tests run them at the same time as others; `faults` runs them one by one and counts what is left.

pub(crate) mod crash;
pub(crate) mod ends;
pub(crate) mod files;
pub(crate) mod given_up;
pub(crate) mod groups;
pub(crate) mod hosts;
pub(crate) mod kills;
pub(crate) mod payload;
pub(crate) mod printing;
pub(crate) mod session;
pub(crate) mod stall;
pub(crate) mod start;
pub(crate) mod versions;
pub(crate) mod within;

use std::thread::JoinHandle;

use plugin_core::CallError;
use plugin_host::PluginProcess;
use tests::{Echo, EchoClient, Gate, GateClient};

use crate::support::{start, wait_for, well_behaved};

/// A plugin that has nothing to do with what happens to the others, with a call in flight all the time.
pub(crate) struct Bystander {
    echo: EchoClient,
    gate: GateClient,
    held: JoinHandle<Result<u64, CallError>>,
    plugin: PluginProcess,
}

impl Bystander {
    pub(crate) fn launch() -> Self {
        let plugin = well_behaved(&[]).spawn().expect("a plugin that behaves starts");
        let gate: GateClient = plugin.client().expect("it has gates");
        let held = start({
            let gate = gate.clone();
            move || gate.hold(1)
        });
        wait_for("the call is held", || gate.waiting().expect("it goes on") == 1);
        Self { echo: plugin.client().expect("it has an echo"), gate, held, plugin }
    }

    /// Another way to call it.
    pub(crate) fn echo(&self) -> EchoClient {
        self.echo.clone()
    }

    /// Asserts that it still answers.
    #[track_caller]
    pub(crate) fn check(&self) {
        assert_eq!(self.echo.number(17).expect("a bystander answers"), 17);
    }

    /// Ends it in order.
    #[track_caller]
    pub(crate) fn leave(self) {
        self.gate.open(1).expect("a bystander answers");
        let held = self.held.join().expect("the thread only calls");
        assert_eq!(held.expect("the call lives through it all"), 1);
        self.plugin.shutdown().expect("a bystander ends in order");
    }
}
