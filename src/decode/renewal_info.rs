//! ACME Renewal Information (RFC 9773): how a certificate authority is asked when a certificate should be renewed, and
//! what it answers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::timestamp;
use crate::domain::text::LONGEST;
use crate::domain::{Certificate, UnixTime};

/// When an authority suggests that a certificate be renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its begin, to the second.
    pub start: UnixTime,
    /// Its end, later than its begin.
    pub end: UnixTime,
    /// A page for people that says why the window is where it is. Its characters are those of URLs and no others.
    pub explanation_url: Option<String>,
}

/// The longest answer that is read, in bytes; one takes about two hundred.
const LONGEST_ANSWER: usize = 16 << 10;

/// What the authority calls a certificate, ready to stand in a path (RFC 9773, 4.1): `None` if the certificate does not
/// tell who has signed it, or nobody has shown it.
pub fn identifier(certificate: &Certificate) -> Option<String> {
    let authority = Some(&certificate.authority_key_id).filter(|id| !id.is_empty())?;
    let serial = integer(certificate.serial_number.as_bytes())?;
    Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(authority), URL_SAFE_NO_PAD.encode(serial)))
}

/// The contents of a positive number in DER, from its hex digits.
fn integer(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = Vec::new();
    for pair in digits.chunks(2) {
        let [high, low] = *pair else { return None };
        let byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
        // Without it, the number would be negative.
        if bytes.is_empty() && byte >= 0x80 {
            bytes.push(0);
        }
        bytes.push(byte);
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// The window that an answer suggests (RFC 9773, 4.2); `None` if it suggests none, or one that ends before it begins,
/// which is to be treated as no answer.
pub fn parse(body: &[u8]) -> Option<Window> {
    let body = Some(body).filter(|body| body.len() <= LONGEST_ANSWER)?;
    let answer: Value = serde_json::from_slice(body).ok()?;
    let window = answer.get("suggestedWindow")?;
    let time = |key| window.get(key).and_then(Value::as_str).and_then(timestamp::with_offset);
    let (start, end) = (time("start")?, time("end")?);
    let explanation_url = answer.get("explanationURL").and_then(Value::as_str).and_then(page);
    (start < end).then_some(Window { start, end, explanation_url })
}

/// A page that people may be pointed to; one that is cut leads nowhere.
fn page(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let is_web = ["https", "http"].iter().any(|web| web.eq_ignore_ascii_case(scheme));
    let is_url = |byte: u8| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte);
    (is_web && !rest.is_empty() && url.len() <= LONGEST && url.bytes().all(is_url)).then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::pem::blocks;
    use crate::decode::x509;
    use crate::domain::CertId;

    /// The identifier of a key in RFC 9773, 4.1.
    const AUTHORITY: [u8; 20] = [
        0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01,
        0xc8, 0xd4,
    ];

    fn certificate(authority: &[u8], serial_number: &str) -> Certificate {
        Certificate {
            authority_key_id: authority.into(),
            serial_number: serial_number.to_owned(),
            ..Certificate::bare(CertId::of_der(b"der"), "name", UnixTime::NEVER)
        }
    }

    #[test]
    fn the_example_of_the_rfc_has_the_identifier_of_the_rfc() {
        let expected = Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
        assert_eq!(identifier(&certificate(&AUTHORITY, "87654321")).as_deref(), expected);
        let pem = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/key-ids.pem")).unwrap();
        let der = blocks(&pem).next().unwrap().der.unwrap();
        assert_eq!(identifier(&x509::certificate(&der).unwrap()).as_deref(), expected);
    }

    #[test]
    fn a_serial_number_is_positive_and_a_number() {
        for (serial_number, expected) in [
            ("7F", Some("aQ.fw")),
            ("80", Some("aQ.AIA")),
            ("00", Some("aQ.AA")),
            ("ff00", Some("aQ.AP8A")),
            ("", None),
            ("123", None),
            ("+1", None),
            ("1G", None),
            ("12345678…", None),
        ] {
            assert_eq!(identifier(&certificate(b"i", serial_number)).as_deref(), expected, "{serial_number:?}");
        }
        assert_eq!(identifier(&certificate(b"", "7F")), None, "nobody knows who has signed it");
    }

    fn answer(start: &str, end: &str) -> Option<(i64, i64)> {
        let body = format!(r#"{{ "suggestedWindow": {{ "start": "{start}", "end": "{end}" }} }}"#);
        parse(body.as_bytes()).map(|window| (window.start.secs(), window.end.secs()))
    }

    #[test]
    fn the_answer_of_the_rfc_is_read() {
        let body = br#"{ "suggestedWindow": { "start": "2025-01-02T04:00:00Z", "end": "2025-01-03T04:00:00Z" },
                         "explanationURL": "https://acme.example.com/docs/ari" }"#;
        let window = Window {
            start: UnixTime::from_secs(1_735_790_400),
            end: UnixTime::from_secs(1_735_876_800),
            explanation_url: Some("https://acme.example.com/docs/ari".to_owned()),
        };
        assert_eq!(parse(body), Some(window));
    }

    #[test]
    fn a_window_begins_before_it_ends() {
        let day = |day: u8| format!("2025-01-0{day}T04:00:00Z");
        assert_eq!(answer(&day(2), &day(3)), Some((1_735_790_400, 1_735_876_800)));
        assert_eq!(answer(&day(2), "2025-01-02T04:00:01Z"), Some((1_735_790_400, 1_735_790_401)));
        assert_eq!(answer(&day(2), &day(2)), None);
        assert_eq!(answer(&day(3), &day(2)), None);
        assert_eq!(answer("2025-01-02T05:00:00.5+01:00", &day(3)), Some((1_735_790_400, 1_735_876_800)));
        assert_eq!(answer("2025-01-02T05:00:00+01:00", &day(2)), None, "they are the same time");
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let nested = ["[".repeat(8_000), "]".repeat(8_000)].concat();
        let good = r#"{"suggestedWindow":{"start":"2025-01-02T04:00:00Z","end":"2025-01-03T04:00:00Z"}}"#;
        let long = format!("{good}{}", " ".repeat(LONGEST_ANSWER));
        assert!(parse(good.as_bytes()).is_some());
        for body in [
            "",
            "null",
            "[]",
            "{",
            &nested,
            &long,
            r#"{"suggestedWindow":null}"#,
            r#"{"suggestedWindow":[]}"#,
            r#"{"suggestedWindow":{"start":1735790400,"end":1735876800}}"#,
            r#"{"suggestedWindow":{"start":"2025-01-02T04:00:00Z"}}"#,
            r#"{"suggestedWindow":{"start":"soon","end":"2025-01-03T04:00:00Z"}}"#,
            r#"{"start":"2025-01-02T04:00:00Z","end":"2025-01-03T04:00:00Z"}"#,
        ] {
            assert_eq!(parse(body.as_bytes()), None, "{}", body.chars().take(80).collect::<String>());
        }
        for length in 0..good.len() {
            assert_eq!(parse(&good.as_bytes()[..length]), None);
        }
        assert_eq!(parse(b"\xff\xfe"), None);
    }

    #[test]
    fn nobody_is_pointed_to_what_is_no_page() {
        let long = format!("https://e.com/{}", "x".repeat(LONGEST));
        for (url, is_kept) in [
            ("https://e.com/why?a=b&c=%20#d", true),
            ("HTTP://[2001:db8::1]:8080/", true),
            ("javascript:alert(1)", false),
            ("javascript://e.com/%0aalert(1)", false),
            ("file:///etc/passwd", false),
            ("//e.com/", false),
            ("https://", false),
            ("https://e.com/ why", false),
            ("https://e.com/\u{202e}", false),
            ("https://e.com/\r\nx: y", false),
            ("https://e.com/<b>", false),
            ("https://e.com/|x>", false),
            ("", false),
            (&long, false),
        ] {
            let window = serde_json::json!({ "start": "2025-01-02T04:00:00Z", "end": "2025-01-03T04:00:00Z" });
            let body = serde_json::json!({ "suggestedWindow": window, "explanationURL": url }).to_string();
            let window = parse(body.as_bytes()).unwrap();
            assert_eq!(window.explanation_url.as_deref(), is_kept.then_some(url), "{url:?}");
        }
    }
}
