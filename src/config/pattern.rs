//! Patterns of texts: `*` is any text, `?` is any character, and the whole text has to match.
//!
//! Hundreds of them are compared with every certificate again and again, so most are told from most texts by their first
//! or last bytes.

/// A pattern. It knows capitals: where nobody cares, both sides are written small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands before the first `*`: everything, if there is none.
    head: Box<[u8]>,
    /// What stands between two.
    middle: Vec<Box<[u8]>>,
    /// What stands behind the last one.
    tail: Option<Box<[u8]>>,
}

impl Pattern {
    /// The pattern that is written like this.
    pub fn new(text: &str) -> Self {
        let mut pieces = text.as_bytes().split(|byte| *byte == b'*');
        let head = pieces.next().unwrap_or_default().into();
        let tail = pieces.next_back().map(Box::from);
        let mut middle = Vec::new();
        middle.extend(pieces.filter(|piece| !piece.is_empty()).map(Box::from));
        Self { head, middle, tail }
    }

    /// Whether `text` is like this.
    pub fn matches(&self, text: &str) -> bool {
        let Some(rest) = strip_start(text.as_bytes(), &self.head) else { return false };
        let Some(tail) = &self.tail else { return rest.is_empty() };
        let within = strip_end(rest, tail);
        within.and_then(|within| self.middle.iter().try_fold(within, |text, piece| find(text, piece))).is_some()
    }

    /// How many bytes of it are compared with a text at most, if not more and more of that has to be looked through.
    pub(super) fn ends(&self) -> usize {
        self.head.len().saturating_add(self.tail.as_ref().map_or(0, |tail| tail.len()))
    }

    /// How many pieces of it are looked for in a text.
    pub(super) const fn searches(&self) -> usize {
        self.middle.len()
    }
}

/// A text in small letters, whatever script it is in.
pub(super) fn small(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// What follows `piece`, if `text` begins with that.
fn strip_start<'a>(mut text: &'a [u8], piece: &[u8]) -> Option<&'a [u8]> {
    for wanted in piece {
        let (first, rest) = text.split_first()?;
        text = match wanted {
            b'?' => rest.get(rest.iter().take_while(|byte| continues(**byte)).count()..)?,
            wanted if wanted == first => rest,
            _ => return None,
        };
    }
    Some(text)
}

/// What comes before `piece`, if `text` ends with that.
fn strip_end<'a>(mut text: &'a [u8], piece: &[u8]) -> Option<&'a [u8]> {
    for wanted in piece.iter().rev() {
        let (last, rest) = text.split_last()?;
        text = match wanted {
            b'?' => text.get(..text.iter().rposition(|byte| !continues(*byte))?)?,
            wanted if wanted == last => rest,
            _ => return None,
        };
    }
    Some(text)
}

/// What follows `piece` where it first stands in `text`.
fn find<'a>(mut text: &'a [u8], piece: &[u8]) -> Option<&'a [u8]> {
    let wanted = piece.first()?;
    loop {
        let start = if *wanted == b'?' { 0 } else { text.iter().position(|byte| byte == wanted)? };
        text = text.get(start..)?;
        match strip_start(text, piece) {
            None => text = text.get(1..)?,
            behind => return behind,
        }
    }
}

/// Whether a byte is one of a character but not its first.
const fn continues(byte: u8) -> bool {
    matches!(byte, 0x80..=0xbf)
}

#[cfg(test)]
mod tests {
    use wildmatch::WildMatch;

    use super::*;

    /// All texts of these characters up to a length.
    fn texts(characters: &[char], longest: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..longest {
            last = last.iter().flat_map(|text| characters.iter().map(move |c| format!("{text}{c}"))).collect();
            all.extend(last.clone());
        }
        all
    }

    #[test]
    fn short_patterns_match_what_somebody_elses_do() {
        let texts_of = texts(&['a', 'b', 'é'], 5);
        for pattern in texts(&['a', 'b', 'é', '*', '?'], 5) {
            let (own, other) = (Pattern::new(&pattern), WildMatch::new(&pattern));
            for text in &texts_of {
                assert_eq!(own.matches(text), other.matches(text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn a_pattern_is_of_the_whole_text() {
        for (pattern, text, matches) in [
            ("*.example.com", "shop.example.com", true),
            ("*.example.com", "example.com", false),
            ("spiffe://*/ns/*/sa/web", "spiffe://cluster.local/ns/a/sa/web", true),
            ("spiffe://*/ns/*/sa/web", "spiffe://cluster.local/ns/a/sa/website", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }
}
