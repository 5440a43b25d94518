//! A plugin configuration, as JSON or as a serialized `google.protobuf.Struct`.

use cert_expiry_monitor::config::Config;
use cert_expiry_monitor::domain::time::HOUR;

use super::stage::Stage;

/// Reads a document and, if it is one, lets a monitor live by it.
pub fn run(data: &[u8]) {
    match Config::load(data) {
        Err(problems) => {
            assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
        Ok(config) => {
            Stage::under(config).run(HOUR, 20);
        }
    }
}
