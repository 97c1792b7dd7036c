//! The lines in a stream of bytes, and the last of them.

use std::collections::VecDeque;

use plugin_core::text::harmless_text;

/// The longest line in bytes; what is longer is delivered in pieces. A line of log rarely has one
/// hundredth of it, and a plugin that never ends its line must not fill the host's memory.
const MAX_LINE: usize = 16 * 1024;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes and gives out the lines that they complete, without their line ends.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut give: impl FnMut(Vec<u8>)) {
        while !bytes.is_empty() {
            let room = MAX_LINE - self.partial.len();
            let window = &bytes[..bytes.len().min(room)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                self.partial.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end + 1..];
                self.give_line(&mut give);
            } else {
                self.partial.extend_from_slice(window);
                bytes = &bytes[window.len()..];
                if self.partial.len() == MAX_LINE {
                    give(std::mem::take(&mut self.partial));
                }
            }
        }
    }

    /// Gives out what stands after the last line end.
    pub(crate) fn finish(&mut self, mut give: impl FnMut(Vec<u8>)) {
        if !self.partial.is_empty() {
            self.give_line(&mut give);
        }
    }

    fn give_line(&mut self, give: &mut impl FnMut(Vec<u8>)) {
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        give(line);
    }
}

/// How many of the last lines of stderr errors quote: a panic message with the start of its backtrace.
const TAIL_LINES: usize = 20;

/// How many bytes of a line errors quote.
const TAIL_LINE_LEN: usize = 400;

/// The last lines of stderr, and before them those that say what a Rust program panicked about: a
/// backtrace is longer than what is kept.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    panic: Vec<String>,
    /// How many lines came after the first of `panic`.
    since_panic: usize,
}

/// How many lines a panic's place and message take; a longer message is cut.
const PANIC_LINES: usize = 2;

impl Tail {
    pub(crate) fn push(&mut self, line: &[u8]) {
        let line = &line[..line.len().min(TAIL_LINE_LEN)];
        let line = harmless_text(&String::from_utf8_lossy(line), TAIL_LINE_LEN * 2).into_owned();
        if line.contains(" panicked at ") {
            self.panic = vec![line.clone()];
            self.since_panic = 0;
        } else {
            self.since_panic = self.since_panic.saturating_add(1);
            if !self.panic.is_empty() && self.panic.len() < PANIC_LINES {
                self.panic.push(line.clone());
            }
        }
        if self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        // Those of the panic that are not among the last lines any more.
        let gone = (self.since_panic + 1).saturating_sub(self.lines.len()).min(self.panic.len());
        let gap = (gone > 0).then(|| "[…]".to_owned());
        // The panic of a Rust program begins with an empty line.
        let lines = self.lines.iter().skip_while(|line| line.is_empty()).cloned();
        self.panic[..gone].iter().cloned().chain(gap).chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut splitter = LineSplitter::default();
        for piece in pieces {
            splitter.push(piece, |line| lines.push(line));
        }
        splitter.finish(|line| lines.push(line));
        lines
    }

    #[test]
    fn lines_are_found_however_the_bytes_arrive() {
        let text = b"one\r\n\ntwo\nthree";
        let whole = split(&[text]);
        assert_eq!(whole, [&b"one"[..], b"", b"two", b"three"]);
        for at in 0..text.len() {
            assert_eq!(split(&[&text[..at], &text[at..]]), whole, "split at {at}");
        }
    }

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let lines = split(&[&[b'x'; MAX_LINE * 3 + 5]]);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_LINE, MAX_LINE, MAX_LINE, 5]);
    }

    #[test]
    fn the_tail_keeps_what_a_panic_was_about() {
        let mut tail = Tail::default();
        tail.push(b"before");
        tail.push(b"thread 'main' (7) panicked at src/main.rs:1:2:");
        tail.push(b"the cup broke");
        assert_eq!(tail.lines().len(), 3);
        for number in 0..TAIL_LINES - 1 {
            tail.push(format!("frame {number}").as_bytes());
        }
        let lines = tail.lines();
        assert_eq!(lines[..3], ["thread 'main' (7) panicked at src/main.rs:1:2:", "[…]", "the cup broke"]);
        tail.push(b"frame");
        let lines = tail.lines();
        assert_eq!(lines[1..4], ["the cup broke", "[…]", "frame 0"]);
        assert_eq!(lines.len(), TAIL_LINES + 3);
    }

    #[test]
    fn the_tail_keeps_the_last_lines_short_and_harmless() {
        let mut tail = Tail::default();
        for number in 0..TAIL_LINES + 3 {
            tail.push(format!("line {number}").as_bytes());
        }
        tail.push(b"\x1b[31mred\xff");
        tail.push(&[b'x'; 10_000]);
        let lines = tail.lines();
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines[0], "line 5");
        assert_eq!(lines[TAIL_LINES - 2], "\\u{1b}[31mred\u{fffd}");
        assert_eq!(lines[TAIL_LINES - 1].len(), TAIL_LINE_LEN);
    }
}
