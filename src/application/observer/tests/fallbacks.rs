//! Certificates of peers on Envoys that have no attribute for them, and where the document looks elsewhere.

use super::*;
use crate::application::observation::Form;

const CLIENT: &str = "connection.peer_certificate";
const UPSTREAM_CERTIFICATE: &str = "upstream.peer_certificate";
const STATE: &str = "filter_state.cert_expiry_monitor.client_certificate";
const HEADER: &str = "response:x-cert-expiry-upstream-certificate";

/// An Envoy before 1.38.
fn old() -> FakeProxy {
    let mut proxy = mtls();
    proxy.properties.remove(CLIENT);
    proxy.properties.remove(UPSTREAM_CERTIFICATE);
    proxy
}

/// What both sides have handed over.
fn certificates(proxy: &FakeProxy) -> Vec<(Role, Vec<u8>)> {
    observations(proxy).into_iter().map(|seen| (seen.usage.role(), seen.certificate)).collect()
}

/// The headers that were taken away.
fn removed(proxy: &FakeProxy) -> Vec<String> {
    proxy.removed.take()
}

#[test]
fn where_there_is_no_attribute_the_well_known_places_are_read() {
    let (mut observer, mut proxy) = (observer("{}"), old());
    proxy.properties.insert(STATE, b"state".to_vec());
    proxy.headers.insert(HEADER, b"header".to_vec());
    request(&mut observer, &proxy);
    assert_eq!(certificates(&proxy), [(Role::Client, b"state".to_vec()), (Role::Upstream, b"header".to_vec())]);
    assert_eq!(removed(&proxy), [HEADER]);
    assert_eq!(request(&mut observer, &proxy), 4, "both digests, the route, and the header is taken away");
    assert_eq!(removed(&proxy), [HEADER], "also from the response of one that is known");
    assert_eq!(request(&mut observer, &FakeProxy::default()), 3);
    assert_eq!(removed(&proxy).len() + proxy.queue.take().len(), 0);
}

#[test]
fn a_dash_is_no_certificate() {
    let (mut observer, mut proxy) = (observer("{}"), old());
    proxy.properties.insert(STATE, b"-".to_vec());
    proxy.headers.insert(HEADER, b"-".to_vec());
    request(&mut observer, &proxy);
    assert_eq!((certificates(&proxy), removed(&proxy)), (vec![], vec![HEADER.to_owned()]));
}

#[test]
fn what_cannot_be_read_is_looked_for_again_after_a_minute() {
    let (mut observer, mut proxy) = (observer("{}"), old());
    assert_eq!(request(&mut observer, &proxy), 8);
    assert_eq!(request(&mut observer, &proxy), 4);
    assert_eq!(certificates(&proxy), []);
    proxy.properties.insert(STATE, b"state".to_vec());
    for (secs, expected) in [(59, 0), (60, 1), (121, 0)] {
        observer.on_tick(&proxy, UnixTime::from_secs(1_000 + secs));
        request(&mut observer, &proxy);
        assert_eq!(certificates(&proxy).len(), expected, "{secs} s");
    }
}

#[test]
fn where_there_is_an_attribute_no_header_is_touched_on_the_way() {
    let (mut observer, proxy) = (observer("{}"), mtls());
    request(&mut observer, &proxy);
    assert_eq!(request(&mut observer, &proxy), 3);
    assert_eq!(removed(&proxy), [""; 0]);
    assert_eq!(certificates(&proxy)[1].1, b"upstream pem");
}

#[test]
fn a_header_beside_the_attribute_is_taken_away_from_then_on() {
    let (mut observer, mut proxy) = (observer("{}"), mtls());
    request(&mut observer, &proxy);
    assert_eq!(removed(&proxy), [""; 0]);
    proxy.headers.insert(HEADER, b"header".to_vec());
    proxy.properties.insert("upstream.sha256_peer_certificate_digest", b"d2".repeat(32));
    certificates(&proxy);
    request(&mut observer, &proxy);
    assert_eq!(certificates(&proxy), [(Role::Upstream, b"upstream pem".to_vec())]);
    request(&mut observer, &proxy);
    assert_eq!(removed(&proxy), [HEADER, HEADER]);
}

#[test]
fn no_header_stays_while_nothing_can_be_kept() {
    let (mut observer, mut proxy) = (observer("{}"), old());
    proxy.headers.insert(HEADER, b"header".to_vec());
    observer.waiting_bytes = MOST_WAITING;
    request(&mut observer, &proxy);
    assert_eq!((removed(&proxy), certificates(&proxy)), (vec![HEADER.to_owned()], vec![]));
}

#[test]
fn the_document_says_where_to_look_and_then_nothing_else_is_read() {
    let mut proxy = mtls();
    proxy.properties.insert(STATE, b"state".to_vec());
    proxy.properties.insert("filter_state.my.key", b"my state".to_vec());
    proxy.headers.insert("request:x-forwarded-client-cert", b"xfcc".to_vec());
    proxy.headers.insert("response:x-mine", b"my header".to_vec());
    proxy.headers.insert(HEADER, b"header".to_vec());
    for (client, upstream, expected, taken_away) in [
        ("attribute", "attribute", [b"client pem".as_slice(), b"upstream pem"], None),
        ("filter_state:my.key", "response_header:x-mine", [b"my state", b"my header"], Some("response:x-mine")),
        ("xfcc", "auto", [b"xfcc", b"upstream pem"], Some(HEADER)),
        ("filter_state:none", "response_header:x-none", [b"", b""], Some("response:x-none")),
    ] {
        let document =
            format!(r#"{{"observe": {{"client_certificate": "{client}", "upstream_certificate": "{upstream}"}}}}"#);
        let mut observer = observer(&document);
        request(&mut observer, &proxy);
        let seen = observations(&proxy);
        let form = if client == "xfcc" { Form::Xfcc } else { Form::Pem };
        assert!(seen.iter().all(|seen| seen.form == if seen.usage.role() == Role::Client { form } else { Form::Pem }));
        let seen: Vec<_> = seen.into_iter().map(|seen| seen.certificate).collect();
        assert_eq!(seen, expected.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>(), "{document}");
        assert_eq!(removed(&proxy), taken_away.iter().copied().collect::<Vec<_>>(), "{document}");
    }
}

#[test]
fn auto_never_believes_the_request() {
    let (mut observer, mut proxy) = (observer("{}"), old());
    proxy.headers.insert("request:x-forwarded-client-cert", b"xfcc".to_vec());
    request(&mut observer, &proxy);
    assert_eq!(certificates(&proxy), []);
}

#[test]
fn a_header_that_the_document_names_is_taken_away_from_every_response() {
    let mut observer = observer(r#"{"observe": {"client": false, "upstream_certificate": "response_header:x-mine"}}"#);
    let proxy = FakeProxy::default();
    assert_eq!(request(&mut observer, &proxy), 2, "the digest, and the header is taken away");
    assert_eq!(removed(&proxy), ["response:x-mine"]);
}

#[test]
fn a_chain_may_be_larger_than_a_certificate() {
    let mut observer = observer(r#"{"observe": {"upstream": false, "client_certificate": "xfcc"}}"#);
    for (size, is_handed_over) in [(48 * 1_024, true), (48 * 1_024 + 1, false)] {
        let mut proxy = mtls();
        proxy.headers.insert("request:x-forwarded-client-cert", vec![b'x'; size]);
        proxy.properties.insert("connection.sha256_peer_certificate_digest", format!("{size:064x}").into_bytes());
        request(&mut observer, &proxy);
        assert_eq!(certificates(&proxy).len(), usize::from(is_handed_over), "{size} bytes");
        let oversized = Metric::dropped_total(Dropped::OversizedCertificate);
        assert_eq!(proxy.counted.borrow().contains(&oversized.name().to_owned()), !is_handed_over);
    }
}

#[test]
fn a_probe_says_which_api_it_is_made_for_and_nobody_sees_it() {
    const PROBE: &str = "request:x-cert-expiry-probe";
    let (mut observer, mut proxy) = (observer("{}"), mtls());
    let apis = |proxy: &FakeProxy| handed_over(proxy).into_iter().map(|(_, api)| api.unwrap()).collect::<Vec<_>>();
    proxy.headers.insert(PROBE, b"0000000000000001;billing".to_vec());
    request(&mut observer, &proxy);
    assert_eq!((apis(&proxy), removed(&proxy)), (vec!["orders".to_owned(); 2], vec![]), "no probes are made");
    observer.is_probed = true;
    assert_eq!(request(&mut observer, &proxy), 9, "three as always, the header twice, and four for what is new");
    assert_eq!((apis(&proxy), removed(&proxy)), (vec!["billing".to_owned()], vec![PROBE.to_owned()]));
    proxy.headers.insert(PROBE, b"0000000000000002;payments".to_vec());
    request(&mut observer, &proxy);
    assert_eq!((apis(&proxy), removed(&proxy)), (vec![], vec![PROBE.to_owned()]), "another holder, or nobody");
    proxy.headers.remove(PROBE);
    assert_eq!(request(&mut observer, &proxy), 4, "one more than without probes");
}
