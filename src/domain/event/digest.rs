//! Several events told as one.

use std::cmp::Reverse;
use std::rc::Rc;

use super::{Detail, Event, EventKind, Listed, ListedEvent, Listing, MOST_LISTED};
use crate::domain::time::UnixTime;

impl Event {
    /// One event that tells of all these and of `omitted` more: it is the worst of them, and lists them, the worst first.
    /// Its id stands for exactly these, in whatever order they come. A single one stays what it is. `None` where none is
    /// about a certificate: what tells of the proxy, or of many certificates, is told alone.
    pub fn digest(events: &[&Self], omitted: usize) -> Option<Self> {
        let events = worst_first(events);
        let total = events.len().saturating_add(omitted);
        let worst = events.first().filter(|worst| total == 1 || worst.is_of_certificate())?;
        if total == 1 {
            return Some((*worst).clone());
        }
        // All of them are told at the same time, though some have waited longer for it.
        let timestamp = events.iter().map(|event| event.timestamp).max().unwrap_or(worst.timestamp);
        let mut certificates = Vec::new();
        certificates.extend(events.iter().take(MOST_LISTED).map(|event| event.listed(timestamp)));
        Some(Self {
            id: Self::id_of_all(&events),
            detail: Detail::Listing(Rc::new(Listing { total, certificates })),
            timestamp,
            ..(*worst).clone()
        })
    }

    /// What an event about several says of this one.
    fn listed(&self, now: UnixTime) -> Listed {
        let message = Self { timestamp: now, ..self.clone() }.message();
        let (id, kind, severity, rule) = (self.id.clone(), self.kind, self.severity, self.rule.clone());
        Listed {
            id: self.certificate.id,
            name: self.certificate.name.clone(),
            usage: self.usage.clone(),
            not_after: self.certificate.not_after,
            event: Some(ListedEvent { id, kind, severity, rule, message }),
        }
    }
}

/// By severity, what has ended before what ends, and what ends first before the others; behind all what is not about a
/// certificate.
fn worst_first<'a>(events: &[&'a Event]) -> Vec<&'a Event> {
    let mut ranked = Vec::with_capacity(events.len());
    for event in events {
        let (is_other, has_ended) = (!event.is_of_certificate(), event.kind == EventKind::CertificateExpired);
        let rank = (is_other, Reverse(event.severity), !has_ended, event.certificate.not_after, event.id.as_str());
        let place = ranked.partition_point(|(known, _)| *known < rank);
        ranked.insert(place, (rank, *event));
    }
    let mut sorted = Vec::with_capacity(ranked.len());
    sorted.extend(ranked.into_iter().map(|(_, event)| event));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::assessment::Crossing;
    use crate::domain::time::DAY;
    use crate::domain::{CertId, Certificate, Incident, Presence, Role, Rule, Severity, Usage};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// A certificate that ends in so many days, or has ended.
    fn event(name: &str, days: i64, severity: Severity) -> Event {
        let end = UnixTime::from_secs(NOW.secs() + days * 86_400);
        let certificate = Rc::new(Certificate::bare(CertId::of_der(name.as_bytes()), name, end));
        let rule = if days > 0 { Rule::days(30) } else { Rule::expired() };
        let remaining = rule.remaining_of(None).unwrap();
        let crossing = Crossing { rule: &rule, remaining, at: end.before(remaining), severity };
        let usage = Usage::new(Role::Client, Some("orders".into()));
        Event::new(&certificate, &usage, Presence::default(), &crossing, DAY, NOW, NOW)
    }

    fn listing(digest: &Event) -> &Listing {
        let Detail::Listing(listing) = &digest.detail else { panic!("{digest:?}") };
        listing
    }

    fn names(digest: &Event) -> Vec<&str> {
        listing(digest).certificates.iter().map(|listed| listed.name.as_str()).collect()
    }

    fn digest(events: &[Event]) -> Event {
        Event::digest(&events.iter().collect::<Vec<_>>(), 0).unwrap()
    }

    #[test]
    fn the_worst_comes_first_and_gives_the_digest_its_face() {
        use Severity::{Critical, Info, Warning};
        let events = [
            event("later", 20, Warning),
            event("info", 1, Info),
            event("soon", 2, Warning),
            event("gone", -1, Critical),
            event("urgent", 1, Critical),
            event("long gone", -9, Critical),
        ];
        let told = digest(&events);
        assert_eq!(names(&told), ["long gone", "gone", "urgent", "soon", "later", "info"]);
        assert_eq!((told.kind, told.severity), (EventKind::CertificateExpired, Critical));
        assert_eq!((told.certificate.name.as_str(), told.rule.as_str()), ("long gone", "expired"));
        assert_eq!(
            told.message(),
            "Certificate long gone expired 9 days ago, and there is news of 5 other certificates"
        );
        let soon = listing(&told).certificates[3].event.clone().unwrap();
        assert_eq!((soon.kind, soon.severity, soon.rule.as_str()), (events[2].kind, Warning, "30d"));
        assert_eq!((soon.id, soon.message), (events[2].id.clone(), events[2].message()));
    }

    #[test]
    fn the_id_stands_for_exactly_these_in_whatever_order() {
        let [a, b, c] = ["a", "b", "c"].map(|name| event(name, 3, Severity::Warning));
        let id = |events: &[&Event]| Event::digest(events, 0).unwrap().id;
        assert_eq!(id(&[&a, &b, &c]), id(&[&c, &a, &b]));
        assert_eq!(Event::digest(&[&a, &b, &c], 0), Event::digest(&[&b, &c, &a], 0));
        assert_ne!(id(&[&a, &b]), id(&[&a, &b, &c]));
        assert_eq!(id(&[&a, &b]).len(), 32);
    }

    #[test]
    fn one_event_stays_what_it_is_and_none_is_nothing() {
        let one = event("a", 3, Severity::Warning);
        assert_eq!(Event::digest(&[&one], 0), Some(one.clone()));
        assert_eq!(listing(&Event::digest(&[&one], 4).unwrap()).total, 5, "there are more");
        assert_eq!(Event::digest(&[], 0), None);
        let incident = Incident::of_proxy(EventKind::MonitorHeartbeat, "", Detail::Nothing);
        let heartbeat = Event::of_incident(&incident, NOW, DAY, NOW, NOW);
        assert_eq!(Event::digest(&[&heartbeat], 0), Some(heartbeat.clone()));
        assert_eq!(Event::digest(&[&heartbeat, &heartbeat], 0), None);
        let both = Event::digest(&[&heartbeat, &one], 0).unwrap();
        assert_eq!((names(&both), both.kind), (vec!["a", ""], one.kind), "nothing is lost");
    }

    #[test]
    fn the_first_are_listed_and_all_are_counted() {
        let events: Vec<_> = (1..=300).map(|days| event(&days.to_string(), days, Severity::Warning)).collect();
        let told = digest(&events);
        assert_eq!((listing(&told).total, listing(&told).certificates.len()), (300, MOST_LISTED));
        assert_eq!(names(&told)[..3], ["1", "2", "3"]);
    }

    #[test]
    fn all_are_told_as_of_the_same_time() {
        let [early, mut late] = [event("a", 2, Severity::Warning), event("b", 9, Severity::Warning)];
        late.timestamp = NOW.after(DAY);
        let told = digest(&[early, late]);
        assert_eq!(told.timestamp, NOW.after(DAY));
        let messages: Vec<_> =
            listing(&told).certificates.iter().map(|listed| listed.event.clone().unwrap().message).collect();
        assert_eq!(messages, ["Certificate a is expiring in 1 day", "Certificate b is expiring in 8 days"]);
        assert_eq!(told.message(), "Certificate a is expiring in 1 day, and there is news of another certificate");
    }
}
