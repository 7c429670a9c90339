//! What has to be true after every step.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::model::Letter;
use super::world::{Enforced, World};

impl World {
    pub(super) fn check(&self, enforced: Enforced) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.queue.counts(), self.model.counts());
        prop_assert_eq!(self.queue.is_closed(), self.model.closed);
        prop_assert_eq!(self.queue.lease_is_over(self.model.now_ms), self.model.lease_is_over());
        self.nothing_is_lost()?;
        if self.model.closed {
            return Ok(());
        }
        self.the_store_has_what_lives()?;
        self.nobody_is_forgotten()?;
        self.rules_are_kept(enforced)?;
        self.it_will_be_looked_after()
    }

    /// Ready, delivered, dead and not gone, or dead in somebody's hands.
    pub(super) fn living(&self) -> impl Iterator<Item = &Letter> {
        let model = &self.model;
        let dead = model.dying.iter().chain(&model.waiting).map(|(letter, _)| letter);
        model.ready.values().chain(self.held()).chain(dead).chain(self.host.letters())
    }

    /// Each message is somewhere, and nowhere else.
    fn nothing_is_lost(&self) -> Result<(), TestCaseError> {
        let mut all: Vec<u64> = self.living().map(|letter| letter.number).collect();
        all.extend(self.model.gone.keys());
        all.sort_unstable();
        prop_assert_eq!(all, (1..=self.published).collect::<Vec<_>>(), "lost or duplicated");
        Ok(())
    }

    /// What the store was given stays until it is settled, or taken in elsewhere; and it knows how
    /// often that has come back.
    fn the_store_has_what_lives(&self) -> Result<(), TestCaseError> {
        let ever = self.shelf.ever.borrow();
        let stored = || self.living().filter(|letter| ever.contains(&letter.id.0));
        let ids: BTreeSet<u64> = stored().map(|letter| letter.id.0).collect();
        prop_assert_eq!(self.shelf.ids(), ids, "the store has what lives");
        for letter in stored() {
            prop_assert_eq!(self.shelf.attempts(letter.id), letter.attempts, "{:?}", letter);
        }
        Ok(())
    }

    /// With messages ready no consumer has room, unless the first has to be read.
    fn nobody_is_forgotten(&self) -> Result<(), TestCaseError> {
        let idle = self.model.consumers.iter().find(|c| self.model.has_room(c));
        let served = self.model.ready.is_empty() || idle.is_none() || self.shelf.is_asked();
        prop_assert!(served, "not served: {:?}", idle);
        Ok(())
    }

    fn is_in_memory(&self) -> bool {
        self.queue.ready().resident().0 == self.model.ready.len()
    }

    /// Nothing is ready that should have gone, as far as that is in memory; what is not is asked
    /// for.
    fn rules_are_kept(&self, enforced: Enforced) -> Result<(), TestCaseError> {
        let model = &self.model;
        if model.has_too_much() {
            prop_assert!(!self.is_in_memory() && self.shelf.is_asked(), "too much: {:?}", model);
        }
        if !self.is_in_memory() {
            return Ok(());
        }
        let expired = match enforced {
            Enforced::Nothing => None,
            // What had to make room may have uncovered one, which goes next.
            Enforced::AtFront if model.is_limited() => None,
            Enforced::AtFront => model.front().filter(|front| model.has_expired(front)),
            Enforced::AtHeads => model.heads().find(|head| model.has_expired(head)),
        };
        prop_assert!(expired.is_none(), "still there: {:?}", expired);
        Ok(())
    }

    /// Whatever has to be done at some time, somebody has asked to be told then.
    fn it_will_be_looked_after(&self) -> Result<(), TestCaseError> {
        let model = &self.model;
        let in_time = |ms: u64| self.armed_ms.is_some_and(|armed_ms| armed_ms <= ms);
        for head in model.heads() {
            let in_memory = self.is_in_memory()
                || self.read_back.contains(&head.id)
                || !self.shelf.ever.borrow().contains(&head.id.0);
            if let (true, Some(expires_ms)) = (in_memory, model.expires_ms(head)) {
                let late = "it will be looked at too late";
                prop_assert!(
                    in_time(expires_ms.max(model.now_ms)),
                    "{}: {:?}, {:?}",
                    late,
                    self.armed_ms,
                    head
                );
            }
        }
        if let Some(ends_ms) = model.lease_ends_ms() {
            prop_assert!(in_time(ends_ms.max(model.now_ms)), "the lease: {:?}", self.armed_ms);
        }
        let cared_for = self.armed_ms.is_some() || !self.host.is_idle();
        prop_assert!(model.dying.is_empty() || cared_for, "forgotten: {:?}", model.dying);
        let retried = model.waiting.is_empty() || self.armed_ms.is_some();
        prop_assert!(retried, "forgotten: {:?}", model.waiting);
        Ok(())
    }
}
