//! Instances of the plugin: a VM with one root context.

use super::{Document, Request};
use crate::host::{Action, Host, Refusal, RootId, StreamId, Trap, Vm, VmBuilder};

/// A configured instance.
#[derive(Debug)]
pub struct Instance {
    pub vm: Vm,
    pub root: RootId,
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
        Ok(Self { vm, root })
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
        self.show(stream, &request.at_request);
        assert_eq!(self.vm.request_headers(stream)?, Action::Continue, "{request:?}");
        fuel += self.vm.last_fuel();
        self.show(stream, &request.at_response);
        assert_eq!(self.vm.response_headers(stream)?, Action::Continue, "{request:?}");
        fuel += self.vm.last_fuel();
        self.vm.delete(stream)?;
        Ok(fuel + self.vm.last_fuel())
    }

    fn show(&mut self, stream: StreamId, attributes: &[([&str; 2], Vec<u8>)]) {
        for (path, value) in attributes {
            self.vm.set_property(stream, path, value);
        }
    }
}
