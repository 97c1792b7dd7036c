//! Text that comes from elsewhere: bounded in length, and harmless to whoever reads it.

mod bounded;
mod harmless;

pub use bounded::{BoundedText, bounded};
pub use harmless::{harmless_line, harmless_text};
