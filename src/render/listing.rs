//! What an event about several certificates lists, for programs and for people.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::pen::quoted;
use super::timestamp::rfc3339;
use crate::domain::event::{Listed, Report, time_left};
use crate::domain::time::DAY;
use crate::domain::{Detail, Event, Role, UnixTime};

/// The most that `certificates` takes in a body, in bytes, so that the whole of it stays below what is sent at once.
const LARGEST: usize = 36 * 1_024;
/// What an entry takes beside its texts, at most.
const ENTRY: usize = 340;

/// Entries that people are shown.
const MOST_LINES: usize = 10;
/// The longest line for people, in characters and in bytes, so that ten of them are a message everywhere.
const LONGEST_LINE: (usize, usize) = (100, 160);

/// What an event lists, as a template sees it. There may be a hundred entries, so nothing is read before somebody asks.
#[derive(Debug)]
pub(super) struct Certificates {
    listed: Vec<Listed>,
    /// When that is told.
    now: UnixTime,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Entry {
    all: Arc<Certificates>,
    index: usize,
}

/// What an entry says in one field.
enum Said<'a> {
    Nothing,
    Text(Cow<'a, str>),
    Number(u64),
}

/// The name of a field, and how it is read.
type Field = (&'static str, for<'a> fn(&'a Listed, UnixTime) -> Said<'a>);

const FIELDS: [Field; 13] = [
    ("cert_id", |listed, _| made(is_known(listed).then(|| listed.id.to_string()))),
    ("cert_name", |listed, _| text(is_known(listed).then_some(&listed.name))),
    ("expires_at", |listed, now| made(left(listed, now).map(rfc3339))),
    ("days_remaining", |listed, now| number(left(listed, now).map(|end| days(now, end)))),
    ("expired_at", |listed, now| made(gone(listed, now).map(rfc3339))),
    ("days_since_expiry", |listed, now| number(gone(listed, now).map(|end| days(end, now)))),
    ("cert_role", |listed, _| text(is_of_certificate(listed).then_some(listed.usage.role().as_str()))),
    ("api_id", |listed, _| text(listed.usage.api_id())),
    ("id", |listed, _| text(listed.event.as_ref().map(|event| event.id.as_str()))),
    ("event", |listed, _| text(listed.event.as_ref().map(|event| event.kind.as_str()))),
    ("severity", |listed, _| text(listed.event.as_ref().map(|event| event.severity.as_str()))),
    ("rule", |listed, _| text(listed.event.as_ref().map(|event| event.rule.as_str()))),
    ("message", |listed, _| text(listed.event.as_ref().map(|event| event.message.as_str()))),
];

fn text(text: Option<&str>) -> Said<'_> {
    text.map_or(Said::Nothing, |text| Said::Text(text.into()))
}

fn made(text: Option<String>) -> Said<'static> {
    text.map_or(Said::Nothing, |text| Said::Text(text.into()))
}

fn number(number: Option<u64>) -> Said<'static> {
    number.map_or(Said::Nothing, Said::Number)
}

/// Where nothing is known of a certificate, its id stands for a place.
const fn is_known(listed: &Listed) -> bool {
    !listed.name.is_empty()
}

fn is_of_certificate(listed: &Listed) -> bool {
    listed.event.as_ref().is_none_or(|event| event.kind.is_of_certificate())
}

/// The end that is to come.
fn left(listed: &Listed, now: UnixTime) -> Option<UnixTime> {
    Some(listed.not_after).filter(|end| now < *end && *end < UnixTime::NEVER)
}

/// The end that has passed.
fn gone(listed: &Listed, now: UnixTime) -> Option<UnixTime> {
    Some(listed.not_after).filter(|end| *end <= now)
}

fn days(from: UnixTime, to: UnixTime) -> u64 {
    from.until(to).as_secs() / DAY.as_secs()
}

impl Said<'_> {
    fn into_value(self) -> Value {
        match self {
            Self::Nothing => ().into(),
            Self::Text(text) => text.as_ref().into(),
            Self::Number(number) => number.into(),
        }
    }
}

impl Object for Certificates {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize().filter(|index| *index < self.listed.len())?;
        Some(Value::from_object(Entry { all: Arc::clone(self), index }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.listed.len())
    }
}

impl Object for Entry {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let (listed, now) = (self.all.listed.get(self.index)?, self.all.now);
        FIELDS.iter().find(|(name, _)| *name == key).map(|(_, read)| read(listed, now).into_value())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let known = |name: &&str| self.get_value_by_str(name).is_some_and(|value| !value.is_none());
        Enumerator::Values(FIELDS.iter().map(|(name, _)| *name).filter(known).map(Value::from).collect())
    }
}

impl Certificates {
    /// All of them as JSON. Doing it here costs a fraction of what it costs to ask for each field of each.
    pub(super) fn json(&self) -> String {
        let mut json = String::from("[");
        for (number, listed) in self.listed.iter().enumerate() {
            json.push_str(if number == 0 { "{" } else { ",{" });
            let begin = json.len();
            for (name, read) in FIELDS {
                let said = read(listed, self.now);
                if matches!(said, Said::Nothing) {
                    continue;
                }
                json.push_str(if json.len() == begin { "\"" } else { ",\"" });
                json.push_str(name);
                json.push_str("\":");
                match said {
                    Said::Text(text) if text.bytes().all(is_plain) => {
                        json.push('"');
                        json.push_str(&text);
                        json.push('"');
                    }
                    Said::Text(text) => json.push_str(&quoted(&text)),
                    Said::Number(number) => json.push_str(&number.to_string()),
                    Said::Nothing => {}
                }
            }
            json.push('}');
        }
        json.push(']');
        json
    }
}

/// Whether JSON writes a byte as it is.
const fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// The entries of what an event lists: as many as there is room for.
pub(super) fn certificates(event: &Event) -> Value {
    let mut listed = Vec::new();
    if let Detail::Listing(listing) = &event.detail {
        let mut room = LARGEST;
        let fits = |listed: &&Listed| {
            let left = room.checked_sub(size(listed));
            room = left.unwrap_or_default();
            left.is_some()
        };
        listed.extend(listing.certificates.iter().take_while(fits).cloned());
    }
    Value::from_object(Certificates { listed, now: event.timestamp })
}

/// How many certificates it tells of, with those for which there is no room.
pub(super) fn count(event: &Event) -> Option<usize> {
    match &event.detail {
        Detail::Listing(listing) => Some(listing.total),
        _ => None,
    }
}

/// The most that an entry takes in a body.
fn size(listed: &Listed) -> usize {
    let mut size = ENTRY.saturating_add(written(&listed.name));
    size = size.saturating_add(written(listed.usage.api_id().unwrap_or_default()));
    for text in listed.event.iter().flat_map(|event| [&event.rule, &event.message]) {
        size = size.saturating_add(written(text));
    }
    size
}

/// The bytes of a harmless text in JSON.
fn written(text: &str) -> usize {
    text.bytes().fold(0, |size: usize, byte| size.saturating_add(if matches!(byte, b'"' | b'\\') { 2 } else { 1 }))
}

/// The same for people: a line for each of the first, one that counts the others; and how the monitor is, if an event says
/// that.
pub(super) fn lines(event: &Event) -> Vec<String> {
    let mut lines = Vec::new();
    match &event.detail {
        Detail::Listing(listing) => {
            let first = listing.certificates.iter().take(MOST_LINES);
            lines.extend(first.map(|listed| cut(&line(listed, event.timestamp))));
            let others = listing.total.saturating_sub(lines.len());
            lines.extend((others > 0).then(|| format!("and {others} more")));
        }
        Detail::Report(report) => lines.extend(Role::ALL.into_iter().filter_map(|role| state(report, role))),
        _ => {}
    }
    lines
}

fn line(listed: &Listed, now: UnixTime) -> String {
    match &listed.event {
        Some(event) => event.message.clone(),
        None => format!("Certificate {} is expiring in {}", listed.name, time_left(now.until(listed.not_after))),
    }
}

fn state(report: &Report, role: Role) -> Option<String> {
    let counts = report.roles.get(role as usize).filter(|counts| counts.total > 0)?;
    Some(format!("{role}: {} watched, {} expiring, {} expired", counts.total, counts.expiring, counts.expired))
}

/// `text`, or as much of it as a line has room for. What was cut ends in `…`.
fn cut(text: &str) -> String {
    const END: char = '…';
    let (most, largest) = LONGEST_LINE;
    if text.len() <= largest && text.chars().count() <= most {
        return text.to_owned();
    }
    let room = largest.saturating_sub(END.len_utf8());
    let mut kept = String::new();
    for c in text.chars().take(most.saturating_sub(1)) {
        if kept.len().saturating_add(c.len_utf8()) > room {
            break;
        }
        kept.push(c);
    }
    kept.push(END);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_its_room_ends() {
        let long = |c: &str, count| c.repeat(count);
        for (text, expected) in [
            (String::new(), String::new()),
            ("short".to_owned(), "short".to_owned()),
            (long("x", 100), long("x", 100)),
            (long("x", 101), long("x", 99) + "…"),
            (long("🔒", 40), long("🔒", 40)),
            (long("🔒", 41), long("🔒", 39) + "…"),
            (long("é", 80), long("é", 80)),
            (long("é", 81), long("é", 78) + "…"),
        ] {
            assert_eq!(cut(&text), expected, "{text}");
        }
    }
}
