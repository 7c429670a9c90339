//! Reading messages back: the index tells where they are, neighbours are read in one go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::locator::Locator;
use super::record::{Published, decode};
use super::shared::Shared;
use super::{QueueId, Read, ReadBack, Wanted};
use crate::bell::Bell;
use crate::message::{Attempts, Message, MessageId};
use crate::outbox::Wakes;

/// One read of the disk brings this much at the most, unless one message is larger.
const CHUNK_BYTES: u64 = 512 * 1024;
/// Octets between two wanted records that are rather read along than left out.
const SKIP_BYTES: u64 = 16 * 1024;
/// A buffer above this size is given back.
const KEEP_BUFFER_BYTES: usize = 2 * 1024 * 1024;

/// Somebody wants messages back.
pub(super) struct Request {
    pub(super) queue: QueueId,
    pub(super) wanted: Wanted,
    pub(super) max_bytes: usize,
    pub(super) token: u64,
    pub(super) to: Arc<dyn ReadBack>,
}

/// Who waits for messages.
#[derive(Default)]
pub(super) struct Requests {
    waiting: Mutex<VecDeque<Request>>,
    bell: Bell,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests")
            .field("waiting", &self.waiting.lock().len())
            .finish_non_exhaustive()
    }
}

impl Requests {
    pub(super) fn push(&self, request: Request) {
        self.waiting.lock().push_back(request);
        self.bell.ring();
    }

    pub(super) fn stop(&self) {
        self.waiting.lock().clear();
        self.bell.ring();
    }
}

/// The thread that reads: answers requests in their order until the store is closed.
pub(super) fn run(shared: &Shared, requests: &Requests) {
    let (mut buffer, mut wakes) = (Vec::new(), Wakes::default());
    while !shared.stop.load(Ordering::Acquire) {
        let request = requests.waiting.lock().pop_front();
        let Some(request) = request else {
            wakes.flush();
            requests.bell.wait(None);
            continue;
        };
        let read = read(shared, request.queue, &request.wanted, request.max_bytes, &mut buffer);
        // The thread may have waited for long since the last one.
        wakes.begin();
        request.to.on_read(request.token, read, &mut wakes);
        wakes.flush();
        if buffer.capacity() > KEEP_BUFFER_BYTES {
            buffer = Vec::new();
        }
    }
}

/// Reads what is wanted, as far as the limit lets it.
pub(super) fn read(
    shared: &Shared,
    queue: QueueId,
    wanted: &Wanted,
    max_bytes: usize,
    buffer: &mut Vec<u8>,
) -> Read {
    let (places, up_to) = find(shared, queue, wanted, max_bytes as u64);
    let mut messages = Vec::with_capacity(places.len());
    let mut rest = &places[..];
    while let Some((run, bytes)) = next_run(rest) {
        let (now, later) = rest.split_at(run);
        read_run(shared, queue, now, bytes, buffer, &mut messages);
        rest = later;
    }
    Read { messages, up_to }
}

/// A message, where it is, and how often it has come back.
type Found = (MessageId, Locator, Attempts);

fn find(
    shared: &Shared,
    queue: QueueId,
    wanted: &Wanted,
    max_bytes: u64,
) -> (Vec<Found>, MessageId) {
    let (mut places, mut bytes) = (Vec::new(), 0);
    let catalogue = &*shared.contents.catalogue;
    let checkpoint = shared.checkpoint.load(Ordering::Acquire);
    let last = match wanted {
        Wanted::Range { last, .. } => *last,
        Wanted::Ids(ids) => ids.last().copied().unwrap_or_default(),
    };
    let Some(index) = shared.contents.index(queue) else { return (places, last) };
    let mut enough = |id, at: Locator, attempts| {
        if bytes > 0 && bytes + at.bytes() > max_bytes {
            return true;
        }
        bytes += at.bytes();
        places.push((id, at, attempts));
        false
    };
    let mut full = false;
    match wanted {
        Wanted::Range { first, last } => {
            index.lock().range(*first, *last, catalogue, checkpoint, |id, at, attempts| {
                full = enough(id, at, attempts);
                full
            });
        }
        Wanted::Ids(ids) => {
            let mut index = index.lock();
            for id in ids {
                let Some(at) = index.get(*id, catalogue) else { continue };
                full = enough(*id, at, index.attempts(*id, catalogue));
                if full {
                    break;
                }
            }
        }
    }
    let up_to = places.last().filter(|_| full).map_or(last, |(id, ..)| *id);
    (places, up_to)
}

/// How many of the places are read in one go, and how much that is.
fn next_run(places: &[Found]) -> Option<(usize, u64)> {
    let (_, first, _) = places.first()?;
    let start = first.offset();
    let mut end = start + first.bytes();
    let mut count = 1;
    for (_, at, _) in places.iter().skip(1) {
        let near = at.segment() == first.segment()
            && at.offset() >= end
            && at.offset() - end <= SKIP_BYTES
            && at.offset() + at.bytes() - start <= CHUNK_BYTES;
        if !near {
            break;
        }
        end = at.offset() + at.bytes();
        count += 1;
    }
    Some((count, end - start))
}

fn read_run(
    shared: &Shared,
    queue: QueueId,
    places: &[Found],
    bytes: u64,
    buffer: &mut Vec<u8>,
    messages: &mut Vec<(MessageId, Message, Attempts)>,
) {
    let Some((_, first, _)) = places.first() else { return };
    let start = first.offset();
    let read = fill(shared, *first, bytes, buffer);
    for (id, at, attempts) in places {
        let from = (at.offset() - start) as usize;
        let octets = buffer.get(from..read).unwrap_or_default();
        let found = message_in(shared, octets, *at).or_else(|| read_again(shared, queue, *id, *at));
        messages.extend(found.map(|message| (*id, message, *attempts)));
    }
    shared.counters.reads.add(1);
    shared.counters.read.add(places.len() as u64);
    shared.counters.read_bytes.add(read as u64);
}

/// Reads that much from a record on; how much there was.
fn fill(shared: &Shared, at: Locator, bytes: u64, buffer: &mut Vec<u8>) -> usize {
    if buffer.len() < bytes as usize {
        buffer.resize(bytes as usize, 0);
    }
    let Some(segment) = shared.segments.file(at.segment().into()) else { return 0 };
    let into = buffer.get_mut(..bytes as usize).unwrap_or_default();
    segment.file.read_at(into, at.offset()).unwrap_or_else(|error| {
        tracing::error!(file = &*segment.name, offset = at.offset(), %error, "cannot read");
        0
    })
}

fn message_in(shared: &Shared, octets: &[u8], at: Locator) -> Option<Message> {
    let raw = decode(octets, at.place(shared.salt))?;
    Some(Published::decode(raw.payload)?.message())
}

/// What was not there has perhaps been moved meanwhile. If not, it is damaged.
fn read_again(shared: &Shared, queue: QueueId, id: MessageId, was: Locator) -> Option<Message> {
    let index = shared.contents.index(queue)?;
    let mut at = index.lock().get(id, &*shared.contents.catalogue)?;
    let mut buffer = Vec::new();
    let message = loop {
        let read = fill(shared, at, at.bytes(), &mut buffer);
        let message = message_in(shared, buffer.get(..read).unwrap_or_default(), at);
        let now = index.lock().get(id, &*shared.contents.catalogue)?;
        if message.is_some() || now == at {
            break message;
        }
        at = now;
    };
    if message.is_none() {
        let file = shared.segments.file(at.segment().into()).map(|segment| segment.name);
        tracing::error!(
            file = file.as_deref().unwrap_or("missing"),
            segment = at.segment(),
            offset = at.offset(),
            moved = was != at,
            queue = queue.0,
            message = id.0,
            "a message is damaged on disk and cannot be delivered; it stays in the log"
        );
    }
    message
}
