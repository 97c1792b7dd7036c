//! Waits for a debugger at the start of a plugin.

use std::io::Write;
use std::time::Duration;

use crate::guard::pause;
use crate::plugin::Registry;
use crate::sys;

/// How often a look is taken, since nothing tells that a debugger has come: a person does not notice it.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until a debugger has this process. It ends with its host meanwhile, as always.
pub(super) fn wait(registry: &Registry) {
    sys::let_be_traced();
    // A debugger would stop at the signal, which may come when the thread ends that has started this process.
    sys::sleep_at_end_of_parent();
    let id = std::process::id();
    // The host says it as well.
    let _ = writeln!(
        std::io::stderr(),
        "{registry}.\nIt waits for a debugger: {}, and let it continue there",
        sys::debugger_commands(id)
    );
    // Where the system does not tell, there is nothing to wait for.
    while sys::is_traced() == Some(false) {
        pause(LOOK);
    }
}
