//! The root context: what an instance is, decided by its configuration.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::calls;
use super::log::follow_level;
use super::observer::{ObservedStream, SharedObserver};
use super::service::Service;
use crate::application::lease::Kind;
use crate::application::observer::Observer;
use crate::config::{Config, Mode, Problem};

/// How often an instance that only observes takes note of the time.
const OBSERVER_PERIOD: Duration = Duration::from_secs(1);

/// A root context. Before it is configured it is nothing; in mode `auto` it is both.
#[derive(Debug, Default)]
pub(super) struct Root {
    /// What stands for the lease, and is the monitor while it holds it.
    service: Option<Box<Service>>,
    observer: Option<Rc<SharedObserver>>,
}

impl Root {
    fn configure(&mut self) -> Result<(), Vec<Problem>> {
        let mut config = Config::load(&calls::plugin_configuration())?;
        let word = Mode::of_word(&String::from_utf8_lossy(&calls::vm_configuration()));
        let mode = config.mode.unwrap_or(word);
        let now = calls::now();
        let kind = Kind::of(mode);
        // An observer needs no secrets, and so looks none up.
        let missing = if kind.is_some() { config.resolve(&|name| std::env::var(name).ok())? } else { Vec::new() };
        let observes = matches!(mode, Mode::Observer | Mode::Auto);
        self.observer = observes.then(|| SharedObserver::new(Observer::new(&config, now)));
        self.service = kind.map(|kind| Box::new(Service::new(kind, config, missing, now)));
        if self.service.is_none() {
            calls::set_tick_period(OBSERVER_PERIOD);
        }
        Ok(())
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        if let Some(service) = &mut self.service {
            service.on_response(token, headers, body);
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
        if let Some(observer) = &self.observer {
            observer.on_tick(calls::now());
        }
        if let Some(service) = &mut self.service {
            service.on_tick(self.observer.as_ref().is_some_and(|observer| observer.has_streams()));
        }
    }

    /// The instance is an access logger. (A filter's streams have logs as well, and say nothing then.)
    fn on_log(&mut self) {
        if let Some(observer) = &self.observer {
            observer.on_log();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(ObservedStream::new(self.observer.clone())))
    }
}
