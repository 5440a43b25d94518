//! The root context: what an instance is, decided by its configuration.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::calls;
use super::log::follow_level;
use super::observer::{ObservedStream, SharedObserver};
use super::service::Service;
use crate::application::monitor::Monitor;
use crate::application::observer::Observer;
use crate::config::{Config, Mode};

/// How often an observer looks for a monitor while there is none.
const IMPATIENT: Duration = Duration::from_secs(1);
/// How often it takes note of the time otherwise.
const PATIENT: Duration = Duration::from_secs(5);

/// A root context.
#[derive(Debug, Default)]
pub(super) struct Root {
    part: Part,
}

/// The part that an instance plays.
#[derive(Debug, Default)]
enum Part {
    /// None: not configured yet, or a standby.
    #[default]
    Idle,
    Monitor(Box<Service>),
    Observer {
        observer: Rc<SharedObserver>,
        period: Duration,
    },
}

impl Root {
    fn configure(&mut self) -> Result<(), Vec<String>> {
        let lines = |problems: Vec<crate::config::Problem>| -> Vec<String> {
            problems.into_iter().map(|problem| problem.to_string()).collect()
        };
        let mut config = Config::load(&calls::plugin_configuration()).map_err(lines)?;
        let word = Mode::of_word(&String::from_utf8_lossy(&calls::vm_configuration()));
        self.part = match config.mode.unwrap_or(word) {
            Mode::Monitor => {
                let missing = config.resolve(&|name| std::env::var(name).ok()).map_err(lines)?;
                Part::Monitor(Box::new(Service::new(Monitor::new(config, missing, calls::now()))))
            }
            Mode::Observer | Mode::Auto => {
                calls::set_tick_period(IMPATIENT);
                let observer = SharedObserver::new(Observer::new(&config, calls::now()));
                Part::Observer { observer, period: IMPATIENT }
            }
            Mode::Standby => Part::Idle,
        };
        Ok(())
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        if let Part::Monitor(service) = &mut self.part {
            service.on_response(token, headers);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        follow_level();
        let problems = self.configure().err().unwrap_or_default();
        for problem in &problems {
            ::log::error!("Invalid configuration: {problem}");
        }
        problems.is_empty()
    }

    fn on_tick(&mut self) {
        follow_level();
        match &mut self.part {
            Part::Idle => {}
            Part::Monitor(service) => service.on_tick(),
            Part::Observer { observer, period } => {
                let wanted = if observer.on_tick(calls::now()) { PATIENT } else { IMPATIENT };
                if wanted != *period {
                    *period = wanted;
                    calls::set_tick_period(wanted);
                }
            }
        }
    }

    fn on_queue_ready(&mut self, _: u32) {
        if let Part::Monitor(service) = &mut self.part {
            service.drain();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let observer = match &self.part {
            Part::Observer { observer, .. } => Some(Rc::clone(observer)),
            Part::Idle | Part::Monitor(_) => None,
        };
        Some(Box::new(ObservedStream::new(observer)))
    }
}
