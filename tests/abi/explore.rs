use crate::host::*;
use crate::scene::*;
use std::time::{Duration, Instant};

fn healthy(n: u32) -> Certificate {
    Certificate::stored("client").ending_at(1_800_000_000).numbered(n)
}

#[test]
#[allow(clippy::disallowed_methods)]
fn explore_monitor() {
    let t = Instant::now();
    let soon = std::env::var("SOON").is_ok();
    let template = Observations::of_clients(&healthy(0));
    let host = Host::new();
    host.set_log_level(Level::Info);
    host.receiver(RECEIVER, |_| Some(Answer::status(200)));
    let doc = Document::telling();
    let mut m = Instance::monitor(&host, &doc);
    m.tick();
    println!("setup {:?} {:?}", t.elapsed(), m.vm.take_most_fuel());
    for n in 0..20_000 {
        let c = if soon { Certificate::stored("client").numbered(n) } else { healthy(n) };
        host.enqueue(QUEUE, template.item(&c));
    }
    println!("enqueued {:?}", t.elapsed());
    let start = host.now();
    let mut slow = Vec::new();
    loop {
        let done = host.run_until(&mut [&mut m.vm], seconds(10), |h| {
            h.metric("cert_expiry_monitor_certificates;.;role=.=client") == Some(20_000)
        });
        slow.push((host.now() - start, m.vm.take_most_fuel(), m.vm.memory()));
        if done || host.now() - start > seconds(300) {
            break;
        }
    }
    for s in slow {
        println!("{s:?}");
    }
    println!("trap {:?}", host.traps());
    println!("observed {:?} sim {:?}", t.elapsed(), host.now() - start);
    host.run_for(&mut [&mut m.vm], seconds(20));
    println!("after {:?} {:?}", t.elapsed(), m.vm.take_most_fuel());
    for _ in 0..5 {
        m.tick();
        println!("idle {}", m.vm.last_fuel());
    }
    println!("callouts {}", host.callouts().len());
    // second monitor: takeover
    let mut m2 = Instance::monitor(&host, &doc);
    println!(
        "blobs {} bytes {}",
        host.shared_keys().len(),
        host.shared_keys().iter().map(|k| host.shared_data(k).unwrap().len()).sum::<usize>()
    );
    host.set_fuel_limit(20_000_000_000);
    host.advance(seconds(1));
    m2.vm.take_most_fuel();
    m2.tick();
    println!("takeover first tick {} mem {} {:?}", m2.vm.last_fuel(), m2.vm.memory(), t.elapsed());
    for _ in 0..5 {
        host.advance(seconds(1));
        m2.tick();
        println!("next {}", m2.vm.last_fuel());
    }
    // round of m
    m.vm.take_most_fuel();
    host.run_for(&mut [&mut m.vm], seconds(3600));
    println!("an hour {:?} {:?}", m.vm.take_most_fuel(), t.elapsed());
    let _ = Duration::ZERO;
}
#[test]
#[allow(clippy::disallowed_methods)]
fn explore_configure() {
    let t = Instant::now();
    let host = Host::new();
    host.set_fuel_limit(100_000_000_000);
    for n in [100u32, 1000, 20_000] {
        let mut doc = Document::telling();
        for i in 0..n {
            doc = doc.server(&healthy(i));
        }
        println!("doc {:?}", t.elapsed());
        let mut m = Instance::monitor(&host, &doc);
        println!("{n} {:?} mem {} {:?}", m.vm.take_most_fuel(), m.vm.memory(), t.elapsed());
        host.run_for(&mut [&mut m.vm], seconds(5));
        println!("{n} {:?} mem {} {:?}", m.vm.take_most_fuel(), m.vm.memory(), t.elapsed());
    }
}
