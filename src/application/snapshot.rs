//! A shard in its stored form: what is watched, what was told, and what is on its way, in one value.
//!
//! One value, because they belong together: a cooldown that is spent without its entry would be a lost event, and an
//! entry without its cooldown a double one.

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inventory::{Inventory, MOST_PLACES, Sighting, Watched};
use super::ledger::{Ledger, Record};
use super::outbox::{Entry, Outbox};
use super::shared_data::{decode, encode, fingerprint};
use crate::config::Handler;
use crate::domain::certificate::{IdSource, MOST_NAMES, Position};
use crate::domain::ledger::Notice;
use crate::domain::text::{harmless, is_harmless};
use crate::domain::{CertId, Certificate, Event, EventKind, Role, UnixTime, Usage};

/// The key of a shard in shared data.
pub(super) fn key(shard: u16) -> String {
    format!("cert-expiry-monitor/certificates/{shard}")
}

/// What a shard holds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Snapshot {
    peers: Vec<StoredPeer>,
    records: Vec<StoredRecord>,
    entries: Vec<StoredEntry>,
}

/// An event that was on its way.
#[derive(Debug)]
pub(super) struct Undelivered {
    pub(super) event: Event,
    /// The webhook's name. The document that rules now may know no such webhook.
    pub(super) webhook: String,
    pub(super) tries: u32,
    pub(super) is_passed_on: bool,
    pub(super) noticed_at: UnixTime,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredCertificate {
    #[serde(with = "fingerprint")]
    id: CertId,
    /// Its place in [`IdSource::ALL`].
    source: u8,
    /// Its place in [`Position::ALL`].
    position: u8,
    name: String,
    not_after: i64,
    not_before: i64,
    serial_number: String,
    subject: String,
    issuer: String,
    sans: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredUsage {
    /// Its place in [`Role::ALL`].
    role: u8,
    api_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredPeer {
    certificate: StoredCertificate,
    usages: Vec<StoredSighting>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredSighting {
    usage: StoredUsage,
    last_seen: Option<i64>,
    is_found: bool,
    places: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredRecord {
    #[serde(with = "fingerprint")]
    id: CertId,
    checked_at: Option<i64>,
    notices: Vec<StoredNotice>,
    told: Vec<StoredTold>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredNotice {
    usage: StoredUsage,
    certificate: StoredCertificate,
    rule: String,
    remaining: Duration,
    at: i64,
    owed: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredTold {
    usage: StoredUsage,
    event: String,
    handler: String,
    at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredEntry {
    id: String,
    event: String,
    closes: Option<String>,
    certificate: StoredCertificate,
    usage: StoredUsage,
    rule: String,
    since: i64,
    timestamp: i64,
    webhook: String,
    tries: u32,
    is_passed_on: bool,
    noticed_at: i64,
}

impl Snapshot {
    /// A shard as it stands now. What the document lists is not in it.
    pub(super) fn of(
        shard: u16,
        inventory: &Inventory,
        ledger: &Ledger,
        outbox: &Outbox,
        handlers: &[Handler],
        is_retiring: bool,
    ) -> Vec<u8> {
        // A try is counted before it is made: what is due may be sent at any moment, unless nothing is sent any more.
        let counted = |due: Option<UnixTime>, tries: u32| {
            if due.is_some() && !is_retiring { tries.saturating_add(1) } else { tries }
        };
        let entry = |due: Option<UnixTime>, handler: usize, entry: &Entry| {
            let event = &entry.event;
            Some(StoredEntry {
                id: event.id.clone(),
                event: event.kind.as_str().to_owned(),
                closes: event.closes.map(|kind| kind.as_str().to_owned()),
                certificate: StoredCertificate::of(&event.certificate),
                usage: StoredUsage::of(&event.usage),
                rule: event.rule.clone(),
                since: event.since.millis(),
                timestamp: event.timestamp.millis(),
                webhook: handlers.get(handler)?.name.clone(),
                tries: counted(due, entry.tries),
                is_passed_on: entry.is_passed_on,
                noticed_at: entry.noticed_at.millis(),
            })
        };
        // In the order in which they are to be sent.
        let mut entries: Vec<_> = outbox.shard(shard).collect();
        entries.sort_unstable_by_key(|(due, _, _)| *due);
        encode(&Self {
            peers: inventory.shard(shard).filter_map(StoredPeer::of).collect(),
            records: ledger.shard(shard).map(|(id, record)| StoredRecord::of(id, record)).collect(),
            entries: entries.into_iter().filter_map(|(due, handler, of)| entry(due, handler, of)).collect(),
        })
    }

    /// Reads the contents of a shard; `None` if they are none.
    pub(super) fn decode(contents: &[u8]) -> Option<Self> {
        decode(contents)
    }

    /// Hands over what a predecessor knew: peers to the inventory, records to the ledger. What is left is to be sent.
    pub(super) fn restore(self, inventory: &mut Inventory, ledger: &mut Ledger, discovers: bool) -> Vec<Undelivered> {
        for peer in self.peers {
            let sightings = peer.usages.into_iter().filter_map(|sighting| sighting.into_sighting(discovers));
            inventory.restore(peer.certificate.into_certificate(), sightings);
        }
        for record in self.records {
            ledger.restore(record.id, record.into_record());
        }
        // Not in place: that would be a second copy of the code that sorts and shrinks.
        let mut undelivered = Vec::new();
        undelivered.extend(self.entries.into_iter().filter_map(StoredEntry::into_undelivered));
        undelivered
    }
}

impl StoredSighting {
    /// What somebody has told of, beside the document.
    fn of(sighting: &Sighting) -> Option<Self> {
        let Sighting { usage, last_seen, found_in, places, .. } = sighting;
        (last_seen.is_some() || found_in.is_some()).then(|| Self {
            usage: StoredUsage::of(usage),
            last_seen: last_seen.map(UnixTime::millis),
            is_found: found_in.is_some(),
            places: places.clone(),
        })
    }

    /// What was found is kept until the next round of discovery, if there will be one.
    fn into_sighting(self, discovers: bool) -> Option<Sighting> {
        let mut sighting = Sighting::new(self.usage.into_usage()?);
        sighting.last_seen = self.last_seen.map(UnixTime::from_millis);
        sighting.found_in = (self.is_found && discovers).then_some(BEFORE);
        sighting.places.extend(self.places.into_iter().take(MOST_PLACES).map(cleaned));
        (!sighting.is_of_peer() || sighting.last_seen.is_some()).then_some(sighting)
    }
}

/// The number of a predecessor's rounds of discovery.
const BEFORE: u32 = 0;

/// Text that anybody may have put there. Nearly always it is what we have written, and need not be written again.
fn cleaned(text: String) -> String {
    if is_harmless(&text) { text } else { harmless(&text) }
}

impl StoredCertificate {
    fn of(certificate: &Certificate) -> Self {
        let Certificate { id, source, position, name, not_after, not_before, serial_number, subject, issuer, sans } =
            certificate;
        Self {
            id: *id,
            source: *source as u8,
            position: *position as u8,
            name: name.clone(),
            not_after: not_after.millis(),
            not_before: not_before.millis(),
            serial_number: serial_number.clone(),
            subject: subject.clone(),
            issuer: issuer.clone(),
            sans: sans.clone(),
        }
    }

    fn into_certificate(self) -> Rc<Certificate> {
        let mut sans = Vec::new();
        sans.extend(self.sans.into_iter().take(MOST_NAMES).map(cleaned));
        Rc::new(Certificate {
            id: self.id,
            source: IdSource::ALL.get(usize::from(self.source)).copied().unwrap_or_default(),
            position: Position::ALL.get(usize::from(self.position)).copied().unwrap_or_default(),
            name: cleaned(self.name),
            not_after: UnixTime::from_millis(self.not_after),
            not_before: UnixTime::from_millis(self.not_before),
            serial_number: cleaned(self.serial_number),
            subject: cleaned(self.subject),
            issuer: cleaned(self.issuer),
            sans,
        })
    }
}

impl StoredUsage {
    fn of(usage: &Usage) -> Self {
        Self { role: usage.role() as u8, api_id: usage.api_id().map(str::to_owned) }
    }

    fn into_usage(self) -> Option<Usage> {
        let role = Role::ALL.get(usize::from(self.role))?;
        Some(Usage::new(*role, self.api_id.map(cleaned)))
    }
}

impl StoredPeer {
    fn of(watched: &Watched) -> Option<Self> {
        let usages: Vec<_> = watched.usages.iter().filter_map(StoredSighting::of).collect();
        (!usages.is_empty()).then(|| Self { certificate: StoredCertificate::of(&watched.certificate), usages })
    }
}

impl StoredRecord {
    fn of(id: &CertId, record: &Record) -> Self {
        let notice = |(usage, notice): (&Usage, &Notice)| StoredNotice {
            usage: StoredUsage::of(usage),
            certificate: StoredCertificate::of(&notice.certificate),
            rule: notice.rule.clone(),
            remaining: notice.remaining,
            at: notice.at.millis(),
            owed: notice.owed.clone(),
        };
        let told = |((usage, event, handler), at): (&(Usage, EventKind, String), &UnixTime)| StoredTold {
            usage: StoredUsage::of(usage),
            event: event.as_str().to_owned(),
            handler: handler.clone(),
            at: at.millis(),
        };
        Self {
            id: *id,
            checked_at: record.checked_at.map(UnixTime::millis),
            notices: record.notices.iter().map(notice).collect(),
            told: record.told.iter().map(told).collect(),
        }
    }

    fn into_record(self) -> Record {
        let notice = |stored: StoredNotice| {
            let StoredNotice { usage, certificate, rule, remaining, at, owed } = stored;
            let (certificate, rule) = (certificate.into_certificate(), cleaned(rule));
            Some((usage.into_usage()?, Notice { certificate, rule, remaining, at: UnixTime::from_millis(at), owed }))
        };
        let told = |stored: StoredTold| {
            let event = EventKind::parse(&stored.event)?;
            Some(((stored.usage.into_usage()?, event, stored.handler), UnixTime::from_millis(stored.at)))
        };
        let checked_at = self.checked_at.map(UnixTime::from_millis);
        let mut record = Record { checked_at, ..Record::default() };
        // `collect` would sort first, which costs kilobytes of code for a handful of entries.
        record.notices.extend(self.notices.into_iter().filter_map(notice));
        record.told.extend(self.told.into_iter().filter_map(told));
        record
    }
}

impl StoredEntry {
    fn into_undelivered(self) -> Option<Undelivered> {
        // It becomes part of headers.
        let is_id = self.id.len() == 32 && self.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return None;
        }
        let event = Event {
            id: self.id,
            kind: EventKind::parse(&self.event)?,
            closes: self.closes.as_deref().and_then(EventKind::parse),
            certificate: self.certificate.into_certificate(),
            usage: self.usage.into_usage()?,
            rule: cleaned(self.rule),
            since: UnixTime::from_millis(self.since),
            timestamp: UnixTime::from_millis(self.timestamp),
        };
        let noticed_at = UnixTime::from_millis(self.noticed_at);
        let Self { webhook, tries, is_passed_on, .. } = self;
        Some(Undelivered { event, webhook, tries, is_passed_on, noticed_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::inventory::Source;
    use crate::application::outbox::Terms;
    use crate::application::shards::shard_of;
    use crate::config::Config;

    struct Known {
        inventory: Inventory,
        ledger: Ledger,
        outbox: Outbox,
        handlers: Vec<Handler>,
        certificate: Rc<Certificate>,
        usage: Usage,
    }

    fn known() -> Known {
        let config = r#"{ "webhooks": [{ "name": "ops", "cluster": "c", "url": "https://hooks.example.com/x" }] }"#;
        let handlers = Config::load(config.as_bytes()).unwrap().handlers;
        let mut certificate = Certificate::bare(CertId::of_der(b"der"), "näme", UnixTime::from_secs(50));
        certificate.sans = vec!["a.example.com".to_owned()];
        let certificate = Rc::new(certificate);
        let usage = Usage::new(Role::Client, Some("orders".into()));
        let (mut inventory, mut ledger, mut outbox) =
            (Inventory::new(10), Ledger::default(), Outbox::new(std::iter::once(Terms::default())));
        inventory.enter(&certificate, &usage, Source::Peer(UnixTime::from_secs(3)), &[]);
        inventory.enter(&certificate, &Usage::new(Role::Ca, None), Source::Config, &[]);
        let record = ledger.change(&certificate.id);
        record.checked_at = Some(UnixTime::from_secs(7));
        let notice = Notice {
            certificate: Rc::clone(&certificate),
            rule: "30d".into(),
            remaining: Duration::from_secs(5),
            at: UnixTime::from_millis(1_500),
            owed: vec!["dev".into()],
        };
        record.notices.insert(usage.clone(), notice);
        record.told.insert((usage.clone(), EventKind::CertificateExpired, "ops".into()), UnixTime::from_secs(9));
        let event = Event {
            id: "0123456789abcdef0123456789abcdef".into(),
            kind: EventKind::CertificateExpiringSoon,
            closes: None,
            certificate: certificate.clone(),
            usage: usage.clone(),
            rule: "30d".into(),
            since: UnixTime::from_secs(6),
            timestamp: UnixTime::from_secs(8),
        };
        let entry = Entry { tries: 2, ..Entry::new(event, UnixTime::from_millis(1_500)) };
        outbox.push(0, entry, UnixTime::from_secs(60));
        Known { inventory, ledger, outbox, handlers, certificate, usage }
    }

    fn stored(known: &Known, is_retiring: bool) -> Vec<u8> {
        Snapshot::of(
            shard_of(&known.certificate.id),
            &known.inventory,
            &known.ledger,
            &known.outbox,
            &known.handlers,
            is_retiring,
        )
    }

    #[test]
    fn a_successor_knows_what_was_known() {
        let known = known();
        let (mut inventory, mut ledger) = (Inventory::new(10), Ledger::default());
        let snapshot = Snapshot::decode(&stored(&known, false)).unwrap();
        let undelivered = snapshot.restore(&mut inventory, &mut ledger, true);
        assert_eq!(ledger.get(&known.certificate.id), known.ledger.get(&known.certificate.id));
        let watched = inventory.get(&known.certificate.id).unwrap();
        assert_eq!(watched.certificate, known.certificate);
        assert_eq!(
            watched.usages.iter().map(|s| &s.usage).collect::<Vec<_>>(),
            [&known.usage],
            "the document lists the other one"
        );
        let [one] = undelivered.as_slice() else { panic!("{undelivered:?}") };
        assert_eq!((one.webhook.as_str(), one.tries), ("ops", 3), "the next try is counted before it is made");
        let retired = Snapshot::decode(&stored(&known, true)).unwrap();
        assert_eq!(retired.entries[0].tries, 2, "unless nobody makes it");
        let (_, _, entry) = known.outbox.shard(shard_of(&known.certificate.id)).next().unwrap();
        assert_eq!(one.event, entry.event);
        assert_eq!(one.noticed_at, entry.noticed_at);
    }

    #[test]
    fn part_of_a_shard_is_nothing() {
        let stored = stored(&known(), false);
        for length in 0..stored.len() {
            assert!(Snapshot::decode(&stored[..length]).is_none(), "the first {length} bytes");
        }
        assert!(Snapshot::decode(b"another plugin's text").is_none());
    }
}
