use crate::host::*;
use crate::scene::*;
use std::time::{Duration, Instant};

#[test]
#[allow(clippy::disallowed_methods)]
fn explore_observer() {
    let host = Host::new();
    let mut m = Instance::monitor(&host, &Document::empty());
    println!("monitor on_configure empty {:?} mem {}", m.vm.take_most_fuel(), m.vm.memory());
    m.tick();
    println!("first tick {:?}", m.vm.take_most_fuel());
    for _ in 0..3 {
        host.advance(seconds(1));
        m.tick();
    }
    println!("idle ticks {:?}", m.vm.take_most_fuel());
    let mut o = Instance::observer(&host, "w", &Document::empty());
    println!("obs mem {} {:?}", o.vm.memory(), o.vm.take_most_fuel());
    let c = Certificate::stored("client");
    let u = Certificate::stored("upstream");
    for (n, r) in [
        ("plain", Request::plain()),
        ("client", Request::of_client(&c)),
        ("client+route", Request::of_client(&c).on_route("orders")),
        ("client+up", Request::of_client(&c).on_route("orders").to_upstream(&u)),
    ] {
        for _ in 0..3 {
            host.reset_calls();
            let f = o.request(&r);
            println!("{n}: {f} {:?}", o.vm.call_counts());
        }
    }
    println!("{:?}", o.vm.take_most_fuel());
    let t = Instant::now();
    for n in 0..5000u32 {
        let r = Request::of_client(&c.numbered(n)).on_route("orders");
        for _ in 0..20 {
            o.request(&r);
        }
    }
    println!("100k requests {:?} mem {} {:?}", t.elapsed(), o.vm.memory(), o.vm.take_most_fuel());
    println!("queue {}", host.queue_items(QUEUE).len());
    println!("{:?}", host.metrics());
    let _ = Duration::ZERO;
}
