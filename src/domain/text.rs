//! Text that strangers wrote, made harmless, and bytes written as text.

/// The most characters of a stranger's text that are kept.
pub const LONGEST: usize = 256;

/// The most that are looked at, with those that are dropped.
const LOOKED_AT: usize = 4 * LONGEST;

/// `text` without control characters and without the marks that reorder what a reader sees (Unicode bidirectional
/// formatting), at most [`LONGEST`] characters; the last one of a text that was cut is `…`.
pub fn harmless(text: &str) -> String {
    // Nearly every name is of this kind, and observers see one with every request.
    if is_harmless(text) {
        return text.to_owned();
    }
    let mut kept = text.chars().take(LOOKED_AT).filter(|c| !c.is_control() && !reorders(*c));
    let mut harmless: String = kept.by_ref().take(LONGEST).collect();
    if kept.next().is_some() {
        harmless.pop();
        harmless.push('…');
    }
    harmless.trim().to_owned()
}

/// Whether [`harmless`] leaves `text` as it is, as far as that is seen at a glance.
pub fn is_harmless(text: &str) -> bool {
    let is_plain = |byte| matches!(byte, b' '..=b'~');
    text.len() <= LONGEST && text.bytes().all(is_plain) && !text.starts_with(' ') && !text.ends_with(' ')
}

/// `bytes` in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

/// Line and paragraph separators, bidirectional marks, embeddings, overrides and isolates, and the byte order mark.
const fn reorders(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_reordering_marks_are_dropped() {
        assert_eq!(harmless("a\r\nb\u{202e}c\u{0}\u{200f}"), "abc");
    }

    #[test]
    fn behind_many_that_are_dropped_nobody_looks() {
        assert_eq!(harmless(&["\u{202e}".repeat(LOOKED_AT - 1), "abc".into()].concat()), "a");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let cut = harmless(&"x".repeat(10_000));
        assert_eq!(cut.chars().count(), LONGEST);
        assert!(cut.ends_with('…'));
        assert_eq!(harmless(&"x".repeat(LONGEST)).chars().count(), LONGEST);
    }
}
