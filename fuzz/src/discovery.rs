//! A whole round of discovery, each of whose answers may be anything.

use std::rc::Rc;

use cert_expiry_monitor::application::discovery::{Answer, Discovery, Known, MOST_REQUESTS, Next};
use cert_expiry_monitor::config::CaBundles;
use cert_expiry_monitor::domain::{CertId, Certificate, UnixTime, Usage};

use super::certificate;

/// What stands between two answers. JSON holds no such byte.
pub const BETWEEN: u8 = 0;

/// A monitor that knows nothing yet.
pub struct Nothing;

impl Known for Nothing {
    fn certificate(&self, _: &CertId) -> Option<Rc<Certificate>> {
        None
    }

    fn twin(&self, _: &str, _: UnixTime, _: UnixTime) -> Option<Rc<Certificate>> {
        None
    }

    fn found_before(&self, _: &CertId) -> Vec<(Usage, Vec<String>)> {
        Vec::new()
    }

    fn has_issued(&self, _: &str) -> bool {
        false
    }
}

/// Answers each request with the next part of the input.
pub fn run(data: &[u8]) {
    let mut answers = data.split(|byte| *byte == BETWEEN);
    let mut discovery = Discovery::new(CaBundles::All);
    let (mut asked, mut steps) = (0, 0);
    discovery.begin();
    loop {
        let mut work = 10;
        match discovery.step(&Nothing, &mut work) {
            Next::Ask(path) => {
                assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
                asked += 1;
                discovery.answer(answers.next().map_or(Answer::TooLarge, |body| Answer::Reply(200, body.to_vec())));
            }
            Next::Parse { der, .. } => discovery.parse(&der),
            Next::GoOn => {}
            Next::Done(result) => {
                for found in result.into_iter().flat_map(|survey| survey.found) {
                    certificate::check(&found.certificate);
                }
                break;
            }
            Next::Idle => panic!("it stands still"),
        }
        steps += 1;
        assert!(asked <= MOST_REQUESTS && steps <= 1_000 + data.len(), "{asked} requests, {steps} steps");
    }
}
