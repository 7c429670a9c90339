//! Plays whoever brings the dead on: takes them, is slow, has no room, is refused.

use proptest::prelude::*;
use warren::message::Seq;
use warren::queue::{Backing, Dead, DeadLetter, Reason};
use warren::store::Wanted;

use super::model::{Fate, Letter};
use super::steps::Outcome;
use super::world::World;

/// What the host is doing.
#[derive(Debug, Default)]
pub(crate) enum Host {
    #[default]
    Idle,
    /// It is going to look.
    Called,
    /// It has taken these.
    Holds(Vec<Dead>, DeadLetter, Vec<(Letter, Reason)>),
}

impl Host {
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    pub(crate) fn letters(&self) -> impl Iterator<Item = &Letter> {
        let letters = match self {
            Self::Holds(_, _, letters) => letters.as_slice(),
            Self::Idle | Self::Called => &[],
        };
        letters.iter().map(|(letter, _)| letter)
    }
}

impl World {
    pub(super) fn call_host(&mut self) -> Result<(), TestCaseError> {
        prop_assert!(self.host.is_idle(), "two bring the dead on");
        self.host = Host::Called;
        Ok(())
    }

    pub(super) fn host(&mut self, outcomes: &[Outcome]) -> Result<(), TestCaseError> {
        match std::mem::take(&mut self.host) {
            Host::Idle => Ok(()),
            Host::Called => self.take_dying(),
            Host::Holds(dead, _, letters) if outcomes[0] == Outcome::NoRoom => {
                self.queue.postpone_burial(dead, self.model.now_ms);
                for one in letters.into_iter().rev() {
                    self.model.dying.push_front(one);
                }
                Ok(())
            }
            Host::Holds(dead, to, letters) => {
                self.host = Host::Called;
                let outcomes = outcomes.iter().cycle();
                for ((dead, letter), outcome) in dead.into_iter().zip(letters).zip(outcomes) {
                    self.bring_on(dead, letter, to.at_least_once && *outcome == Outcome::Refused)?;
                }
                Ok(())
            }
        }
    }

    fn take_dying(&mut self) -> Result<(), TestCaseError> {
        let Some((dead, to)) = self.queue.take_dying(&self.shelf, &mut self.wakes) else {
            let left = self.model.dying.len();
            prop_assert!(left == 0 || self.model.rules.dead_letter.is_none(), "{} left", left);
            return self.see_deaths();
        };
        prop_assert_eq!(Some(&to), self.model.rules.dead_letter.as_ref());
        let letters: Vec<_> = self.model.dying.drain(..dead.len()).collect();
        for (dead, (letter, reason)) in dead.iter().zip(&letters) {
            prop_assert_eq!((dead.kept.id, dead.reason), (letter.id, *reason));
            prop_assert_eq!(u64::from(dead.kept.body_bytes), letter.body_bytes);
        }
        self.host = Host::Holds(dead, to, letters);
        Ok(())
    }

    fn bring_on(
        &mut self,
        dead: Dead,
        (letter, reason): (Letter, Reason),
        refused: bool,
    ) -> Result<(), TestCaseError> {
        let (id, seq) = (dead.kept.id, dead.kept.seq);
        if !self.model.closed {
            let message = if let Some(message) = &dead.kept.message {
                message.clone()
            } else {
                let read = self.shelf.read_now(&Wanted::Ids(vec![id]), 1);
                prop_assert_eq!(read.messages.len(), 1, "{:?} cannot be read back", id);
                read.messages[0].1.clone()
            };
            let key = letter.number.to_string();
            prop_assert_eq!(message.routing_key(), key.as_bytes());
        }
        if refused {
            self.queue.keep_dead(dead, &self.shelf, self.model.now_ms);
        }
        match (refused, self.model.closed) {
            (true, false) => self.model.waiting.push_back((letter, reason)),
            (true, true) => {
                self.model.gone.insert(letter.number, Fate::WentWithItsQueue);
            }
            (false, closed) => {
                self.model.gone.insert(letter.number, Fate::Died(reason));
                if !closed && seq != Seq::NONE {
                    self.shelf.remove(&[(id, seq)], &mut self.wakes);
                }
            }
        }
        Ok(())
    }
}
