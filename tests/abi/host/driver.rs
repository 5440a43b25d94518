//! Lets simulated time pass for several VMs: ticks, queue notifications and answers are delivered in
//! the order of their time, and at the same time in the order in which the VMs are given.
//!
//! A trap stops nobody but the VM that it kills, as in Envoy; [`Host::traps`] tells of it.

use std::time::Duration;

use super::context::RootId;
use super::host::Host;
use super::vm::Vm;
use super::world::{Life, VmNumber};

/// More deliveries than this without time passing mean that VMs keep each other busy for ever.
const RESTLESS: usize = 1_000_000;

impl Host {
    /// Lets `span` pass.
    pub fn run_for(&self, vms: &mut [&mut Vm], span: Duration) {
        self.run_until(vms, span, |_| false);
    }

    /// Sets the clock, forwards or backwards, as somebody does on a machine: timers go on as they were.
    pub fn set_clock(&self, vms: &mut [&mut Vm], since_1970: Duration) {
        for vm in vms {
            for tick in vm.store.data_mut().contexts.values_mut().filter_map(|context| context.tick.as_mut()) {
                tick.due = since_1970 + tick.due.saturating_sub(self.now());
            }
        }
        self.set_time(since_1970);
    }

    /// Lets time pass until something is so, at most `limit`. Returns whether it is so. The condition
    /// is looked at after each moment in which something happened.
    pub fn run_until(&self, vms: &mut [&mut Vm], limit: Duration, mut condition: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now() + limit;
        loop {
            self.settle(vms);
            if condition(self) {
                return true;
            }
            match self.pending_work(vms) {
                Some(due) if due <= end => self.set_time(due.max(self.now())),
                _ => {
                    self.set_time(end);
                    return false;
                }
            }
            self.deliver_ticks(vms);
        }
    }

    /// Delivers the queue notifications and answers that are due now, and what they cause, until
    /// nothing is left to deliver.
    pub fn settle(&self, vms: &mut [&mut Vm]) {
        for _ in 0..RESTLESS {
            self.ask_receivers();
            self.bury_notifications();
            if !self.deliver_notification(vms) && !self.deliver_answer(vms) {
                return;
            }
        }
        panic!("the VMs do not come to rest");
    }

    fn deliver_ticks(&self, vms: &mut [&mut Vm]) {
        for vm in vms {
            for root in vm.due_ticks(self.now()) {
                // The VM is dead if this is an error, and the world knows.
                let _ = vm.tick(root);
                vm.rearm(root, self.now());
            }
        }
    }

    fn deliver_notification(&self, vms: &mut [&mut Vm]) -> bool {
        let notification = self.world.borrow_mut().shared_queues.take_notification(&alive(vms));
        let Some(notification) = notification else { return false };
        let vm = find(vms, notification.vm);
        if !vm.is_gone(notification.root) {
            let _ = vm.queue_ready(notification.root, notification.queue);
        }
        true
    }

    /// Envoy drops a notification when its VM is no more.
    fn bury_notifications(&self) {
        let world = &mut *self.world.borrow_mut();
        let dead: Vec<VmNumber> = (0..world.vms.len()).filter(|vm| world.vms[*vm].life != Life::Alive).collect();
        while world.shared_queues.take_notification(&dead).is_some() {}
    }

    fn deliver_answer(&self, vms: &mut [&mut Vm]) -> bool {
        let now = self.now();
        let due = self.world.borrow_mut().callouts.take_due(&alive(vms), now);
        let Some((callout, answer)) = due else { return false };
        let vm = find(vms, callout.vm_number);
        if vm.is_gone(callout.root) {
            // Envoy has cancelled it.
            self.world.borrow_mut().callouts.settle(callout.vm_number, callout.token);
        } else {
            let _ = vm.answer(&callout, answer);
        }
        true
    }

    /// A receiver may ask the host: the world is not borrowed while it answers.
    fn ask_receivers(&self) {
        let undecided = self.world.borrow().callouts.undecided();
        for (place, callout) in undecided {
            let receiver = self.world.borrow_mut().callouts.receivers.remove(&callout.cluster);
            let Some(mut receiver) = receiver else { continue };
            let answer = receiver(&callout);
            let callouts = &mut self.world.borrow_mut().callouts;
            callouts.receivers.entry(callout.cluster).or_insert(receiver);
            callouts.decide(place, answer);
        }
    }

    /// When the next thing happens.
    fn pending_work(&self, vms: &[&mut Vm]) -> Option<Duration> {
        let tick = vms.iter().filter_map(|vm| vm.next_tick()).min();
        let answer = self.world.borrow().callouts.next_due(&alive(vms));
        tick.into_iter().chain(answer).min()
    }
}

impl Vm {
    /// When a root context ticks next.
    pub fn next_tick(&self) -> Option<Duration> {
        let contexts = self.store.data().contexts.values();
        let ticks = contexts.filter_map(|context| context.tick);
        ticks.map(|tick| tick.due).min().filter(|_| !self.is_dead())
    }

    fn due_ticks(&self, now: Duration) -> Vec<RootId> {
        let contexts = self.store.data().contexts.iter();
        let due = contexts.filter(|(_, context)| context.tick.is_some_and(|tick| tick.due <= now));
        due.map(|(id, _)| RootId(*id)).filter(|_| !self.is_dead()).collect()
    }

    /// The timer starts again when the tick is over, unless the tick has set it anew.
    fn rearm(&mut self, root: RootId, now: Duration) {
        let context = self.store.data_mut().contexts.get_mut(&root.0);
        if let Some(tick) = context.and_then(|context| context.tick.as_mut()) {
            tick.due = now + tick.period;
        }
    }
}

fn alive(vms: &[&mut Vm]) -> Vec<VmNumber> {
    vms.iter().filter(|vm| !vm.is_dead()).map(|vm| vm.number()).collect()
}

fn find<'a>(vms: &'a mut [&mut Vm], number: VmNumber) -> &'a mut Vm {
    vms.iter_mut().find(|vm| vm.number() == number).expect("one of the VMs that were asked for")
}
