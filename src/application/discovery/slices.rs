//! A long list of names, cut into slices that can be asked for one by one.
//!
//! Envoy refuses a regular expression whose RE2 program has more than 100 instructions (tried), and a letter is one: no
//! list of names fits into one. What fits is a beginning and the letters that may follow it.

use std::fmt::Write;

/// A slice of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// What the names in it match as a whole, and no other name of the list; `None`: the slice is the whole list.
    pub(super) regex: Option<String>,
    /// Where it begins in the list, and where it ends.
    pub(super) range: (usize, usize),
}

/// The longest beginning that an expression holds. Of a longer one its end has to do.
const LONGEST_PREFIX: usize = 80;

/// The longest beginning behind which a list is cut further.
const DEEPEST_CUT: usize = 256;

/// Cuts sorted names into slices of at most `size`, as far as their beginnings allow.
pub(super) fn cut(names: &[String], size: usize) -> Vec<Slice> {
    if names.is_empty() {
        return Vec::new();
    }
    if names.len() <= size {
        return vec![Slice { regex: None, range: (0, names.len()) }];
    }
    let mut slices = Vec::new();
    let mut ranges = vec![(0, names.len())];
    while let Some((from, to)) = ranges.pop() {
        let prefix = common_prefix(names, (from, to));
        let mut begin = from;
        let mut end = from;
        while end < to {
            let next = next_letter(names, (end, to), prefix);
            let is_divisible =
                prefix <= DEEPEST_CUT && letter(names, end, prefix).is_some_and(|letter| letter.is_ascii());
            let is_large = next.saturating_sub(end) > size && is_divisible;
            if begin < end && (is_large || next.saturating_sub(begin) > size) {
                slices.push(slice(names, (begin, end)));
                begin = end;
            }
            if is_large {
                ranges.push((end, next));
                begin = next;
            }
            end = next;
        }
        if begin < to {
            slices.push(slice(names, (begin, to)));
        }
    }
    slices
}

/// How many bytes the names of a range begin with together, up to the first one that is not ASCII: Envoy's releases
/// differ in what they take for a letter beyond.
fn common_prefix(names: &[String], (from, to): (usize, usize)) -> usize {
    let last = to.checked_sub(1).and_then(|last| names.get(last)).map(String::as_bytes).unwrap_or_default();
    let first = names.get(from).map(String::as_bytes).unwrap_or_default();
    first.iter().zip(last).take_while(|(a, b)| a == b && a.is_ascii()).count()
}

/// The byte behind `prefix` bytes of a name.
fn letter(names: &[String], at: usize, prefix: usize) -> Option<u8> {
    names.get(at)?.as_bytes().get(prefix).copied()
}

/// Where the names end that have the same letter behind the prefix as the first one of a range. All that are no ASCII
/// are one.
fn next_letter(names: &[String], (from, to): (usize, usize), prefix: usize) -> usize {
    let ascii = |letter: Option<u8>| letter.map(|letter| letter.min(0x80));
    let first = ascii(letter(names, from, prefix));
    let range = names.get(from..to).unwrap_or_default();
    let length = range.partition_point(|name| ascii(name.as_bytes().get(prefix).copied()) <= first);
    from.saturating_add(length.max(1))
}

fn slice(names: &[String], range: (usize, usize)) -> Slice {
    let prefix = common_prefix(names, range);
    let beginning = names.get(range.0).and_then(|name| name.as_bytes().get(..prefix)).unwrap_or_default();
    let (first, last) = (letter(names, range.0, prefix), letter(names, range.1.saturating_sub(1), prefix));
    let mut regex = String::new();
    let kept = beginning.get(prefix.saturating_sub(LONGEST_PREFIX)..).unwrap_or_default();
    if kept.len() < prefix {
        regex.push_str(r"\C*");
    }
    // Writing to a String cannot fail.
    for byte in kept {
        let _ = if byte.is_ascii_alphanumeric() {
            write!(regex, "{}", char::from(*byte))
        } else {
            write!(regex, r"\x{byte:02x}")
        };
    }
    // Where the shortest name ends here, nothing has to follow.
    let _ = match (first, last) {
        (_, None) => Ok(()),
        (None, Some(last)) if last.is_ascii() => write!(regex, r"(?:[\x00-\x{last:02x}]\C*)?"),
        (None, Some(_)) => write!(regex, r"\C*"),
        (Some(first), Some(last)) if last.is_ascii() => write!(regex, r"[\x{first:02x}-\x{last:02x}]\C*"),
        (Some(first), Some(_)) => match first.min(0x80).checked_sub(1) {
            Some(before) => write!(regex, r"[^\x00-\x{before:02x}]\C*"),
            None => write!(regex, r"\C*"),
        },
    };
    Slice { regex: Some(regex), range }
}
