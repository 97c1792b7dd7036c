//! Makes the text of a plugin harmless for whoever reads the host's errors and logs.
//!
//! A plugin could otherwise forge lines, recolour or erase a terminal, or make text read in another order
//! than it is written. What is dangerous is replaced by its Rust escape, so that nothing disappears.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::BoundedText;

/// A message or a value: newline and tab stay, because a backtrace is unreadable without them. What
/// comes after a newline is not the start of an event, though a subscriber that writes plain text may
/// make it look like one, for the messages of any library; one that writes a structured format does not.
#[must_use]
pub fn harmless_text(original: &str, limit: usize) -> Cow<'_, str> {
    harmless(original, limit, |c| is_dangerous(c) && c != '\n' && c != '\t')
}

/// A name, a target, a path, or a value inside a line: these are part of one line, so newline and tab go, too.
#[must_use]
pub fn harmless_line(original: &str, limit: usize) -> Cow<'_, str> {
    harmless(original, limit, is_dangerous)
}

fn harmless(original: &str, limit: usize, dangerous: impl Fn(char) -> bool) -> Cow<'_, str> {
    if original.len() <= limit && !original.contains(&dangerous) {
        return Cow::Borrowed(original);
    }
    let mut clean = BoundedText::new(limit);
    let mut rest = original;
    while let Some(at) = rest.find(&dangerous) {
        let (before, from) = rest.split_at(at);
        let mut chars = from.chars();
        // The writer never fails.
        let _ = clean.write_str(before);
        if let Some(found) = chars.next() {
            let _ = write!(clean, "{}", found.escape_unicode());
        }
        rest = chars.as_str();
    }
    let _ = clean.write_str(rest);
    Cow::Owned(clean.finish())
}

/// Control characters (the escape that begins a terminal sequence is one), the two Unicode line breaks,
/// and those that change the direction of text.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200E}' | '\u{200F}' | '\u{061C}')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{harmless_line as name, harmless_text as text, *};

    #[test]
    fn harmless_text_is_borrowed() {
        assert!(matches!(text("grüß\n\tdich 🦀", 100), Cow::Borrowed("grüß\n\tdich 🦀")));
        assert!(matches!(name("kv::store", 100), Cow::Borrowed("kv::store")));
    }

    #[test]
    fn dangerous_characters_are_escaped() {
        assert_eq!(text("\x1b[31mred\r\u{9b}0m\0", 100), r"\u{1b}[31mred\u{d}\u{9b}0m\u{0}");
        assert_eq!(text("a\u{202e}b\u{2028}c", 100), r"a\u{202e}b\u{2028}c");
        assert_eq!(name("a\nb\tc", 100), r"a\u{a}b\u{9}c");
    }

    #[test]
    fn escapes_count_towards_the_limit() {
        for hostile in ["\x1b".repeat(1000), "\u{202e}é".repeat(1000), "x".repeat(1000)] {
            let clean = name(&hostile, 128);
            assert!(clean.len() <= 128 && clean.ends_with(" bytes cut]"), "{clean}");
        }
    }
}
