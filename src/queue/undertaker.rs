//! Brings a queue's dead on to their new queues, when no lock is held, and has them removed from
//! here only after that. Whatever happens in between, a message is in one of the two places.

use std::collections::VecDeque;
use std::sync::Arc;

use super::backing::Stored;
use super::death::Dead;
use super::home::STORE_FULL_RETRY_MS;
use super::rules::DeadLetter;
use super::{Brought, Queue};
use crate::message::{MessageId, Seq};
use crate::outbox::{Deferred, Wakes};
use crate::store::Wanted;
use crate::timers::OnTime;

/// So many octets of dead messages that are not in memory are read in one go.
const READ_MAX_BYTES: usize = 1024 * 1024;
/// So many steps are done in one go: then whatever else this thread has to do gets a turn.
const STEPS_MAX: usize = 16;

impl Deferred for Queue {
    fn run(self: Arc<Self>, wakes: &mut Wakes) {
        // One at a time, so that they stay in order. Who helps waits for some milliseconds at most,
        // and takes no message in meanwhile. It holds no other turn.
        let _turn = self.burial_turn.lock();
        let mut steps = 0;
        // Nobody looks after a queue that was deleted: that is done to its end.
        while steps < STEPS_MAX || self.is_closed() {
            let taken = self.change(wakes, |state, wakes| state.take_dying(&*self, wakes));
            let Some((dead, to)) = taken else {
                if self.drop_from_disk(wakes) {
                    steps += 1;
                    continue;
                }
                return;
            };
            if self.store().is_full() && !self.is_closed() {
                let until_ms = wakes.now_ms() + STORE_FULL_RETRY_MS;
                return self.change(wakes, |state, _| state.postpone_burial(dead, until_ms));
            }
            self.bring_on(dead, &to, wakes);
            steps += 1;
        }
        let now_ms = wakes.now_ms();
        self.change(wakes, |state, _| state.postpone_burial(Vec::new(), now_ms));
    }
}

impl OnTime for Queue {
    fn on_time(self: Arc<Self>, wakes: &mut Wakes) {
        let lease_is_over = {
            let mut state = self.state.lock();
            if state.on_time(&*self, wakes) {
                wakes.defer(self.clone());
            }
            let lease_is_over = state.lease_is_over(wakes.now_ms());
            if !lease_is_over {
                self.look_after(&mut state, wakes);
            }
            lease_is_over
        };
        if let (true, Some(host)) = (lease_is_over, self.home.host.upgrade()) {
            host.lease_is_over(&self, wakes);
        }
    }
}

impl Queue {
    /// More is ready than may be, and the first of it is not in memory: reads and drops some of
    /// that, so that whoever publishes does so no faster. False if there is nothing to read.
    fn drop_from_disk(&self, wakes: &mut Wakes) -> bool {
        let request = self.change(wakes, |state, _| state.excess_wanted(self));
        let Some(request) = request else { return false };
        let read = self.store().read_now(self.spec.id, &request.wanted, request.max_bytes);
        let answer =
            self.change(wakes, |state, wakes| state.on_read_now(&request, read, self, wakes));
        self.report(answer);
        !answer.told_nothing
    }

    fn bring_on(&self, dead: Vec<Dead>, to: &DeadLetter, wakes: &mut Wakes) {
        let Some(host) = self.home.host.upgrade() else { return };
        let mut dead = VecDeque::from(dead);
        let (mut stored, mut gone) = (Vec::new(), Vec::new());
        let mut confirmed = 0;
        while !dead.is_empty() {
            let readable = self.read_back(&mut dead);
            for mut dead in dead.drain(..readable) {
                let (id, seq) = (dead.kept.id, dead.kept.seq);
                let Brought { wholly, stored: is_stored } = match dead.kept.message {
                    Some(_) => host.dead_letter(self, &mut dead, to, wakes),
                    None => continue, // it cannot be read, which has been reported
                };
                confirmed += u64::from(to.at_least_once && wholly);
                if to.at_least_once && !wholly {
                    let mut state = self.state.lock();
                    state.keep_dead(dead, self, wakes.now_ms());
                    self.look_after(&mut state, wakes);
                } else if seq != Seq::NONE {
                    let list = if is_stored { &mut stored } else { &mut gone };
                    list.push((id, seq));
                }
            }
        }
        if confirmed > 0 {
            self.state.lock().note_dead_confirmed(confirmed);
        }
        self.store().remove_behind(self.spec.id, &stored, wakes);
        self.store().remove(self.spec.id, &gone, wakes);
    }

    /// Reads the first of those that are not in memory; how many from the front on are there now.
    fn read_back(&self, dead: &mut VecDeque<Dead>) -> usize {
        let missing = |dead: &&Dead| dead.kept.message.is_none();
        let mut ids: Vec<MessageId> =
            dead.iter().filter(missing).map(|dead| dead.kept.id).collect();
        if ids.is_empty() {
            return dead.len();
        }
        ids.sort_unstable();
        let wanted = Wanted::Ids(ids);
        let read = self.store().read_now(self.spec.id, &wanted, READ_MAX_BYTES);
        let up_to = read.up_to;
        for (id, message, _) in read.messages {
            if let Some(dead) = dead.iter_mut().find(|dead| dead.kept.id == id) {
                dead.kept.message = Some(message);
            }
        }
        // What was looked for and is not there cannot be read.
        dead.retain(|dead| dead.kept.message.is_some() || dead.kept.id > up_to);
        let waits = |dead: &Dead| dead.kept.message.is_none() && dead.kept.id > up_to;
        dead.iter().position(waits).unwrap_or(dead.len())
    }
}
