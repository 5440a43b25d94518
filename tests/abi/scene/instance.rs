//! Instances of the plugin: a VM with one root context.

use super::{Document, Request};
use crate::host::{Action, Host, Refusal, RootId, Trap, Vm, VmBuilder};

/// A configured instance.
#[derive(Debug)]
pub struct Instance {
    pub vm: Vm,
    pub root: RootId,
    /// The headers that the upstream got with the last request, and those that the client got with its response.
    pub passed: [Vec<(String, String)>; 2],
}

impl Instance {
    /// The monitor in its service.
    pub fn monitor(host: &Host, document: &Document) -> Self {
        Self::of(host.vm("monitor").configuration("monitor"), document)
    }

    /// The standby on its own listener.
    pub fn standby(host: &Host, document: &Document) -> Self {
        Self::of(host.vm("standby").configuration("standby"), document)
    }

    /// A filter that observes and stands.
    pub fn auto(host: &Host, name: &str, document: &Document) -> Self {
        Self::of(host.vm(name).configuration("auto"), document)
    }

    /// An observer on a worker thread.
    pub fn observer(host: &Host, name: &str, document: &Document) -> Self {
        Self::of(host.vm(name).configuration("observer"), document)
    }

    /// A VM of this make with a document that it takes.
    pub fn of(builder: VmBuilder, document: &Document) -> Self {
        Self::try_of(builder, document).unwrap_or_else(|refusal| panic!("{refusal}: {document}"))
    }

    /// A VM of this make with a document that it may refuse.
    pub fn try_of(builder: VmBuilder, document: &Document) -> Result<Self, Refusal> {
        let mut vm = builder.start()?;
        let root = vm.create_root(document.to_string())?;
        Ok(Self { vm, root, passed: [Vec::new(), Vec::new()] })
    }

    /// The timer has run out. Returns the instructions that it took.
    pub fn tick(&mut self) -> u64 {
        self.vm.tick(self.root).unwrap_or_else(|trap| panic!("{trap}"));
        self.vm.last_fuel()
    }

    /// A request and its response, which both go on. Returns the instructions that they took.
    pub fn request(&mut self, request: &Request) -> u64 {
        self.try_request(request).unwrap_or_else(|trap| panic!("{trap}: {request:?}"))
    }

    /// A request and its response, which both go on unless the VM dies.
    pub fn try_request(&mut self, request: &Request) -> Result<u64, Trap> {
        let stream = self.vm.create_stream(self.root)?;
        let mut fuel = self.vm.last_fuel();
        self.show(stream, request, true);
        assert_eq!(self.vm.request_headers(stream)?, Action::Continue, "{request:?}");
        fuel += self.vm.last_fuel();
        self.show(stream, request, false);
        assert_eq!(self.vm.response_headers(stream)?, Action::Continue, "{request:?}");
        fuel += self.vm.last_fuel();
        self.vm.log(stream)?;
        fuel += self.vm.last_fuel();
        self.passed = [self.vm.passed_request(stream), self.vm.passed_response(stream)];
        self.vm.delete(stream)?;
        Ok(fuel + self.vm.last_fuel())
    }

    /// The instance is an access logger, and this request is over, or the connection that it stands for. Returns the
    /// instructions that it took.
    pub fn log(&mut self, request: &Request) -> u64 {
        self.show(self.root, request, true);
        self.show(self.root, request, false);
        self.vm.log(self.root).unwrap_or_else(|trap| panic!("{trap}: {request:?}"));
        self.vm.remove_properties(self.root);
        self.vm.last_fuel()
    }

    /// Has a context see what is known when the request arrives, or when the response does.
    fn show(&mut self, context: impl Into<u32>, request: &Request, is_request: bool) {
        let context = context.into();
        let attributes = if is_request { &request.early } else { &request.late };
        for (path, value) in attributes {
            self.vm.set_property(context, path, value);
        }
        let headers = if is_request { &request.sent_headers } else { &request.answer_headers };
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if is_request {
            self.vm.set_request_headers(context, &headers);
        } else {
            self.vm.set_response_headers(context, &headers);
        }
    }
}
