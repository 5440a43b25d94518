//! `policies`: which certificates are weak.

use super::super::duration::{CENTURY, read_length};
use super::super::reader::Object;
use crate::domain::certificate::Signature;
use crate::domain::condition::Policies;

/// The longest key that can be asked for, in bits.
const MOST_BITS: u32 = 16_384;
const SIGNATURES: [(&str, Signature); 2] = [("sha1", Signature::Sha1), ("md5", Signature::Md5)];
const KEYS: [&str; 4] = ["min_rsa_bits", "forbid_signatures", "max_lifetime", "require_san"];

pub(super) fn read(section: Option<&Object<'_>>) -> Policies {
    let policies = section.and_then(|section| section.get("policies")).and_then(|node| node.object(&KEYS));
    let get = |key| policies.as_ref().and_then(|policies| policies.get(key));
    let bits = get("min_rsa_bits").and_then(|node| node.integer_or_zero(512..=MOST_BITS)).unwrap_or(2_048);
    let forbidden = get("forbid_signatures").and_then(|node| node.list());
    Policies {
        min_rsa_bits: u16::try_from(bits).unwrap_or(u16::MAX),
        // An empty list is a meaning of its own: nothing is forbidden.
        forbid_signatures: forbidden.map_or_else(
            || SIGNATURES.map(|(_, signature)| signature).to_vec(),
            |items| items.iter().filter_map(|item| item.word(&SIGNATURES)).collect(),
        ),
        max_lifetime: get("max_lifetime").and_then(|node| read_length(&node, CENTURY)),
        require_san: get("require_san").and_then(|node| node.boolean()).unwrap_or(true),
    }
}
