//! Learns who has died in a queue. With a dead-letter exchange the dead can be seen; without one
//! they are those that are missing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;
use warren::message::MessageId;
use warren::queue::Reason;

use super::model::Fate;
use super::world::World;

impl World {
    pub(super) fn see_deaths(&mut self) -> Result<(), TestCaseError> {
        if self.model.rules.dead_letter.is_some() {
            return self.see_dying();
        }
        // Those that had been postponed, or were in somebody's hands, when there was an exchange.
        if self.queue.counts().dead == 0 {
            let model = &mut self.model;
            for (letter, reason) in model.dying.drain(..).chain(model.waiting.drain(..)) {
                model.gone.insert(letter.number, Fate::Died(reason));
            }
        }
        self.see_missing()
    }

    fn see_dying(&mut self) -> Result<(), TestCaseError> {
        let dying: Vec<(MessageId, Reason)> =
            self.queue.dying().map(|dead| (dead.kept.id, dead.reason)).collect();
        let known = self.model.dying.len();
        let as_known: Vec<_> = self.model.dying.iter().map(|(l, reason)| (l.id, *reason)).collect();
        prop_assert!(dying.starts_with(&as_known), "{:?} do not begin with {:?}", dying, as_known);
        for (id, reason) in dying.into_iter().skip(known) {
            let model = &mut self.model;
            // Those that have waited long enough are the last.
            match model.waiting.front() {
                Some((letter, _)) if letter.id == id => {
                    model.dying.extend(model.waiting.pop_front());
                }
                _ => model.die(id, reason)?,
            }
        }
        Ok(())
    }

    /// What the store has had and has no more has died; the rest of the missing was never there.
    fn see_missing(&mut self) -> Result<(), TestCaseError> {
        let before = self.model.ready.len();
        let mut missing = before - self.queue.counts().ready.min(before);
        if missing == 0 || self.model.closed {
            return Ok(());
        }
        let (ever, there) = (self.shelf.ever.borrow().clone(), self.shelf.ids());
        let mut levels: BTreeMap<Reverse<u16>, Vec<MessageId>> = BTreeMap::new();
        for letter in self.model.ready.values() {
            levels.entry(Reverse(letter.id.level())).or_default().push(letter.id);
        }
        let is_missing = |id: &MessageId| ever.contains(&id.0) && !there.contains(&id.0);
        let sure = |ids: &Vec<MessageId>| ids.iter().rposition(is_missing).map_or(0, |at| at + 1);
        let mut dead: BTreeMap<_, usize> = levels.iter().map(|(l, ids)| (*l, sure(ids))).collect();
        missing = missing.saturating_sub(dead.values().sum());
        for (level, ids) in levels {
            let dead = dead.get_mut(&level).expect("each level has a number");
            for id in ids.iter().take(*dead) {
                self.die_unseen(*id)?;
            }
            for id in ids.iter().skip(*dead) {
                if missing == 0 || there.contains(&id.0) || !self.may_die(*id) {
                    break;
                }
                self.die_unseen(*id)?;
                missing -= 1;
            }
        }
        prop_assert_eq!(missing, 0, "messages are gone without a reason");
        Ok(())
    }

    fn reason_to_die(&self, id: MessageId) -> Reason {
        let letter = &self.model.ready[&super::model::place(id)];
        if self.model.has_expired(letter) { Reason::Expired } else { Reason::MaxLen }
    }

    fn may_die(&self, id: MessageId) -> bool {
        let is_front = self.model.front().is_some_and(|front| front.id == id);
        self.reason_to_die(id) == Reason::Expired || (is_front && self.model.has_too_much())
    }

    fn die_unseen(&mut self, id: MessageId) -> Result<(), TestCaseError> {
        let reason = self.reason_to_die(id);
        self.model.die(id, reason)
    }
}
