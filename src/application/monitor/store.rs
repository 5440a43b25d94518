//! What a successor has to know, written shard by shard.

use std::collections::BTreeSet;

use super::Monitor;
use super::turn::{Turn, looking, pruning, storing};
use crate::application::clock::CLOCK;
use crate::application::effect::Effect;
use crate::application::metric::Dropped;
use crate::application::shards::SHARDS;
use crate::application::snapshot::{self, Snapshot};
use crate::config::Config;
use crate::domain::time::HOUR;

/// Room for what is remembered of certificates in one shard that are not watched any more, beside as many as may be
/// watched.
const SPARE_RECORDS: usize = 4;
/// Shards that are written before others in one tick, because requests wait for them.
const MOST_FIRST: usize = 8;
/// Usages of one certificate that are remembered; of more only those that are watched.
const MOST_NOTICES: usize = 128;

impl Monitor {
    /// Writes the shards that changed, one of them in any case: nothing may wait for a quiet moment. Nor may what is
    /// disputed of the clock, which decides whether a successor tells a crowd.
    pub(super) fn store(&mut self, turn: &mut Turn) {
        if let Some(contents) = self.clock.take_changed() {
            turn.effect(Effect::Store { key: CLOCK.to_owned(), contents });
        }
        while let Some(shard) = self.changes.take() {
            self.store_shard(shard, turn);
            if !turn.has_work_left() {
                break;
            }
        }
    }

    /// Writes what has to be written before the next requests may be sent.
    pub(super) fn store_first(&mut self, turn: &mut Turn) {
        if turn.is_exhausted() {
            return;
        }
        let changes = &mut self.changes;
        let mut shards = Vec::new();
        shards.extend(self.outbox.first_certificates(turn.now).filter_map(|id| changes.take_of(id)).take(MOST_FIRST));
        for shard in shards {
            self.store_shard(shard, turn);
        }
    }

    fn store_shard(&mut self, shard: u16, turn: &mut Turn) {
        self.prune(shard, turn);
        let Self { inventory, ledger, outbox, config, .. } = self;
        let contents =
            Snapshot::of(shard, inventory, ledger, outbox, &config.handlers, self.retiring.is_some(), turn.now);
        turn.spend(storing(contents.len()).saturating_add(looking(outbox.len())));
        turn.effect(Effect::Store { key: snapshot::key(shard), contents });
    }

    /// Forgets what was told about certificates that are not watched any more, when it holds nothing back or becomes too
    /// much.
    fn prune(&mut self, shard: u16, turn: &mut Turn) {
        let Config { expiry, handlers, discovery, .. } = &*self.config;
        let cooldowns = handlers.iter().map(|handler| handler.cooldown);
        let longest = cooldowns.chain([expiry.check_cooldown, expiry.period()]);
        // The last sign of life is known until the next one.
        let longest = longest.chain([expiry.heartbeat]);
        // A place whose renewal was not taken is looked at by rounds of discovery.
        let longest = longest.chain(discovery.iter().map(|discovery| discovery.interval)).max().unwrap_or(HOUR);
        let (mut outdated, mut unwatched, mut slots) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut looked_at = 0_usize;
        for (id, record) in self.ledger.shard_mut(shard) {
            looked_at = looked_at.saturating_add(1);
            if let Some(habit) = &record.habit {
                match habit.lives().last() {
                    Some(last) if self.renewals.keeps_habits && !habit.is_outdated(turn.now) => {
                        slots.insert((last.end, *id));
                    }
                    _ => outdated.push(*id),
                }
                continue;
            }
            if let Some(watched) = self.inventory.get(id) {
                record.keep_within(MOST_NOTICES, |usage| watched.sighting(usage).is_some());
                continue;
            }
            // What is true of a certificate is remembered for as long as that is watched; storms, and doubts about the clock,
            // are forgotten when they are over.
            let is_kept = record.notices.values().any(|notice| {
                !notice.kind.is_of_certificate()
                    || (notice.is_of_condition() && self.inventory.contains(&notice.certificate.id))
            });
            if is_kept {
                continue;
            }
            match record.latest() {
                Some(latest) if latest.after(longest.saturating_mul(2)) > turn.now => {
                    unwatched.insert((latest, *id));
                }
                _ => outdated.push(*id),
            }
        }
        let spare = (expiry.max_certificates / usize::from(SHARDS)).saturating_add(SPARE_RECORDS);
        let excess = unwatched.len().saturating_sub(spare);
        for _ in 0..excess {
            outdated.extend(unwatched.pop_first().map(|(_, id)| id));
        }
        // Of slots there may be more than of certificates: those whose certificates have ended for longest make room.
        for _ in spare.saturating_mul(2)..slots.len() {
            outdated.extend(slots.pop_first().map(|(_, id)| id));
        }
        for id in outdated {
            self.ledger.forget(&id);
        }
        turn.spend(pruning(looked_at.saturating_add(excess)));
        if excess > 0 {
            self.reach(Dropped::LedgerFull, excess.try_into().unwrap_or(u64::MAX), turn);
        }
    }
}
