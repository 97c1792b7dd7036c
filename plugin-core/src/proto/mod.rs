//! The protocol as values: bytes in, messages and decisions out.
//!
//! Nothing in here does I/O, reads a clock, starts a thread or takes a lock, so that every rule of
//! docs/protocol.md can be stepped in a test and fuzzed. Nothing in here panics on bytes of a peer or
//! allocates more than the limits allow.

pub mod codec;
pub(crate) mod frame;
mod guard;
pub(crate) mod handles;
pub(crate) mod hello;
pub(crate) mod message;
pub(crate) mod outbound;
pub(crate) mod session;
pub(crate) mod survival;

use codec::Budget;
use frame::CONTROL_LIMIT;

/// How much memory decoded values may take for each byte that a message may have. Structures of small
/// strings take about three times their encoding; what takes more is sparse on purpose.
const MEMORY_PER_BYTE: usize = 4;

/// What decoding the payload of a frame that is neither a call nor a value may cost.
pub(crate) const CONTROL_BUDGET: Budget = Budget::new(CONTROL_LIMIT as usize * MEMORY_PER_BYTE);

/// What decoding a message of at most `limit` bytes may cost.
pub(crate) fn budget_for(limit: u32) -> Budget {
    Budget::new((limit as usize).saturating_mul(MEMORY_PER_BYTE))
}

#[cfg(test)]
pub(crate) mod tests;
