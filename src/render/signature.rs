//! Signatures: what lets a receiver know who has sent a body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::Secret;
use crate::domain::UnixTime;
use crate::domain::text::hex;

/// How a body is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    StandardWebhooks,
    /// `sha256=<hex>` over the body: `VaulTLS`'s, and GitHub's.
    Sha256,
    /// `t=<time>,v1=<hex>` over time and body: Infisical's, and Stripe's.
    Timestamped(Unit),
}

/// What the time of [`Scheme::Timestamped`] is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As Stripe does.
    Seconds,
    /// As Infisical does.
    Milliseconds,
}

/// How the bodies for one webhook are signed, and with what.
#[derive(Debug)]
pub struct Signing {
    /// The scheme.
    pub scheme: Scheme,
    /// The name of the header, in lower case; Standard Webhooks has its own three.
    pub header: String,
    /// One secret, or several while they change: a receiver that knows one of them is content.
    pub secrets: Vec<Secret>,
}

/// What begins a secret of Standard Webhooks.
const PREFIX: &str = "whsec_";

impl Signing {
    /// Looks up the variables of all secrets; returns the names of those that are missing.
    pub fn resolve(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        self.secrets.iter_mut().flat_map(|secret| secret.resolve(environment)).collect()
    }

    /// What is wrong with the secrets, once they are resolved; it does not show them.
    pub fn problem(&self) -> Option<&'static str> {
        self.secrets.iter().find_map(|secret| {
            let value = secret.value();
            match self.scheme {
                _ if value.is_empty() => Some("it is empty"),
                Scheme::StandardWebhooks => match standard_key(&value).map(|key| key.len()) {
                    Some(24..=64) => None,
                    _ => Some("it is not whsec_ and the Base64 of 24 to 64 bytes"),
                },
                _ => None,
            }
        })
    }

    /// The headers that sign `body`, which is called `id` whenever it is sent, and is sent `now`.
    pub fn sign(&self, id: &str, now: UnixTime, body: &[u8]) -> Vec<(String, String)> {
        let secrets: Vec<_> = self.secrets.iter().map(Secret::value).collect();
        let each = |prefix: &str, separator: &str, sign: &dyn Fn(&str) -> String| {
            let signed: Vec<_> = secrets.iter().map(|secret| format!("{prefix}{}", sign(secret))).collect();
            signed.join(separator)
        };
        match self.scheme {
            Scheme::StandardWebhooks => {
                let time = now.secs().to_string();
                let sign = |secret: &str| {
                    let key = standard_key(secret).unwrap_or_default();
                    STANDARD.encode(mac(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]))
                };
                let signature = each("v1,", " ", &sign);
                let header = |name: &str, value: String| (name.to_owned(), value);
                vec![
                    header("webhook-id", id.to_owned()),
                    header("webhook-timestamp", time),
                    header("webhook-signature", signature),
                ]
            }
            Scheme::Sha256 => {
                let signature = each("sha256=", ",", &|secret| hex(&mac(secret.as_bytes(), &[body])));
                vec![(self.header.clone(), signature)]
            }
            Scheme::Timestamped(unit) => {
                let time = if unit == Unit::Seconds { now.secs() } else { now.millis() }.to_string();
                let sign = |secret: &str| hex(&mac(secret.as_bytes(), &[time.as_bytes(), b".", body]));
                vec![(self.header.clone(), format!("t={time},{}", each("v1=", ",", &sign)))]
            }
        }
    }
}

/// The bytes of a Standard Webhooks secret.
fn standard_key(secret: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()
}

/// HMAC-SHA256 (RFC 2104) of these parts, one after the other.
fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing(scheme: Scheme, secrets: &[&str]) -> Signing {
        let secrets = secrets.iter().map(|secret| Secret::compile(secret).unwrap()).collect();
        Signing { scheme, header: "x-signature".to_owned(), secrets }
    }

    fn signed(scheme: Scheme, secrets: &[&str]) -> Vec<(String, String)> {
        signing(scheme, secrets).sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            UnixTime::from_secs(1_614_265_330),
            br#"{"test": 2432232314}"#,
        )
    }

    #[test]
    fn standard_webhooks_are_signed_as_its_own_example_is() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let headers = signed(Scheme::StandardWebhooks, &[secret]);
        let [(_, id), (_, time), (_, signature)] = headers.as_slice() else { panic!("{headers:?}") };
        assert_eq!((id.as_str(), time.as_str()), ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"));
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let rotating = signed(Scheme::StandardWebhooks, &[secret, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
        assert_eq!(rotating[2].1.split(' ').count(), 2);
        assert!(rotating[2].1.starts_with(signature));
    }

    #[test]
    fn the_other_schemes_have_their_forms() {
        // Computed by Python's hmac.
        let of_body = "ad1a616fa5d45e0552fd84752e21f775525a9caa345c9b14fa23d8435584f7e9";
        let of_time_and_body = "e072942fa4edb85c6ffa1c52b27567eb3d1cdc7d03704cdd5ad5487eefb4b2f3";
        let sha256 = signed(Scheme::Sha256, &["key"]);
        assert_eq!(sha256, [("x-signature".to_owned(), format!("sha256={of_body}"))]);
        let seconds = &signed(Scheme::Timestamped(Unit::Seconds), &["key", "old"])[0].1;
        assert!(seconds.starts_with(&format!("t=1614265330,v1={of_time_and_body},v1=")), "{seconds}");
        let milliseconds = signed(Scheme::Timestamped(Unit::Milliseconds), &["key"]);
        assert!(milliseconds[0].1.starts_with("t=1614265330000,v1="));
    }

    #[test]
    fn secrets_that_are_none_are_found_and_not_shown() {
        assert!(signing(Scheme::Sha256, &["x"]).problem().is_none());
        assert!(signing(Scheme::Sha256, &[""]).problem().is_some());
        for (secret, is_good) in [
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
            ("whsec_!", false),
            ("whsec_c2hvcnQ=", false),
        ] {
            assert_eq!(signing(Scheme::StandardWebhooks, &[secret]).problem().is_none(), is_good, "{secret}");
        }
    }
}
