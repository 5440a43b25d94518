//! `x-forwarded-client-cert` as Envoy writes it → the certificates of one of its elements.
//!
//! The text form has elements between commas, pairs between semicolons, and quotes around whatever holds one of these;
//! PEM is URL-encoded in it. The other form, of Envoy 1.38, is a JSON array. Who has written the element is not known
//! here: the caller believes only a certificate whose fingerprint Envoy has computed itself.

use serde_json::Value;

use crate::domain::CertId;

/// The largest value that is read, in bytes: a chain of five large certificates.
pub const LARGEST: usize = 48 * 1_024;
/// Certificates that are taken from an element: the client's own, and four more.
const MOST: usize = 5;
/// Texts that are looked at for them: the chain repeats the client's own.
const MOST_LOOKS: usize = 8;
/// Characters with a meaning that a value may hold: each of them is work. A chain has a line break for every 64 bytes, and a
/// certificate may have some hundred names.
const MOST_MARKS: usize = 1_024;

/// What a text with PEM is cut at: PEM and URL-encoded PEM begin alike.
const BEGIN: &str = "-----BEGIN";

/// The PEM, plain or URL-encoded, of the client with this fingerprint and of its chain, one text for each certificate:
/// from the element that names the fingerprint, else from the last one, the nearest proxy's. Empty if there is none.
pub fn certificates(value: &[u8], id: &CertId) -> Vec<String> {
    let text = element(value, id).unwrap_or_default();
    let mut certificates: Vec<String> = Vec::new();
    for behind in text.split(BEGIN).skip(1).take(MOST_LOOKS) {
        let certificate = [BEGIN, behind].concat();
        // A chain begins with the certificate that stands before it.
        if certificates.len() < MOST && !certificates.contains(&certificate) {
            certificates.push(certificate);
        }
    }
    certificates
}

/// All PEM of an element, the client's own certificate first.
fn element(value: &[u8], id: &CertId) -> Option<String> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= LARGEST)?;
    let is_mark = |byte: &u8| matches!(byte, b',' | b';' | b'=' | b'[' | b'{' | b':' | b'\\' | b'"');
    if value.iter().filter(|byte| is_mark(byte)).count() > MOST_MARKS {
        return None;
    }
    Some(if text.starts_with('[') { json(text, id) } else { plain(text, id) })
}

/// An element of the text form. The keys' case does not matter.
#[derive(Clone, Copy, Default)]
struct Element<'a> {
    hash: &'a str,
    cert: &'a str,
    chain: &'a str,
}

impl<'a> Element<'a> {
    /// Notes a pair of key and value.
    fn note(&mut self, pair: &'a str) {
        let Some((key, value)) = pair.split_once('=') else { return };
        // Neither hex nor URL-encoded PEM holds anything that is escaped.
        let (key, value) = (key.trim_ascii(), value.trim_ascii().trim_matches('"'));
        for (name, place) in [("hash", &mut self.hash), ("cert", &mut self.cert), ("chain", &mut self.chain)] {
            if key.eq_ignore_ascii_case(name) {
                *place = value;
            }
        }
    }
}

/// The element that counts of those that were read so far.
#[derive(Default)]
struct Found {
    pem: String,
    is_named: bool,
}

impl Found {
    /// Takes a later element into account. One without PEM does not count.
    fn see(&mut self, hash: &str, pem: String, id: &CertId) {
        let is_named = CertId::from_hex(hash.as_bytes()) == Some(*id);
        if !pem.is_empty() && (is_named || !self.is_named) {
            *self = Self { pem, is_named };
        }
    }
}

/// From the text form.
fn plain(text: &str, id: &CertId) -> String {
    let (mut found, mut element) = (Found::default(), Element::default());
    let (mut is_quoted, mut start, mut at) = (false, 0, 0_usize);
    while let Some(mark) = next_mark(text.as_bytes(), at) {
        let byte = text.as_bytes().get(mark).copied().unwrap_or_default();
        // A backslash takes the meaning of what stands behind it.
        at = mark.saturating_add(if byte == b'\\' { 2 } else { 1 });
        is_quoted ^= byte == b'"';
        if matches!(byte, b',' | b';') && !is_quoted {
            element.note(text.get(start..mark).unwrap_or_default());
            start = at;
            if byte == b',' {
                found.see(element.hash, [element.cert, element.chain].concat(), id);
                element = Element::default();
            }
        }
    }
    element.note(text.get(start..).unwrap_or_default());
    found.see(element.hash, [element.cert, element.chain].concat(), id);
    found.pem
}

/// Where the next character with a meaning stands.
fn next_mark(text: &[u8], at: usize) -> Option<usize> {
    let offset = text.get(at..)?.iter().position(|byte| matches!(byte, b',' | b';' | b'"' | b'\\'))?;
    at.checked_add(offset)
}

/// From the JSON form, an array of objects.
fn json(text: &str, id: &CertId) -> String {
    let mut found = Found::default();
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    for element in value.as_array().into_iter().flatten() {
        let text = |key: &str| element.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut pem = text("cert").to_owned();
        for certificate in element.get("chain").and_then(Value::as_array).into_iter().flatten() {
            pem.push_str(certificate.as_str().unwrap_or_default());
        }
        found.see(text("hash"), pem, id);
    }
    found.pem
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAB+/\n-----END CERTIFICATE-----\n";

    fn id(name: &str) -> CertId {
        CertId::of_der(name.as_bytes())
    }

    /// PEM as Envoy encodes it.
    fn encoded(pem: &str) -> String {
        pem.replace(' ', "%20").replace('\n', "%0A").replace('+', "%2B").replace('/', "%2F")
    }

    /// What a proxy says of a client that is called like its certificate.
    fn element(name: &str) -> String {
        let (id, cert) = (id(name), encoded(&PEM.replace("AB+/", name)));
        format!(r#"By=spiffe://a/b;Hash={id};Cert="{cert}";Subject="CN=a\, \"x\";y=z,O=q";URI=;DNS=c.example"#)
    }

    #[test]
    fn the_element_with_the_fingerprint_counts_else_the_last_one() {
        let three = ["AAAA", "BBBB", "CCCC"].map(element).join(",");
        for name in ["AAAA", "BBBB", "CCCC"] {
            assert_eq!(certificates(three.as_bytes(), &id(name)), [encoded(&PEM.replace("AB+/", name))]);
        }
        let nameless = format!(r#"{three},cErT="{}""#, encoded(PEM));
        assert_eq!(certificates(nameless.as_bytes(), &id("DDDD")), [encoded(PEM)]);
        let bare_last = format!("{three},Hash={}", id("AAAA"));
        assert_eq!(
            certificates(bare_last.as_bytes(), &id("AAAA")),
            [encoded(&PEM.replace("AB+/", "AAAA"))],
            "one without is none"
        );
        let twice = format!(r#"Hash={};Cert="{}",{}"#, id("AAAA"), encoded(PEM), element("AAAA"));
        assert_eq!(
            certificates(twice.as_bytes(), &id("AAAA")),
            [encoded(&PEM.replace("AB+/", "AAAA"))],
            "the nearest proxy's"
        );
    }

    #[test]
    fn a_chain_comes_behind_the_certificate() {
        let (first, second) = (PEM.replace("AB+/", "AAAA"), PEM.replace("AB+/", "BBBB"));
        let chain = encoded(&[first.as_str(), &second].concat());
        let both = [encoded(&first), encoded(&second)];
        let value = format!(r#"Hash={};Chain="{chain}";Cert="{}""#, id("AAAA"), encoded(&first));
        assert_eq!(certificates(value.as_bytes(), &id("AAAA")), both);
        assert_eq!(certificates(format!(r#"Chain="{chain}""#).as_bytes(), &id("AAAA")), both);
        let json = serde_json::json!([{ "hash": id("AAAA").to_string(), "cert": first, "chain": [first, second] }]);
        assert_eq!(certificates(json.to_string().as_bytes(), &id("AAAA")), [first, second]);
        let long: String = (0..100).map(|number| PEM.replace("AB+/", &format!("{number:04}"))).collect();
        let long = certificates(format!("Cert={}", encoded(&long)).as_bytes(), &id("AAAA"));
        assert_eq!((long.len(), long.last().unwrap().contains("0004")), (5, true), "{long:?}");
    }

    #[test]
    fn the_json_form_is_what_envoy_1_40_writes() {
        // As recorded, but for the base64.
        let value = format!(
            r#"[{{"hash":"{}","cert":"-----BEGIN CERTIFICATE-----\nAB+/\n-----END CERTIFICATE-----\n","subject":"CN=client\\, of \\\"x\\\"\\;y","dns":["client.example"]}}]"#,
            id("AAAA")
        );
        assert_eq!(certificates(value.as_bytes(), &id("AAAA")), [PEM]);
    }

    #[test]
    fn anything_else_is_nothing_and_every_beginning_is_harmless() {
        for value in [
            "",
            ",",
            ";",
            "=",
            "\"",
            "\\",
            "Cert",
            "Cert=",
            "Cert=-----BEGI",
            "Cert=\"\"",
            "Hash=x;Subject=\"a,b\"",
            "[",
            "[]",
            "[{}]",
            "[1]",
            "[[]]",
            "[{\"cert\":1,\"chain\":{}}]",
            "[{\"chain\":[1,null]}]",
            "{\"cert\":\"x\"}",
            "[{\"cert\":\"x\"}",
            "ü=\u{0}ü;ü,ü",
        ] {
            assert_eq!(certificates(value.as_bytes(), &id("AAAA")), [""; 0], "{value}");
        }
        let json = serde_json::json!([{ "hash": "ü", "cert": PEM, "chain": [PEM, 1] }]).to_string();
        for whole in [[element("AAAA"), element("BBBB")].join(","), json, format!("{}ü", element("CCCC"))] {
            for length in 0..whole.len() {
                let _ = certificates(&whole.as_bytes()[..length], &id("AAAA"));
            }
        }
        let _ = certificates(&[0xff; 1_000], &id("AAAA"));
        let _ = certificates("[".repeat(10_000).as_bytes(), &id("AAAA"));
        let count = |text: String| certificates(text.as_bytes(), &id("AAAA")).len();
        let sized = |size: usize| count(format!("Cert={BEGIN}{}", "x".repeat(size - 5 - BEGIN.len())));
        assert_eq!((sized(LARGEST), sized(LARGEST + 1)), (1, 0));
        let marked = |marks: usize| count(format!("{}Cert={BEGIN}", ",".repeat(marks - 1)));
        assert_eq!((marked(MOST_MARKS), marked(MOST_MARKS + 1)), (1, 0));
        assert_eq!(count(format!("Cert={}", BEGIN.repeat(4_000))), 1);
    }
}
