//! Asking authorities when their certificates should be renewed (RFC 9773), one question at a time.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use log::warn;

use super::Monitor;
use super::flood::About;
use super::overdue::is_leaf;
use super::turn::{SENDING, Turn, parsing};
use crate::application::effect::{Answer, Call, CallId, Effect, Response};
use crate::config::RenewalInfo;
use crate::decode::renewal_info::{Window, identifier, parse};
use crate::decode::retry_after::wish;
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{CertId, Certificate, EventKind, Origin, UnixTime, Usage};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Envoy ends every call. Should it ever forget one, it counts as not answered after this.
const FORGOTTEN: Duration = Duration::from_secs(30);
/// The largest answer that is read, in bytes; one takes about two hundred.
const LARGEST: usize = 4 * 1_024;
/// First questions are spread over this: a fleet that starts is no flood.
const SPREAD: Duration = MINUTE;
/// A failure that lasts is told again after this.
const TELL_AGAIN: Duration = HOUR;
/// What making a question costs beside sending it.
const ASKING: u32 = 2;

/// The questions to authorities.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// When which certificate is asked about, as its record says.
    due: BTreeSet<(UnixTime, CertId)>,
    /// The question that is on its way, about which certificate, and since when.
    asking: Option<(CallId, CertId, UnixTime)>,
    /// When the log last told of each kind of failure.
    told: Vec<(Failure, UnixTime)>,
}

/// Why a question came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    NoCluster,
    NoAnswer,
    Status,
    TooLarge,
    Unreadable,
}

impl Failure {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NoCluster => "Envoy has no such cluster",
            Self::NoAnswer => "no answer",
            Self::Status => "the answer is no renewal information",
            Self::TooLarge => "the answer is too large",
            Self::Unreadable => "the answer names no window of time",
        }
    }
}

impl Questions {
    /// When the next question is asked, or an answer is not waited for any longer.
    pub(super) fn next(&self) -> UnixTime {
        let next = self.due.first().map(|(at, _)| *at);
        self.asking.map(|(_, _, since)| since.after(FORGOTTEN)).or(next).unwrap_or(UnixTime::NEVER)
    }
}

impl Monitor {
    /// Sees to it that the authority of a certificate is asked about it.
    pub(super) fn invite_advice(&mut self, certificate: &Rc<Certificate>, usage: &Usage, turn: &mut Turn) {
        if self.config.expiry.renewal_info.is_empty() {
            return;
        }
        turn.spend(ASKING);
        if !self.is_asked_about(certificate, usage, turn.now) {
            return;
        }
        let id = certificate.id;
        let known = self.ledger.get(&id).and_then(|record| record.advice.as_ref());
        let ask_at = known.filter(|advice| !advice.is_out_of_reach(turn.now)).map(|advice| advice.ask_at);
        let is_asking = self.renewals.questions.asking.is_some_and(|(_, asked, _)| asked == id);
        if is_asking || ask_at.is_some_and(|at| self.renewals.questions.due.contains(&(at, id))) {
            return;
        }
        if ask_at.is_none() {
            let permille = u32::try_from(self.chance.draw() % 1_000).unwrap_or_default();
            let spread = SPREAD.checked_div(1_000).unwrap_or_default().saturating_mul(permille);
            self.record(&id).advice.get_or_insert_default().ask_at = turn.now.after(spread);
        }
        self.note_question(&id);
    }

    /// Whether an authority is asked about a certificate: only where somebody can renew it, and wants to know.
    fn is_asked_about(&self, certificate: &Certificate, usage: &Usage, now: UnixTime) -> bool {
        let sighting = self.inventory.get(&certificate.id).and_then(|watched| watched.sighting(usage));
        let is_own = sighting.is_some_and(|sighting| sighting.presence(None, now).origin != Origin::Peer);
        is_own
            && is_leaf(certificate, usage)
            && now < certificate.not_after
            && self.config.wants(EventKind::CertificateRenewalOverdue)
            && self.authority_of(certificate).is_some()
            && identifier(certificate).is_some()
    }

    /// Who is asked about a certificate.
    pub(super) fn authority_of(&self, certificate: &Certificate) -> Option<&RenewalInfo> {
        self.config.expiry.renewal_info.iter().find(|authority| authority.is_of(&certificate.issuer))
    }

    /// Asks the next question, if its time has come.
    pub(super) fn inquire(&mut self, turn: &mut Turn) {
        if let Some((_, id, since)) = self.renewals.questions.asking {
            if since.after(FORGOTTEN) > turn.now && since <= turn.now {
                return;
            }
            self.renewals.questions.asking = None;
            self.fail_to_learn(&id, Failure::NoAnswer, "", None, turn);
        }
        while turn.has_work_left()
            && self.renewals.questions.asking.is_none()
            && self.renewals.questions.due.first().is_some_and(|(at, _)| *at <= turn.now)
        {
            let Some((at, id)) = self.renewals.questions.due.pop_first() else { break };
            turn.spend(ASKING);
            // One of two, if the clock was set back in between.
            let advice = self.ledger.get(&id).and_then(|record| record.advice.as_ref());
            if advice.is_none_or(|advice| advice.ask_at != at) {
                continue;
            }
            let call = self.outbox.name_call();
            if let Some(question) = self.question_about(&id, call, turn.now) {
                turn.spend(SENDING);
                turn.effect(Effect::Call(question));
                self.renewals.questions.asking = Some((call, id, turn.now));
            }
        }
    }

    /// The question about a certificate; `None` if it is not watched any more, or has ended.
    fn question_about(&self, id: &CertId, call: CallId, now: UnixTime) -> Option<Call> {
        let certificate = &self.inventory.get(id).filter(|watched| now < watched.certificate.not_after)?.certificate;
        let RenewalInfo { cluster, path, authority, .. } = self.authority_of(certificate)?;
        let path = format!("{path}/{}", identifier(certificate)?);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            header(":method", "GET"),
            header(":scheme", "https"),
            header(":authority", authority),
            header(":path", &path),
            header("accept", "application/json"),
            header("user-agent", "cert-expiry-monitor"),
        ];
        Some(Call {
            id: call,
            cluster: cluster.clone(),
            headers,
            body: None,
            timeout: TIMEOUT,
            largest_answer: LARGEST,
        })
    }

    /// Takes note of what an authority has answered; whether the call was a question to one.
    pub(super) fn learn(&mut self, call: CallId, answer: &Answer, turn: &mut Turn) -> bool {
        let Some((_, id, _)) = self.renewals.questions.asking.take_if(|(asked, _, _)| *asked == call) else {
            return false;
        };
        let (failure, status, wish) = match answer {
            Answer::NoCluster => (Failure::NoCluster, None, None),
            Answer::NoHost | Answer::NoResponse => (Failure::NoAnswer, None, None),
            Answer::Response(Response { status, by_envoy, retry_after, body, .. }) => {
                let wish = retry_after.as_deref().and_then(|value| wish(value, turn.now));
                let body = body.as_deref().filter(|body| body.len() <= LARGEST);
                turn.spend(parsing(body.map_or(0, <[u8]>::len)));
                let failure = match (status, body.map(parse)) {
                    (200, Some(Some(window))) => {
                        self.take_advice(&id, window, wish, turn);
                        return true;
                    }
                    (200, None) => Failure::TooLarge,
                    (200, Some(None)) => Failure::Unreadable,
                    (503 | 504, _) if *by_envoy => Failure::NoAnswer,
                    _ => Failure::Status,
                };
                (failure, Some(status), wish)
            }
        };
        let status = status.map(|status| format!(" status={status}")).unwrap_or_default();
        self.fail_to_learn(&id, failure, &status, wish, turn);
        true
    }

    fn take_advice(&mut self, id: &CertId, window: Window, wish: Option<Duration>, turn: &Turn) {
        let chance = self.chance.draw();
        // It may have gone since it was asked about.
        if self.inventory.contains(id) {
            self.record(id).advice.get_or_insert_default().answer(window, wish, turn.now, chance);
            self.note_question(id);
            // Its renewal may be late by that, or not any more.
            self.inventory.wake(*id, turn.now);
        }
    }

    fn fail_to_learn(&mut self, id: &CertId, failure: Failure, status: &str, wish: Option<Duration>, turn: &Turn) {
        let chance = self.chance.draw();
        let Some(watched) = self.inventory.get(id) else { return };
        let cluster = self.authority_of(&watched.certificate).map(|authority| authority.cluster.clone());
        let advice = self.record(id).advice.get_or_insert_default();
        advice.fail(wish, turn.now, chance);
        let next = turn.now.until(advice.ask_at).as_secs();
        self.note_question(id);
        let told = &mut self.renewals.questions.told;
        told.retain(|(_, at)| turn.now.since(*at).is_some_and(|age| age < TELL_AGAIN));
        if !told.iter().any(|(known, _)| *known == failure) && self.flood.admits(About::Discovery, turn.now) {
            told.push((failure, turn.now));
            warn!(
                "An authority was asked in vain when a certificate should be renewed: {}{status} cluster={} cert_id={} \
                 next_in_seconds={next}",
                failure.as_str(),
                cluster.unwrap_or_default(),
                id.short()
            );
        }
    }

    /// Has a certificate asked about again when its record says.
    fn note_question(&mut self, id: &CertId) {
        let advice = self.ledger.get(id).and_then(|record| record.advice.as_ref());
        self.renewals.questions.due.extend(advice.map(|advice| (advice.ask_at, *id)));
    }
}
