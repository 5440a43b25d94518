//! A round over as much as one Envoy may hold.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::json;

use super::admin::{Admin, entry, round, secret};
use super::certificate::{authority, leaf, parsed, pem};
use crate::application::discovery::{Known, MOST_REQUESTS, Survey};
use crate::config::CaBundles;
use crate::domain::{CertId, Certificate, UnixTime, Usage};

type Sightings = Vec<(Usage, Vec<String>)>;

/// A monitor that remembers many.
#[derive(Default)]
struct Memory {
    by_id: BTreeMap<CertId, (Rc<Certificate>, Sightings)>,
    by_serial: BTreeMap<String, Rc<Certificate>>,
}

impl Memory {
    fn of(survey: &Survey) -> Self {
        let mut memory = Self::default();
        for found in &survey.found {
            let certificate = Rc::clone(&found.certificate);
            let serial = certificate.serial_number.trim_start_matches('0').to_owned();
            memory.by_serial.insert(serial, Rc::clone(&certificate));
            let (_, usages) = memory.by_id.entry(certificate.id).or_insert((certificate, Vec::new()));
            usages.push((found.usage.clone(), found.places.clone()));
        }
        memory
    }
}

impl Known for Memory {
    fn certificate(&self, id: &CertId) -> Option<Rc<Certificate>> {
        self.by_id.get(id).map(|(certificate, _)| Rc::clone(certificate))
    }

    fn twin(&self, serial_number: &str, _: UnixTime, _: UnixTime) -> Option<Rc<Certificate>> {
        self.by_serial.get(serial_number).cloned()
    }

    fn found_before(&self, id: &CertId) -> Vec<(Usage, Vec<String>)> {
        self.by_id.get(id).map(|(_, usages)| usages.clone()).unwrap_or_default()
    }

    fn has_issued(&self, _: &str) -> bool {
        false
    }
}

fn admin(secrets: u32, generation: u32) -> Admin {
    let mut admin = Admin::new();
    let root = authority("root", "root", 1);
    for number in 0..secrets {
        let name = format!("secret-{number:05}");
        let middle = authority(&format!("middle-{number}"), "root", 1_000_000 + number);
        let leaf = leaf(&format!("{name}.example.com"), &format!("middle-{number}"), generation + number);
        let chain = json!({ "chain": { "inline_string": pem(&[&leaf, &middle, &root]) } });
        admin.static_secrets.push(secret(&name, chain));
        admin.load(&[entry("<inline>", &parsed(&leaf))], &[]);
    }
    for listener in 0..10 {
        let chains: Vec<_> = (listener * secrets / 10..(listener + 1) * secrets / 10)
            .map(|number| {
                json!({ "common_tls_context": {
                    "tls_certificate_sds_secret_configs": [{ "name": format!("secret-{number:05}") }] } })
            })
            .collect();
        let name = format!("listener-{listener}");
        admin.static_listeners.push(json!({ "listener": { "name": name, "filter_chains": chains } }));
    }
    admin
}

#[test]
fn work_grows_with_what_there_is_and_no_faster() {
    const GENERATION: u32 = 2_000_000;
    let mut ticks = Vec::new();
    for secrets in [500, 2_000] {
        let mut admin = admin(secrets, GENERATION);
        let (first, bill) = round(CaBundles::Used, &Memory::default(), &|path| admin.answer(path));
        let first = first.unwrap();
        assert_eq!(first.found.len(), 2 * secrets as usize + 1);
        assert_eq!(bill.parsed, 2 * secrets + 1);
        assert!(bill.paths.len() <= MOST_REQUESTS as usize, "{}", bill.paths.len());
        let memory = Memory::of(&first);
        let (second, bill) = round(CaBundles::Used, &memory, &|path| admin.answer(path));
        assert_eq!(second.unwrap().found.len(), first.found.len());
        assert_eq!(bill.parsed, 0);

        // Every one was renewed, and Envoy serves none of them.
        let serving = std::mem::take(&mut admin.contexts);
        admin = self::admin(secrets, 2 * GENERATION);
        admin.contexts = serving;
        let (third, refused) = round(CaBundles::Used, &memory, &|path| admin.answer(path));
        assert_eq!(third.unwrap().stale.len(), secrets as usize);
        // And nobody remembers what was there.
        let (fourth, forgotten) = round(CaBundles::Used, &Memory::default(), &|path| admin.answer(path));
        assert_eq!(fourth.unwrap().stale.len(), secrets as usize);
        eprintln!("{secrets} secrets: {} ticks, {} {}", bill.ticks, refused.ticks, forgotten.ticks);
        ticks.push([bill.ticks, refused.ticks, forgotten.ticks]);
    }
    let [small, large] = &ticks[..] else { panic!("two sizes") };
    for (small, large) in small.iter().zip(large) {
        assert!(*large < 5 * small, "{small} {large}");
    }
}
