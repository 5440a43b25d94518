//! Envoy's calls into a VM, in Envoy's order.

use std::fmt;
use std::time::Duration;

use super::callout::{Answer, Callout};
use super::context::{Context, RootId, StreamId, buffer, map, property_path};
use super::pairs::{Headers, headers};
use super::vm::{Trap, Vm};

/// What a stream shall do after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Continue,
    Pause,
}

/// Why there is no root context: Envoy refuses such a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `on_vm_start` returned false.
    VmStart,
    /// `on_configure` returned false.
    Configuration,
    /// The VM is dead.
    Trap(Trap),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VmStart => f.write_str("on_vm_start returned false"),
            Self::Configuration => f.write_str("on_configure returned false"),
            Self::Trap(trap) => trap.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Trap> for Refusal {
    fn from(trap: Trap) -> Self {
        Self::Trap(trap)
    }
}

impl Vm {
    /// Creates a root context with this plugin configuration and configures it; the first one starts
    /// the VM as well. The configuration is readable during `on_configure` only.
    pub fn create_root(&mut self, configuration: impl AsRef<[u8]>) -> Result<RootId, Refusal> {
        let configuration = configuration.as_ref().to_vec();
        let root = self.store.data_mut().add_context(None);
        let first = root == 1;
        self.call(root, "proxy_on_context_create", &[root, 0])?;
        if first {
            let length = size(self.store.data().configuration.len());
            if self.call(root, "proxy_on_vm_start", &[root, length])? == Some(0) {
                return Err(Refusal::VmStart);
            }
        }
        let length = size(configuration.len());
        self.context(root).buffers.insert(buffer::PLUGIN_CONFIGURATION, configuration);
        let accepted = self.call(root, "proxy_on_configure", &[root, length])? != Some(0);
        self.context(root).buffers.remove(&buffer::PLUGIN_CONFIGURATION);
        if accepted { Ok(RootId(root)) } else { Err(Refusal::Configuration) }
    }

    /// The timer of a root context has run out.
    pub fn tick(&mut self, root: RootId) -> Result<(), Trap> {
        self.call(root.0, "proxy_on_tick", &[root.0])?;
        Ok(())
    }

    /// The period that a root context has asked for.
    pub fn tick_period(&self, root: RootId) -> Option<Duration> {
        self.store.data().contexts[&root.0].tick.map(|tick| tick.period)
    }

    /// There is something in a queue of this root context.
    pub fn queue_ready(&mut self, root: RootId, queue: u32) -> Result<(), Trap> {
        self.call(root.0, "proxy_on_queue_ready", &[root.0, queue])?;
        Ok(())
    }

    /// A new request.
    pub fn create_stream(&mut self, root: RootId) -> Result<StreamId, Trap> {
        let stream = self.store.data_mut().add_context(Some(root));
        self.call(stream, "proxy_on_context_create", &[stream, root.0])?;
        Ok(StreamId(stream))
    }

    /// Sets an attribute of a stream, or of a root.
    pub fn set_property(&mut self, context: impl Into<u32>, path: &[&str], value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        self.context(context.into()).properties.insert(property_path(path), value);
    }

    /// Takes an attribute away.
    pub fn remove_property(&mut self, context: impl Into<u32>, path: &[&str]) {
        self.context(context.into()).properties.remove(&property_path(path));
    }

    /// Takes all attributes away.
    pub fn remove_properties(&mut self, context: impl Into<u32>) {
        self.context(context.into()).properties.clear();
    }

    /// The headers that `request_headers` delivers, or that a root's access log shows. As in Envoy, they cannot be read
    /// any more when the response is there, and can again in an access log.
    pub fn set_request_headers(&mut self, context: impl Into<u32>, pairs: &[(&str, &str)]) {
        self.context(context.into()).maps.insert(map::REQUEST_HEADERS, headers(pairs));
    }

    /// The headers that `response_headers` delivers, or that a root's access log shows.
    pub fn set_response_headers(&mut self, context: impl Into<u32>, pairs: &[(&str, &str)]) {
        self.context(context.into()).maps.insert(map::RESPONSE_HEADERS, headers(pairs));
    }

    /// What the upstream gets of the request's headers.
    pub fn passed_request(&self, stream: StreamId) -> Headers {
        self.store.data().contexts[&stream.0].passed.get(&map::REQUEST_HEADERS).cloned().unwrap_or_default()
    }

    /// What the client gets of the response's headers.
    pub fn passed_response(&self, stream: StreamId) -> Headers {
        self.store.data().contexts[&stream.0].passed.get(&map::RESPONSE_HEADERS).cloned().unwrap_or_default()
    }

    /// The request's headers have arrived, and with them its end.
    pub fn request_headers(&mut self, stream: StreamId) -> Result<Action, Trap> {
        self.headers_arrive(stream, map::REQUEST_HEADERS, "proxy_on_request_headers")
    }

    /// The response's headers have arrived, and with them its end.
    pub fn response_headers(&mut self, stream: StreamId) -> Result<Action, Trap> {
        self.headers_arrive(stream, map::RESPONSE_HEADERS, "proxy_on_response_headers")
    }

    fn headers_arrive(&mut self, stream: StreamId, map: u32, export: &str) -> Result<Action, Trap> {
        let count = self.context(stream.0).maps.entry(map).or_default().len();
        let outcome = self.call(stream.0, export, &[stream.0, size(count), 1]);
        let context = self.context(stream.0);
        context.passed.extend(context.maps.remove(&map).map(|pairs| (map, pairs)));
        match outcome? {
            None | Some(0) => Ok(Action::Continue),
            Some(_) => Ok(Action::Pause),
        }
    }

    /// Writes the access log: of a stream that is complete, or of a root that is an access logger.
    pub fn log(&mut self, context: impl Into<u32>) -> Result<(), Trap> {
        let id = context.into();
        let context = self.context(id);
        context.is_logged = true;
        context.maps.extend(context.passed.clone());
        let outcome = self.call(id, "proxy_on_log", &[id]);
        let context = self.context(id);
        context.is_logged = false;
        context.maps.retain(|kind, _| ![map::REQUEST_HEADERS, map::RESPONSE_HEADERS].contains(kind));
        outcome.map(|_| ())
    }

    /// Ends a context. A root that asks for more time (`on_done` is false) stays until it says that
    /// it is done; see [`Vm::is_gone`].
    pub fn delete(&mut self, context: impl Into<u32>) -> Result<(), Trap> {
        let context = context.into();
        let finished = self.call(context, "proxy_on_done", &[context])? != Some(0);
        self.context(context).tick = None;
        let is_stream = self.context(context).parent.is_some();
        if finished || is_stream {
            return self.remove(context);
        }
        self.context(context).lingers = true;
        Ok(())
    }

    /// Whether a context is deleted.
    pub fn is_gone(&self, context: impl Into<u32>) -> bool {
        !self.store.data().contexts.contains_key(&context.into())
    }

    /// A whole request of the observer: headers in, headers out, log, end.
    pub fn request(&mut self, root: RootId, properties: &[(&[&str], &[u8])]) -> Result<(), Trap> {
        let stream = self.create_stream(root)?;
        for (path, value) in properties {
            self.set_property(stream, path, value);
        }
        self.request_headers(stream)?;
        self.response_headers(stream)?;
        self.log(stream)?;
        self.delete(stream)
    }

    /// Delivers the answer to a callout. No headers at all: the stream was reset, there is no answer
    /// to read.
    pub fn http_call_response(
        &mut self,
        root: RootId,
        token: u32,
        pairs: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Result<(), Trap> {
        self.deliver(root, token, headers(pairs), body.as_ref().to_vec())
    }

    /// Delivers the failure of a callout: zero headers.
    pub fn http_call_failure(&mut self, root: RootId, token: u32) -> Result<(), Trap> {
        self.deliver(root, token, Headers::new(), Vec::new())
    }

    /// Delivers an answer to a callout that this VM has sent.
    pub fn answer(&mut self, callout: &Callout, answer: Answer) -> Result<(), Trap> {
        assert_eq!(callout.vm_number, self.number(), "a callout of another VM");
        self.deliver(callout.root, callout.token, answer.headers, answer.body)
    }

    fn deliver(&mut self, root: RootId, token: u32, headers: Headers, body: Vec<u8>) -> Result<(), Trap> {
        let number = self.number();
        self.store.data().world.borrow_mut().callouts.settle(number, token);
        let (count, length) = (size(headers.len()), size(body.len()));
        if count > 0 {
            let context = self.context(root.0);
            context.maps.insert(map::CALL_RESPONSE_HEADERS, headers);
            context.buffers.insert(buffer::CALL_RESPONSE_BODY, body);
        }
        let args = [root.0, token, count, length, 0];
        let outcome = self.call(root.0, "proxy_on_http_call_response", &args);
        // The root may have been waiting for this answer only.
        if let Some(context) = self.store.data_mut().contexts.get_mut(&root.0) {
            context.maps.remove(&map::CALL_RESPONSE_HEADERS);
            context.buffers.remove(&buffer::CALL_RESPONSE_BODY);
        }
        outcome.map(|_| ())
    }

    fn context(&mut self, id: u32) -> &mut Context {
        let contexts = &mut self.store.data_mut().contexts;
        contexts.get_mut(&id).unwrap_or_else(|| panic!("there is no context {id}"))
    }
}

fn size(size: usize) -> u32 {
    u32::try_from(size).expect("linear memory has 32 bits")
}
