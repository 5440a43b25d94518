//! Answers as Envoy writes them, and as it never would.

use super::dump::{Dump, Item, Side, Source};
use super::{Broken, Kind, LARGEST_TEXT};

/// Everything in an answer, read with so much room at a time, and how often there was more to do.
fn items(body: &str, each: u32) -> (Result<Vec<Item>, Broken>, u32) {
    let mut dump = Dump::new(body.as_bytes().to_vec());
    let (mut items, mut turns, mut room) = (Vec::new(), 0, each);
    loop {
        match dump.next(&mut room) {
            Ok(Item::Whole) => return (Ok(items), turns),
            Ok(Item::Later) => {
                assert_eq!(room, 0);
                turns += 1;
                room = each;
            }
            Ok(item) => items.push(item),
            Err(broken) => return (Err(broken), turns),
        }
        assert!(turns < 1_000_000, "no end");
    }
}

fn all(body: &str) -> Result<Vec<Item>, Broken> {
    items(body, u32::MAX).0
}

fn element(name: &str) -> Item {
    Item::Element { name: name.to_owned(), version: String::new() }
}

fn bundle(source: Source) -> Item {
    Item::Held { kind: Kind::Bundle, side: None, source }
}

/// A cluster whose bundle is written so.
fn cluster(trusted_ca: &str) -> String {
    format!(
        r#"{{"configs": [{{"cluster": {{"common_tls_context": {{"validation_context": {{"trusted_ca": {trusted_ca}}}}},
            "name": "up"}}}}]}}"#
    )
}

#[test]
fn texts_with_escapes_are_read_whatever_their_length() {
    for (count, each) in [(1, u32::MAX), (10_000, u32::MAX), (10_000, 20_000), (100, 1)] {
        let body = cluster(&format!(r#"{{"inline_string": "{}"}}"#, r#"abc\n\u00e9\ud83d\ude00\\\""#.repeat(count)));
        let (found, turns) = items(&body, each);
        assert_eq!(found.unwrap(), [bundle(Source::Inline("abc\né😀\\\"".repeat(count))), element("up")]);
        assert_eq!(turns > 0, each != u32::MAX);
    }
}

#[test]
fn it_is_read_the_same_whatever_the_room() {
    let body =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/admin/1.40.0/static-listeners.json"));
    let body = body.unwrap();
    let whole = all(&body);
    assert!(whole.as_ref().is_ok_and(|items| items.len() > 10));
    for each in [1, 100, 10_000, 1_000_000] {
        assert_eq!(items(&body, each).0, whole, "{each}");
    }
    for length in 0..body.trim_end().len() {
        let Some(begin) = body.get(..length) else { continue };
        assert_eq!(all(begin), Err(Broken::NotJson), "{length}");
    }
}

#[test]
fn contexts_are_found_however_deep_they_stand_and_depth_has_an_end() {
    let nested = |depth: usize| {
        let inner = r#"{"@type": "x.UpstreamTlsContext", "common_tls_context": {"tls_certificates": [
            {"certificate_chain": {"filename": "a.pem"}}]}}"#;
        let (open, close) = (r#"{"transport_socket": ["#.repeat(depth / 2), "]}".repeat(depth / 2));
        format!(r#"{{"configs": [{{"name": "deep", "x": {open}{inner}{close}}}]}}"#)
    };
    let held = Item::Held { kind: Kind::Chain, side: Some(Side::Upstream), source: Source::File("a.pem".to_owned()) };
    assert_eq!(all(&nested(64)).unwrap(), [held, element("deep")]);
    assert_eq!(all(&nested(1_000)), Err(Broken::NotJson));
    assert_eq!(all(&"[".repeat(1_000_000)), Err(Broken::NotExpected));
    assert_eq!(all(&r#"{"a":"#.repeat(1_000_000)), Err(Broken::NotJson));
}

#[test]
fn a_text_that_is_too_long_says_nothing_and_hides_nothing_else() {
    let of_length = |length: usize| cluster(&format!(r#"{{"inline_bytes": "{}"}}"#, "A".repeat(length)));
    let long = LARGEST_TEXT;
    let found = items(&of_length(long), 50_000);
    assert_eq!(found.0.unwrap(), [bundle(Source::Encoded("A".repeat(long))), element("up")]);
    assert!(found.1 > 100, "in many turns");
    assert_eq!(all(&of_length(LARGEST_TEXT + 1)).unwrap(), [bundle(Source::Encoded(String::new())), element("up")]);
    // One that nobody reads may have any length.
    assert_eq!(all(&format!(r#"{{"x": "{}"}}"#, "A".repeat(2 * LARGEST_TEXT))).unwrap(), []);
}

#[test]
fn what_is_no_json_is_refused() {
    for body in [
        "",
        " ",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{} {}",
        "{}x",
        "{\"a\":tru}",
        "{\"a\":nul",
        "{\"a\":truefalse}",
        "{1:2}",
        "{\"a\":\"\n\"}",
        "{\"a\":'x'}",
        "{\"name\":\"\\x\"}",
        "{\"name\":\"\\ud800\"}",
        "{:}",
        "{\"a\"::1}",
        "{\"a\":1]",
        "{\"a\":[1}",
        "\u{feff}{}",
        "{\"a\":\"\\\"}",
    ] {
        assert_eq!(all(body), Err(Broken::NotJson), "{body}");
    }
    for body in ["[]", "[{}]", "\"x\"", "7", "null", "[\"configs\"]"] {
        assert_eq!(all(body), Err(Broken::NotExpected), "{body}");
    }
    for body in ["{}", "{}\n", "{\"a\":[1,-2.5e7,true,false,null,[],{}],\"b\":{\"c\":\"\"}}", "{\"configs\":7}"] {
        assert_eq!(all(body), Ok(Vec::new()), "{body}");
    }
    let mut dump = Dump::new(b"{\"name\": \"\xff\"}".to_vec());
    assert_eq!(dump.next(&mut 100_000), Err(Broken::NotJson));
}

#[test]
fn where_a_certificate_comes_from_otherwise_is_passed_over() {
    assert_eq!(
        all(&cluster(r#"{"environment_variable": "CA", "watched_directory": {"path": "x"}}"#)).unwrap(),
        [element("up")]
    );
    let elsewhere = r#"{"configs": [{"name": "a", "trusted_ca": {"filename": "x"}, "filters": [{"name": "b",
        "validation_context": {"trusted_ca": {"filename": "x"}}}],
        "error_state": {"common_tls_context": {"validation_context": {"trusted_ca": {"filename": "x"}}}}}]}"#;
    assert_eq!(all(elsewhere).unwrap(), [element("a")]);
}
