//! Shared queues: named by `vm_id` and name, owned by the context that registered them last.

use std::collections::{BTreeMap, VecDeque};

use super::context::RootId;
use super::world::VmNumber;

/// All shared queues of the process.
#[derive(Default)]
pub struct SharedQueues {
    last_token: u32,
    tokens: BTreeMap<(String, String), u32>,
    queues: BTreeMap<u32, Queue>,
    notifications: VecDeque<Notification>,
}

struct Queue {
    owner: (VmNumber, RootId),
    items: VecDeque<Vec<u8>>,
}

/// "Something is in your queue", on its way to the owner. There is one for each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    pub vm: VmNumber,
    pub root: RootId,
    pub queue: u32,
}

/// No queue has this token, or no longer.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownQueue;

impl SharedQueues {
    /// Creates a queue, or takes an existing one over together with what is in it.
    pub fn register(&mut self, vm_id: &str, name: &str, owner: (VmNumber, RootId)) -> u32 {
        let place = (vm_id.to_owned(), name.to_owned());
        let token = *self.tokens.entry(place).or_insert_with(|| {
            self.last_token += 1;
            self.last_token
        });
        let queue = self.queues.entry(token);
        queue.or_insert_with(|| Queue { owner, items: VecDeque::new() }).owner = owner;
        token
    }

    /// The token of a queue.
    pub fn resolve(&self, vm_id: &str, name: &str) -> Option<u32> {
        self.tokens.get(&(vm_id.to_owned(), name.to_owned())).copied()
    }

    /// Appends an item. **It succeeds as well if the owner is dead**: then the notification vanishes
    /// and the queue grows.
    pub fn enqueue(&mut self, token: u32, item: Vec<u8>) -> Result<(), UnknownQueue> {
        let queue = self.queues.get_mut(&token).ok_or(UnknownQueue)?;
        queue.items.push_back(item);
        let (vm, root) = queue.owner;
        self.notifications.push_back(Notification { vm, root, queue: token });
        Ok(())
    }

    /// Takes the first item; `None` if there is nothing in it.
    pub fn dequeue(&mut self, token: u32) -> Result<Option<Vec<u8>>, UnknownQueue> {
        Ok(self.queues.get_mut(&token).ok_or(UnknownQueue)?.items.pop_front())
    }

    /// What is in a queue.
    pub fn items(&self, token: u32) -> Vec<Vec<u8>> {
        self.queues.get(&token).map(|queue| queue.items.iter().cloned().collect()).unwrap_or_default()
    }

    /// What is on its way, oldest first.
    pub fn notifications(&self) -> &VecDeque<Notification> {
        &self.notifications
    }

    /// Takes the oldest notification for one of these VMs.
    pub fn take_notification(&mut self, vms: &[VmNumber]) -> Option<Notification> {
        let position = self.notifications.iter().position(|waiting| vms.contains(&waiting.vm))?;
        self.notifications.remove(position)
    }

    /// Drops every queue of one `vm_id`; its tokens are stale from now on.
    pub fn forget(&mut self, vm_id: &str) {
        let queues = &mut self.queues;
        self.tokens.retain(|(owner, _), token| {
            let keep = owner != vm_id;
            if !keep {
                queues.remove(token);
            }
            keep
        });
    }
}
