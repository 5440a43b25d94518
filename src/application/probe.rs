//! Requests of the monitor that are made only so that an observer sees an upstream's certificate.
//!
//! A probe carries the API that it is made for. Whoever sends one must know who holds the lease: that number is random,
//! and only instances of the same `vm_id` can read it.

use super::shared_data::Tenure;
use crate::domain::text::harmless;

/// The request header of a probe.
pub const HEADER: &str = "x-cert-expiry-probe";

/// What the header of a probe says that this holder makes for an API.
pub fn header(holder: Tenure, api_id: &str) -> String {
    format!("{:016x};{}", holder.holder, harmless(api_id))
}

/// The API that a probe is made for; `None` if the holder did not make it.
pub fn api_id(value: &[u8], holder: Tenure) -> Option<String> {
    let (token, api_id) = value.split_at_checked(16)?;
    let api_id = api_id.strip_prefix(b";").filter(|_| token == format!("{:016x}", holder.holder).as_bytes())?;
    Some(harmless(&String::from_utf8_lossy(api_id))).filter(|api_id| !api_id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDER: Tenure = Tenure { epoch: 7, holder: 0x12ab };

    #[test]
    fn a_probe_says_what_it_is_made_for() {
        assert_eq!(header(HOLDER, "orders"), "00000000000012ab;orders");
        for api in ["orders", "a;b", "größe"] {
            assert_eq!(api_id(header(HOLDER, api).as_bytes(), HOLDER).as_deref(), Some(api));
        }
        assert_eq!(header(HOLDER, "a\r\nb"), "00000000000012ab;ab");
        let again = Tenure { epoch: 8, ..HOLDER };
        assert_eq!(api_id(header(again, "x").as_bytes(), HOLDER).as_deref(), Some("x"), "the instance counts");
    }

    #[test]
    fn nobody_else_makes_a_probe() {
        let whole = header(HOLDER, "orders");
        for length in 0..=17 {
            assert_eq!(api_id(&whole.as_bytes()[..length], HOLDER), None, "the first {length} bytes");
        }
        let other = Tenure { holder: 0x12ac, ..HOLDER };
        for value in [header(other, "orders").as_str(), "0000000000012ab;orders", "00000000000012AB;orders", ";;;"] {
            assert_eq!(api_id(value.as_bytes(), HOLDER), None, "{value}");
        }
        assert_eq!(api_id(&[0xff; 40], HOLDER), None);
        assert_eq!(api_id(b"00000000000012ab;\x01\x02", HOLDER), None);
    }
}
