//! Stands in for the real store until that is there: keeps definitions in one small file, written
//! by a thread, and can be held so that a test sees what waits. Keeps no messages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Definition;
use crate::bell::Bell;
use crate::message::{MessageId, Seq};
use crate::outbox::{Outbox, Wakes};
use crate::store::QueueId;

const FILE: &str = "definitions.double";

#[derive(Debug, Default)]
pub(super) struct Double {
    pub(super) state: Mutex<State>,
    pub(super) bell: Arc<Bell>,
}

#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "a double")]
pub(super) struct State {
    pub(super) definitions: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) last_queue: u64,
    pub(super) last: u64,
    pub(super) settled: u64,
    pub(super) held: bool,
    pub(super) full: bool,
    pub(super) out_of_space: bool,
    pub(super) ended: bool,
    pub(super) waiting: Vec<(Seq, Arc<Outbox>)>,
    pub(super) for_room: Vec<Arc<Outbox>>,
    pub(super) delivered: Vec<(QueueId, MessageId)>,
}

impl Double {
    pub(super) fn open(path: &Path) -> (Arc<Self>, Vec<Definition>) {
        let file = path.join(FILE);
        let mut state = State { last: 1, settled: 1, ..State::default() };
        let octets = fs::read(&file).unwrap_or_default();
        let mut rest = octets.as_slice();
        while let (Some(key), Some(value)) = (take(&mut rest), take(&mut rest)) {
            state.definitions.insert(key, value);
        }
        let decode = |(key, value): (&Vec<u8>, &Vec<u8>)| Definition::decode(key, value).ok();
        let found: Vec<_> = state.definitions.iter().filter_map(decode).collect();
        let ids = found.iter().filter_map(|found| match found {
            Definition::Queue(queue) => Some(queue.id.0),
            _ => None,
        });
        state.last_queue = ids.max().unwrap_or(0);
        let double = Arc::new(Self { state: Mutex::new(state), bell: Arc::default() });
        let writer = double.clone();
        std::thread::spawn(move || while writer.write(&file) {});
        (double, found)
    }

    fn write(&self, file: &Path) -> bool {
        self.bell.wait(None);
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        if !state.full {
            state.for_room.drain(..).for_each(|outbox| outbox.tell_settled(&mut wakes));
        }
        if state.held || state.ended {
            return !state.ended;
        }
        persist(&state, file);
        state.settled = state.last;
        let settled = state.settled;
        let (done, waiting) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|(seq, _)| seq.0 <= settled);
        state.waiting = waiting;
        for (_, outbox) in &done {
            outbox.tell_settled(&mut wakes);
        }
        true
    }

    pub(super) fn close(&self, directory: &Path, delivered: Vec<(QueueId, MessageId)>) {
        let mut state = self.state.lock();
        if !state.ended {
            state.delivered = delivered;
            state.ended = true;
            persist(&state, &directory.join(FILE));
            self.bell.ring();
        }
    }
}

fn persist(state: &State, file: &Path) {
    let mut octets = Vec::new();
    for part in state.definitions.iter().flat_map(|(key, value)| [key, value]) {
        octets.extend_from_slice(&(part.len() as u32).to_be_bytes());
        octets.extend_from_slice(part);
    }
    if let Err(error) = fs::write(file, octets) {
        tracing::error!(%error, "the double cannot write");
    }
}

fn take(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (size, after) = rest.split_first_chunk()?;
    let (taken, after) = after.split_at_checked(u32::from_be_bytes(*size) as usize)?;
    *rest = after;
    Some(taken.to_vec())
}
