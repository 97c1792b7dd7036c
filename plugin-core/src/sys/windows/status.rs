//! What the exit status of a process tells of its end.

use std::process::ExitStatus;

use super::super::Blame;

/// The exit status of what a host or a plugin kills on purpose. The system's own have the third bit from the left clear, which
/// is for the customers', and 9 is what other systems call it.
pub const KILL_STATUS: u32 = 0xE000_0009;

/// What the last program says of itself that aborts: `__fastfail`.
const ABORT: u32 = 0xC000_0409;

const STACK_OVERFLOW: u32 = 0xC000_00FD;

const CTRL_C: u32 = 0xC000_013A;

/// Exceptions that nobody has caught, from `ntstatus.h`.
const FAULTS: [u32; 18] = [
    0x8000_0002, // an address that is not aligned
    0x8000_0003, // a breakpoint
    0xC000_0005, // no access to the memory
    0xC000_0006, // a page that could not be read
    0xC000_001D, // an instruction that there is not
    0xC000_0025, // one that cannot be continued
    0xC000_008C, // an index out of bounds
    0xC000_008D, // of floating point numbers, to 0x93
    0xC000_008E,
    0xC000_008F,
    0xC000_0090,
    0xC000_0091,
    0xC000_0092,
    0xC000_0093,
    0xC000_0094, // a division by zero
    0xC000_0095, // an overflow
    0xC000_0096, // an instruction of the system's
    0xC000_0374, // a heap that is corrupt
];

/// What ended a process, as far as its status tells.
pub(crate) fn blame(status: ExitStatus) -> Option<Blame> {
    let code = status.code()?;
    Some(match code.cast_unsigned() {
        ABORT => Blame::Abort,
        STACK_OVERFLOW => Blame::StackOverflow,
        KILL_STATUS => Blame::Kill,
        CTRL_C => Blame::Other(code),
        fault if FAULTS.contains(&fault) => Blame::Fault(code),
        _ => Blame::Exit(code),
    })
}

/// In words, what a status means that does not come from the program itself.
pub(crate) fn explain(status: ExitStatus) -> Option<&'static str> {
    Some(match status.code()?.cast_unsigned() {
        0xC000_0135 => "a DLL that it needs was not found",
        0xC000_0139 => "a DLL that it needs lacks a function: it may be of another version",
        0xC000_0142 => "a DLL that it needs could not start",
        0xC000_007B => "a DLL that it needs is for another kind of processor, or damaged",
        0xC000_0017 => "the system had no memory for it",
        0xC000_0022 => "it may not read a file that it needs",
        CTRL_C => "Ctrl-C, or the end of its console",
        _ => return None,
    })
}
