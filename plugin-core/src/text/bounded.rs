//! Text that never grows beyond a limit and says how much of it was cut.

use std::fmt::{self, Write};

/// Room for the note that says how much was cut: its longest form, with a 20-digit number, is 35 bytes.
const NOTE: usize = 35;

/// Writes a value as text of at most `limit` bytes.
///
/// Whatever the value writes beyond that is counted and thrown away, and the text then ends in
/// `…[n bytes cut]`. A value whose `Display` fails is cut where it failed.
#[must_use]
pub fn bounded(value: impl fmt::Display, limit: usize) -> String {
    let mut text = BoundedText::new(limit);
    // The writer never fails, and a value that does has nothing more to say.
    let _ = write!(text, "{value}");
    text.finish()
}

/// A writer that keeps the first bytes of what it is given, for formatting what may be huge.
#[derive(Debug)]
pub struct BoundedText {
    kept: String,
    written: usize,
    limit: usize,
}

impl BoundedText {
    /// An empty text that [`finish`](Self::finish) makes at most `limit` bytes long, the note on what
    /// was cut included. A limit too small for the note counts as one of its length.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { kept: String::new(), written: 0, limit: limit.max(NOTE) }
    }

    /// The text, with a note at its end if some was cut.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.written > self.kept.len() {
            self.kept.truncate(floor_char_boundary(&self.kept, self.limit - NOTE));
            let cut = self.written - self.kept.len();
            self.kept.push_str(&format!("…[{cut} bytes cut]"));
        }
        self.kept
    }
}

impl Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Once something was cut, a shorter piece that would still fit must not follow the gap.
        if self.written == self.kept.len() {
            let room = self.limit - self.kept.len();
            self.kept.push_str(&text[..floor_char_boundary(text, room)]);
        }
        self.written = self.written.saturating_add(text.len());
        Ok(())
    }
}

/// The largest index up to `index` that is not inside a character.
fn floor_char_boundary(text: &str, index: usize) -> usize {
    if index >= text.len() {
        return text.len();
    }
    // Index 0 is always a boundary.
    (0..=index).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}
