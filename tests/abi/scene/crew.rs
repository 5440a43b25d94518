//! Instances that live side by side in one process.

use std::time::Duration;

use super::Instance;
use crate::host::{Host, Vm};

/// Instances in the order in which they are called at the same moment.
pub struct Crew {
    pub host: Host,
    pub members: Vec<Instance>,
}

impl Crew {
    pub fn new(host: &Host, members: impl IntoIterator<Item = Instance>) -> Self {
        Self { host: host.clone(), members: members.into_iter().collect() }
    }

    /// Lets time pass for all of them.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Lets time pass until something is so; whether it is.
    pub fn run_until(&mut self, limit: Duration, condition: impl FnMut(&Host) -> bool) -> bool {
        let mut vms: Vec<&mut Vm> = self.members.iter_mut().map(|member| &mut member.vm).collect();
        self.host.run_until(&mut vms, limit, condition)
    }

    /// The member of this name, the latest if there are several.
    pub fn member(&mut self, name: &str) -> &mut Instance {
        self.members.iter_mut().rfind(|member| member.vm.name() == name).expect("a member of that name")
    }

    /// Lets time pass until this member holds the lease, and returns how long that took.
    pub fn until_holds(&mut self, name: &str) -> Duration {
        let start = self.host.now();
        let lines = self.host.log().len();
        let holds = |host: &Host| {
            let lines = &host.log()[lines..];
            lines.iter().any(|line| line.vm == name && line.text.starts_with("Holding the lease"))
        };
        assert!(self.run_until(Duration::from_secs(30), holds), "{name} does not hold: {:#?}", self.host.log());
        self.host.now().saturating_sub(start)
    }

    /// Ends a member with a trap at its next tick.
    pub fn kill(&mut self, name: &str) {
        let member = self.member(name);
        member.vm.fault("proxy_get_current_time_nanoseconds").trap_before();
        assert!(member.vm.tick(member.root).is_err(), "{name} lives on");
    }
}
