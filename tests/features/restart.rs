//! The process ends and begins again: what the store has is ready, whatever it was before.

use std::collections::BTreeMap;

use proptest::prelude::*;
use warren::message::MessageId;
use warren::queue::QueueState;
use warren::store::{RecoveredLevel, RecoveredQueue};

use super::host::Host;
use super::model::{Fate, Letter, Model, place};
use super::world::{Enforced, World};

impl World {
    pub(super) fn restart(&mut self) -> Result<Enforced, TestCaseError> {
        self.shelf.settle(u64::MAX);
        self.shelf.forget_questions();
        let delivered_to = self.queue.delivered_to();
        let (there, living) = (self.shelf.ids(), self.living().cloned().collect::<Vec<_>>());
        let (survivors, victims): (Vec<Letter>, Vec<Letter>) =
            living.into_iter().partition(|letter| there.contains(&letter.id.0));
        let mut gone = std::mem::take(&mut self.model.gone);
        gone.extend(victims.into_iter().map(|letter| (letter.number, Fate::WentWithItsQueue)));
        let mut levels: BTreeMap<u16, RecoveredLevel> = BTreeMap::new();
        let (nature, rules, now_ms) =
            (self.model.nature, self.model.rules.clone(), self.model.now_ms);
        self.model = Model::new(nature, rules.clone(), now_ms);
        self.model.gone = gone;
        for letter in survivors {
            let (id, level) = (letter.id, letter.id.level());
            let last = MessageId::in_level(level, self.last_sequence());
            let new = RecoveredLevel { first: id, last, ..RecoveredLevel::default() };
            let known = levels.entry(level).or_insert(new);
            known.first = known.first.min(id);
            known.count += 1;
            known.body_bytes += letter.body_bytes;
            let redelivered = id.sequence() <= delivered_to || letter.attempts.acquired > 0;
            self.model.ready.insert(place(id), Letter { redelivered, ..letter });
        }
        let (last, levels) = (self.last_sequence(), levels.into_values().collect());
        let recovered = RecoveredQueue { last, delivered_to, levels };
        self.queue = QueueState::recovered(nature, rules, &recovered);
        self.queue.note_use(now_ms);
        (self.host, self.armed_ms) = (Host::Idle, None);
        self.begin_anew();
        self.look_after()?;
        prop_assert!(self.model.ready.is_empty() || self.is_due(), "it is not looked at");
        if self.is_due() { self.tick() } else { Ok(Enforced::Nothing) }
    }
}
