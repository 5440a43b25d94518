//! The host as the target of the `log` crate, and the last words of a panic.

use std::panic;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::calls;

struct HostLog;

impl Log for HostLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = match record.level() {
                Level::Trace => 0,
                Level::Debug => 1,
                Level::Info => 2,
                Level::Warn => 3,
                Level::Error => 4,
            };
            calls::log(level, &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Sends log lines to the host, and a panic's message before the trap.
pub(super) fn install() {
    const CRITICAL: u32 = 5;
    // Fails only if there is a logger already, and then lines go there.
    let _ = log::set_logger(&HostLog);
    log::set_max_level(LevelFilter::Trace);
    panic::set_hook(Box::new(|info| calls::log(CRITICAL, &info.to_string())));
}

/// Asks the host which lines it keeps, so that the others are not even written.
pub(super) fn follow_level() {
    log::set_max_level(match calls::log_level() {
        Some(0) | None => LevelFilter::Trace,
        Some(1) => LevelFilter::Debug,
        Some(2) => LevelFilter::Info,
        Some(3) => LevelFilter::Warn,
        Some(4) => LevelFilter::Error,
        Some(_) => LevelFilter::Off,
    });
}
