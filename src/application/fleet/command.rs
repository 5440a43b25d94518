//! Commands for Redis, as Webdis takes them in the body of a `POST`: its log shows a path, and no key.

use std::fmt::Display;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::application::effect::{Call, CallId};
use crate::application::request::{USER_AGENT, authorization};
use crate::config::CooldownStore;
use crate::domain::UnixTime;

/// An answer is waited for so long; one that comes later is as good as none, and the delivery waits for it.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes; it names a proxy at most.
const LARGEST: usize = 4 * 1_024;
/// What stands under the key of an event that was told.
pub const TOLD: &str = "done";

/// Something that the store is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set a key to the proxy's name for so long, unless it is set, and say what stood there: Redis 7 does that in one step.
    Claim(String, Duration),
    /// Note until then that something was told.
    Tell(String, UnixTime),
    /// Set a key to the proxy's name until then.
    Sign(String, UnixTime),
    /// Have a key be gone in a second: `SET` is the one command that has to be allowed.
    Forget(String, UnixTime),
}

impl Command {
    /// After this it means nothing any more.
    pub fn ends_at(&self) -> UnixTime {
        match self {
            Self::Claim(..) => UnixTime::NEVER,
            Self::Tell(_, until) | Self::Sign(_, until) | Self::Forget(_, until) => *until,
        }
    }

    /// What it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Claim(key, _) | Self::Tell(key, _) | Self::Sign(key, _) | Self::Forget(key, _) => key,
        }
    }

    /// The request that gives the command in the name of a proxy.
    pub fn call(&self, store: &CooldownStore, node: &str, call: CallId, now: UnixTime) -> Call {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            header(":method", "POST"),
            header(":scheme", "http"),
            header(":authority", "webdis"),
            header(":path", "/"),
            header("user-agent", USER_AGENT),
        ];
        headers.extend(store.authorization.as_ref().map(authorization));
        let body = Some(self.line(node, now).into_bytes());
        Call { id: call, cluster: store.cluster.clone(), headers, body, timeout: TIMEOUT, largest_answer: LARGEST }
    }

    /// Its words with a slash in between. Webdis takes a dot for the beginning of a file type.
    fn line(&self, node: &str, now: UnixTime) -> String {
        let set = |key: &str, value: &str, more: &str, length: Duration| {
            // What lasts for less than a second has ended: that is seen before.
            format!("SET/{}/{}{more}/EX/{}", encoded(key), encoded(value), length.as_secs().max(1))
        };
        match self {
            Self::Claim(key, length) => set(key, node, "/NX/GET", *length),
            Self::Tell(key, until) => set(key, TOLD, "", now.until(*until)),
            Self::Sign(key, until) => set(key, node, "", now.until(*until)),
            Self::Forget(key, _) => set(key, "over", "", Duration::ZERO),
        }
    }
}

fn encoded(text: &str) -> impl Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_key_or_a_name_is_a_word_of_its_own() {
        let hostile = "a/b.c%2F\r\nFLUSHALL é".to_owned();
        let key = "a%2Fb%2Ec%252F%0D%0AFLUSHALL%20%C3%A9";
        let (now, later) = (UnixTime::from_secs(1_000), UnixTime::from_secs(1_060));
        let claim = Command::Claim(hostile.clone(), Duration::from_secs(60));
        assert_eq!(claim.line("n/1", now), format!("SET/{key}/n%2F1/NX/GET/EX/60"));
        assert_eq!(Command::Tell(hostile.clone(), later).line("n", now), format!("SET/{key}/done/EX/60"));
        assert_eq!(Command::Sign("k".into(), later).line("n", now), "SET/k/n/EX/60");
        assert_eq!(Command::Sign("k".into(), later).line("n", later), "SET/k/n/EX/1");
        assert_eq!(Command::Forget(hostile, later).line("n", now), format!("SET/{key}/over/EX/1"));
    }
}
