//! What an access logger observes, and failed handshakes.

use super::*;

const EXPIRED: &[u8] =
    b"TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: \
    X509_verify_cert: certificate verification error at depth 0: certificate has expired:TLS_error_end";

/// A connection that ends; the number of properties that were read.
fn log(observer: &mut Observer, proxy: &FakeProxy) -> u32 {
    proxy.reads.set(0);
    observer.on_log(proxy);
    proxy.reads.get()
}

/// A client whose certificate is refused.
fn refused_client() -> FakeProxy {
    let mut proxy = mtls();
    proxy.properties.retain(|path, _| path.starts_with("connection."));
    proxy.properties.insert("connection.transport_failure_reason", EXPIRED.to_vec());
    proxy.properties.insert("source.address", b"10.0.0.9:4711".to_vec());
    proxy.properties.insert("destination.address", b"10.0.0.1:443".to_vec());
    proxy
}

/// An upstream whose certificate is refused.
fn refused_upstream() -> FakeProxy {
    let mut proxy = mtls();
    proxy.properties.retain(|path, _| path.starts_with("xds."));
    proxy.properties.insert("upstream.transport_failure_reason", EXPIRED.to_vec());
    proxy.properties.insert("upstream.address", b"10.0.0.2:443".to_vec());
    proxy.properties.insert("xds.cluster_name", b"orders-v2".to_vec());
    proxy
}

fn dropped(proxy: &FakeProxy) -> usize {
    let rejections = Metric::dropped_total(Dropped::Rejections);
    proxy.counted.borrow().iter().filter(|name| *name == rejections.name()).count()
}

#[test]
fn an_access_logger_observes_both_sides_and_known_ones_cost_four_reads() {
    let (mut observer, mut proxy) = (observer("{}"), mtls());
    proxy.properties.insert("upstream.transport_failure_reason", Vec::new());
    log(&mut observer, &proxy);
    let orders = Some("orders".to_owned());
    assert_eq!(handed_over(&proxy), [(Role::Client, orders.clone()), (Role::Upstream, orders)]);
    assert_eq!(log(&mut observer, &proxy), 4, "the failure, both digests, the route");
    request(&mut observer, &proxy);
    assert_eq!(
        (handed_over(&proxy), proxy.removed.take()),
        (vec![], vec![]),
        "the filter of the same instance knows them"
    );
}

#[test]
fn roles_that_are_off_are_not_read_in_a_log_either() {
    for proxy in [mtls(), refused_client(), refused_upstream()] {
        let mut observer = observer(r#"{"observe": {"client": false, "upstream": false}}"#);
        assert_eq!((log(&mut observer, &proxy), proxy.queue.take()), (0, vec![]));
    }
    let mut client_only = observer(r#"{"observe": {"upstream": false}}"#);
    let proxy = refused_upstream();
    assert_eq!((log(&mut client_only, &proxy), proxy.queue.take()), (2, vec![]));
    let plain = FakeProxy::default();
    assert_eq!(log(&mut observer("{}"), &plain), 4, "whether there was one, and whether it failed");
}

#[test]
fn a_place_is_the_listeners_name_else_the_filter_chains_else_its_address() {
    let place = |properties: &[(&'static str, &str)]| {
        let mut proxy = mtls();
        proxy.properties.extend(properties.iter().map(|(path, value)| (*path, value.as_bytes().to_vec())));
        let mut observer = observer("{}");
        log(&mut observer, &proxy);
        let seen = observations(&proxy);
        (seen[0].place.clone().unwrap_or_default(), seen[1].place.clone().unwrap_or_default())
    };
    let address = ("destination.address", "10.0.0.1:443");
    let chain = ("xds.filter_chain_name", "mtls");
    let listener = ("xds.listener_metadata.filter_metadata.cert_expiry_monitor.name", "ed\u{202e}ge\n");
    assert_eq!(place(&[]), (String::new(), String::new()));
    assert_eq!(place(&[address]).0, "address/10.0.0.1:443");
    assert_eq!(place(&[address, ("xds.filter_chain_name", "")]).0, "address/10.0.0.1:443");
    assert_eq!(place(&[address, chain]).0, "filter_chain/mtls");
    assert_eq!(place(&[address, chain, listener]).0, "listener/edge");
    assert_eq!(place(&[("xds.cluster_name", "orders-v2")]).1, "cluster/orders-v2");
    let long = "x".repeat(5_000);
    assert_eq!(place(&[("xds.cluster_name", &long)]).1.chars().count(), 256);
}

#[test]
fn a_filter_says_the_place_as_well() {
    let (mut observer, mut proxy) = (observer("{}"), mtls());
    proxy.properties.insert("xds.filter_chain_name", b"mtls".to_vec());
    request(&mut observer, &proxy);
    let places: Vec<_> = observations(&proxy).into_iter().map(|seen| seen.place).collect();
    assert_eq!(places, [Some("filter_chain/mtls".to_owned()), None]);
}

#[test]
fn the_address_of_an_upstream_is_read_when_it_is_handed_over_and_that_of_a_client_never() {
    let address = b"10.0.0.2:443";
    for logs in [false, true] {
        let (mut observer, mut proxy) = (observer("{}"), mtls());
        proxy.properties.insert("source.address", b"10.0.0.9:4711".to_vec());
        proxy.properties.insert("upstream.address", address.to_vec());
        let mut meet = |proxy: &FakeProxy| if logs { log(&mut observer, proxy) } else { request(&mut observer, proxy) };
        let new = meet(&proxy);
        let addresses: Vec<_> = observations(&proxy).into_iter().map(|seen| seen.address).collect();
        assert_eq!(addresses, [None, Some("10.0.0.2:443".to_owned())], "a log: {logs}");
        let known = meet(&proxy);
        // Both certificates, the upstream's also in a header; three names of the client's place, the cluster, the address.
        assert_eq!(new - known, 8, "a log: {logs}");
        proxy.properties.insert("upstream.address", b"10.0.0.3:443".to_vec());
        assert_eq!((meet(&proxy), observations(&proxy)), (known, vec![]), "another address is nothing new");
    }
}

#[test]
fn a_refused_client_is_a_rejection_with_its_certificate_and_is_not_watched() {
    let (mut observer, proxy) = (observer("{}"), refused_client());
    log(&mut observer, &proxy);
    let [rejection] = rejections(&proxy).try_into().unwrap();
    assert_eq!((rejection.usage.role(), rejection.usage.api_id()), (Role::Client, None));
    assert_eq!(rejection.place.as_deref(), Some("address/10.0.0.1:443"));
    assert_eq!(rejection.address.as_deref(), Some("10.0.0.9:4711"));
    assert_eq!(rejection.text.as_bytes(), EXPIRED);
    let (id, pem) = rejection.certificate.unwrap();
    assert_eq!((id.to_string().into_bytes(), pem.as_slice()), (b"c1".repeat(32), b"client pem".as_slice()));
    assert!(!observer.seen.contains(&key(b"c1".repeat(32), Role::Client, None), observer.now));
}

#[test]
fn whatever_fails_no_certificate_of_it_is_watched() {
    let (mut observer, mut proxy) = (observer("{}"), refused_client());
    for text in [
        "TLS_error:|268435612:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end",
        "TLS_error:|268435579:SSL routines:OPENSSL_internal:BAD_SIGNATURE:TLS_error_end",
        "CERTIFICATE_VERIFY_FAILED:SAN matcher, certificate SANs are [system library ALERT_CERTIFICATE]",
        "x",
        "\u{0}",
    ] {
        proxy.properties.insert("connection.transport_failure_reason", text.as_bytes().to_vec());
        log(&mut observer, &proxy);
        assert_eq!(observations(&proxy), [], "{text}");
    }
}

#[test]
fn a_client_that_hangs_up_is_watched_all_the_same() {
    for text in ["Broken pipe", "Connection reset by peer"] {
        let (mut observer, mut proxy) = (observer("{}"), refused_client());
        let text = format!("TLS_error:|33554464:system library:OPENSSL_internal:{text}:TLS_error_end");
        proxy.properties.insert("connection.transport_failure_reason", text.into_bytes());
        log(&mut observer, &proxy);
        assert_eq!(handed_over(&proxy), [(Role::Client, None)]);
    }
}

#[test]
fn a_refused_client_without_a_certificate_or_with_one_that_is_not_shown_is_one_as_well() {
    let (mut observer, mut proxy) = (observer("{}"), refused_client());
    for pem in [Vec::new(), vec![b'x'; LARGEST_CERTIFICATE + 1]] {
        proxy.properties.insert("connection.peer_certificate", pem);
        log(&mut observer, &proxy);
        assert_eq!(rejections(&proxy)[0].certificate.as_ref().unwrap().1, b"");
    }
    proxy.properties.remove("connection.sha256_peer_certificate_digest");
    let missing = b"TLS_error:|268435648:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:TLS_error_end";
    proxy.properties.insert("connection.transport_failure_reason", missing.to_vec());
    log(&mut observer, &proxy);
    assert_eq!(rejections(&proxy)[0].certificate, None);
}

#[test]
fn a_refused_upstream_is_a_rejection_at_its_cluster() {
    let (mut observer, mut proxy) = (observer("{}"), refused_upstream());
    log(&mut observer, &proxy);
    let [rejection] = rejections(&proxy).try_into().unwrap();
    assert_eq!((rejection.usage.role(), rejection.usage.api_id()), (Role::Upstream, Some("orders")));
    assert_eq!(rejection.place.as_deref(), Some("cluster/orders-v2"));
    assert_eq!((rejection.address.as_deref(), rejection.certificate), (Some("10.0.0.2:443"), None));
    proxy.properties.insert("upstream.sha256_peer_certificate_digest", b"d1".repeat(32));
    proxy.properties.insert("upstream.peer_certificate", b"upstream pem".to_vec());
    log(&mut observer, &proxy);
    assert_eq!(handed_over(&proxy).len(), 1, "another try went through");
}

#[test]
fn a_filter_tells_of_no_rejection() {
    let mut observer = observer("{}");
    for proxy in [refused_client(), refused_upstream()] {
        request(&mut observer, &proxy);
        assert_eq!(rejections(&proxy), []);
    }
}

#[test]
fn a_storm_of_refused_handshakes_is_cut_and_counted() {
    let (mut observer, mut proxy) = (observer("{}"), refused_client());
    for number in 0..10_000_u32 {
        proxy.properties.insert("connection.sha256_peer_certificate_digest", format!("{number:064x}").into_bytes());
        log(&mut observer, &proxy);
    }
    assert_eq!((rejections(&proxy).len(), dropped(&proxy)), (10, 9_990));
    assert!(log(&mut observer, &proxy) <= 8, "and then it is cheap");
}

#[test]
fn rejections_leave_room_for_observations_while_there_is_no_monitor() {
    let (mut observer, mut proxy) = (observer("{}"), refused_client());
    proxy.has_monitor.set(false);
    observer.on_tick(&proxy, UnixTime::from_secs(1_001));
    proxy.properties.insert("connection.peer_certificate", vec![b'x'; LARGEST_CERTIFICATE]);
    let chains: Vec<_> = (0..64).map(|number| format!("chain-{number}").into_bytes()).collect();
    for chain in chains {
        proxy.properties.insert("xds.filter_chain_name", chain);
        log(&mut observer, &proxy);
    }
    assert!(observer.waiting_bytes < MOST_WAITING / 2 + 2 * LARGEST_CERTIFICATE, "{}", observer.waiting_bytes);
    assert!(dropped(&proxy) > 50);
    request(&mut observer, &mtls());
    assert_eq!(observer.waiting.len() + dropped(&proxy), 64 + 2);
}
