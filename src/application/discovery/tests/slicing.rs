//! Lists of names in slices.

use crate::application::discovery::slices::cut;

/// Whether RE2 would match the whole name: as much of its grammar as slices are written in.
pub(super) fn matches(regex: &str, name: &str) -> bool {
    matches_bytes(regex, name.as_bytes())
}

fn matches_bytes(regex: &str, name: &[u8]) -> bool {
    if regex.is_empty() {
        return name.is_empty();
    }
    if let Some(rest) = regex.strip_prefix(r"\C*") {
        return (0..=name.len()).any(|from| matches_bytes(rest, &name[from..]));
    }
    if let Some(rest) = regex.strip_prefix("(?:") {
        return name.is_empty() || matches_bytes(rest.strip_suffix(")?").unwrap(), name);
    }
    let Some((first, others)) = name.split_first() else { return false };
    if let Some(rest) = regex.strip_prefix('[') {
        let (class, rest) = rest.split_once(']').unwrap();
        let (class, is_negated) = class.strip_prefix('^').map_or((class, false), |class| (class, true));
        let (from, to) = class.split_once('-').unwrap();
        let range = byte(from).unwrap().0..=byte(to).unwrap().0;
        assert!(range.end().is_ascii(), "{regex}");
        return range.contains(first) != is_negated && matches_bytes(rest, others);
    }
    let (literal, rest) = byte(regex).unwrap_or_else(|| panic!("{regex}"));
    literal == *first && matches_bytes(rest, others)
}

fn byte(regex: &str) -> Option<(u8, &str)> {
    if let Some(rest) = regex.strip_prefix(r"\x") {
        let (digits, rest) = rest.split_at_checked(2)?;
        return Some((u8::from_str_radix(digits, 16).ok()?, rest));
    }
    let first = *regex.as_bytes().first()?;
    first.is_ascii_alphanumeric().then_some((first, regex.get(1..)?))
}

/// What RE2 makes of it, in instructions: at most 100, Envoy says. A letter is one, a class is one, `\C*` is two; a class
/// with all that is not ASCII may be a dozen.
fn program_size(regex: &str) -> usize {
    let mut rest = regex.replace(r"\C*", "**");
    let mut size = 4;
    while let Some(begin) = rest.find('[') {
        let end = rest.find(']').unwrap();
        size += if rest.split_at(begin).1.starts_with("[^") { 12 } else { 1 };
        rest.replace_range(begin..=end, "");
    }
    rest = rest.replace("(?:", "").replace(")?", "**");
    size + rest
        .split(r"\x")
        .enumerate()
        .map(|(at, part)| if at == 0 { part.len() } else { part.len() - 1 })
        .sum::<usize>()
}

fn check(mut names: Vec<String>, size: usize) -> usize {
    names.sort();
    names.dedup();
    let slices = cut(&names, size);
    for (index, name) in names.iter().enumerate() {
        let of: Vec<_> =
            slices.iter().filter(|slice| slice.regex.as_ref().is_none_or(|regex| matches(regex, name))).collect();
        assert!(of.iter().any(|slice| (slice.range.0..slice.range.1).contains(&index)), "{name:?} {slices:?}");
    }
    let mut covered: Vec<_> = slices.iter().map(|slice| slice.range).collect();
    covered.sort_unstable();
    assert_eq!(covered.iter().map(|(from, to)| to - from).sum::<usize>(), names.len(), "{covered:?}");
    assert!(covered.windows(2).all(|pair| pair[0].1 == pair[1].0), "{covered:?}");
    for slice in &slices {
        let size = slice.regex.as_deref().map_or(0, program_size);
        assert!(size <= 100, "{size} {slice:?}");
    }
    slices.len()
}

#[test]
fn a_short_list_is_one_slice_without_an_expression() {
    let slices = cut(&["a".to_owned(), "b".to_owned()], 2);
    assert_eq!(slices.len(), 1);
    assert_eq!(slices[0].regex, None);
    assert_eq!(cut(&[], 2), []);
}

#[test]
fn numbered_names_are_cut_evenly() {
    let names: Vec<_> = (0..5_000).map(|number| format!("secret-{number:05}")).collect();
    assert_eq!(check(names.clone(), 1_000), 5);
    assert!((13..=20).contains(&check(names, 400)));
}

#[test]
fn a_slice_has_its_names_and_no_others() {
    let names: Vec<_> = ["a.b", "a.c", "b", "ba", "bb", "c d", "c\"", ""].map(str::to_owned).into();
    let mut sorted = names.clone();
    sorted.sort();
    for size in 1..8 {
        check(names.clone(), size);
        for slice in cut(&sorted, size) {
            let found = sorted.iter().filter(|name| matches(slice.regex.as_deref().unwrap(), name)).count();
            assert_eq!(found, slice.range.1 - slice.range.0, "{slice:?}");
        }
    }
}

#[test]
fn names_of_every_kind_are_cut_somehow() {
    let nested: Vec<_> = (0..360).step_by(9).map(|length| "x".repeat(length)).collect();
    let long: Vec<_> = (0..50).map(|number| format!("{}{number}", "long-".repeat(60))).collect();
    let foreign: Vec<_> = (0..120).map(|number| format!("ü{number}é{number}")).collect();
    let mixed: Vec<_> = (0..256_u32).map(|number| format!("s/{}{number}", char::from_u32(number).unwrap())).collect();
    for names in [nested, long, foreign, mixed] {
        for size in [1, 7, 100] {
            check(names.clone(), size);
        }
    }
}
