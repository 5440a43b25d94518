//! Upstreams of which one server still presents what the others have replaced.

use cert_expiry_monitor::application::observation::Site;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::forged::Certificate;
use crate::world::{DAY, HOUR, MINUTE, World, webhook};

fn document() -> Value {
    let mut hooks = webhook("hooks");
    (hooks["events"], hooks["send_resolved"]) = (json!(["CertificateStale"]), json!(true));
    json!({ "certificate_expiry_monitor": { "check_cooldown_seconds": HOUR }, "webhooks": [hooks] })
}

fn old() -> Certificate {
    Certificate::leaf("orders.internal", -DAY, 90 * DAY)
}

fn new() -> Certificate {
    Certificate::leaf("orders.internal", 0, 180 * DAY)
}

/// A server of the upstream `orders` presents a certificate.
fn present(world: &mut World, address: &str, certificate: &Certificate) {
    let site = Site { place: Some("cluster/orders"), address: Some(address) };
    world.observe_text(site, Role::Upstream, Some("orders"), &certificate.pem());
}

/// Lets hours pass in which these servers present these certificates.
fn pass(world: &mut World, hours: i64, servers: &[(&str, &Certificate)]) {
    for _ in 0..hours {
        for (address, certificate) in servers {
            present(world, address, certificate);
        }
        world.run_for(HOUR);
    }
}

fn bodies(world: &mut World) -> Vec<Value> {
    let calls = world.calls().into_iter().filter(|call| call.cluster == "hooks");
    calls.map(|call| serde_json::from_slice(&call.body.unwrap()).unwrap()).collect()
}

/// A world in which one of two servers that have shared a certificate has a newer one since some hours.
fn split(document: Value) -> World {
    let mut world = World::starting(0, document);
    pass(&mut world, 10, &[("10.0.0.1:443", &old()), ("10.0.0.2:443", &old())]);
    assert_eq!(bodies(&mut world), [] as [Value; 0]);
    present(&mut world, "10.0.0.1:443", &new());
    world.run_for(30 * MINUTE);
    assert_eq!(bodies(&mut world), [] as [Value; 0], "a roll-out may be going on");
    pass(&mut world, 3, &[("10.0.0.1:443", &new()), ("10.0.0.2:443", &old())]);
    world
}

#[test]
fn a_server_that_was_left_behind_is_told_of_with_its_address_until_it_follows() {
    let mut world = split(document());
    let told = bodies(&mut world);
    let [told] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!((&told["event"], &told["cert_id"]), (&json!("CertificateStale"), &json!(old().id())));
    assert_eq!(
        told["message"],
        "Certificate orders.internal is still presented at address/10.0.0.2:443, although others present a newer one"
    );
    assert_eq!(told["held"]["cert_id"], json!(new().id()));
    assert_eq!(told["places"], json!(["address/10.0.0.2:443", "cluster/orders"]));
    pass(&mut world, 5, &[("10.0.0.1:443", &new()), ("10.0.0.2:443", &old())]);
    assert_eq!(bodies(&mut world).len(), 0, "once in a cooldown");
    pass(&mut world, 2, &[("10.0.0.2:443", &new())]);
    let closed = bodies(&mut world);
    let [closed] = closed.as_slice() else { panic!("{closed:#?}") };
    assert_eq!(closed["event"], "CertificateResolved");
    assert_eq!(closed["cert_id"], json!(old().id()));
}

#[test]
fn one_that_nobody_presents_any_more_is_over() {
    let mut world = split(document());
    bodies(&mut world);
    pass(&mut world, 5, &[("10.0.0.1:443", &new())]);
    let closed = bodies(&mut world);
    assert_eq!(closed.iter().map(|body| &body["event"]).collect::<Vec<_>>(), ["CertificateResolved"]);
}

#[test]
fn a_successor_knows_of_it_and_so_do_rounds_of_discovery() {
    for discovers in [false, true] {
        let mut document = document();
        if discovers {
            document["discovery"] = json!({ "admin_cluster": "envoy_admin" });
        }
        let mut world = World::starting(0, document);
        let mut admin = Admin::of("1.40.0");
        admin.bodies = Some([].into());
        world.admin = Some(admin);
        pass(&mut world, 10, &[("10.0.0.1:443", &old()), ("10.0.0.2:443", &old())]);
        pass(&mut world, 4, &[("10.0.0.1:443", &new()), ("10.0.0.2:443", &old())]);
        assert_eq!(bodies(&mut world).len(), 1, "{discovers}");
        world.restart();
        pass(&mut world, 3, &[("10.0.0.1:443", &new()), ("10.0.0.2:443", &old())]);
        assert_eq!(bodies(&mut world), [] as [Value; 0], "{discovers}");
        pass(&mut world, 5, &[("10.0.0.1:443", &new())]);
        assert_eq!(bodies(&mut world).len(), 1, "and closes it: {discovers}");
    }
}

#[test]
fn a_second_server_with_a_certificate_of_its_own_leaves_nobody_behind() {
    let mut world = World::starting(0, document());
    pass(&mut world, 10, &[("10.0.0.2:443", &old())]);
    pass(&mut world, 10, &[("10.0.0.1:443", &new()), ("10.0.0.2:443", &old())]);
    assert_eq!(bodies(&mut world), [] as [Value; 0]);
}

#[test]
fn servers_with_certificates_of_their_own_are_nothing_to_tell_of() {
    let own: Vec<_> = (0..20_u8)
        .map(|number| {
            let ends = 90 * DAY + i64::from(number) * HOUR;
            let certificate = Certificate::leaf("orders.internal", -DAY, ends).numbered(number.into());
            (format!("10.0.0.{number}:443"), certificate)
        })
        .collect();
    for servers in [1, 2, 3, 20] {
        let mut world = World::starting(0, document());
        let mut shown: Vec<_> = own.iter().take(servers).cloned().collect();
        let presented = |world: &mut World, shown: &[(String, Certificate)]| {
            let shown: Vec<_> = shown.iter().map(|(address, own)| (address.as_str(), own)).collect();
            pass(world, 5, &shown);
        };
        presented(&mut world, &shown);
        // One after the other is renewed.
        for number in 0..servers {
            let Certificate { ends, .. } = shown[number].1;
            shown[number].1 = Certificate::leaf("orders.internal", 0, ends + 90 * DAY).numbered(100);
            presented(&mut world, &shown);
        }
        assert_eq!(bodies(&mut world), [] as [Value; 0], "{servers} servers");
    }
}
