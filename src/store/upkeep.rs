//! The upkeep thread: checkpoints, segments that can be used again, and segments that are mostly
//! dead.
//!
//! A checkpoint writes to the catalogue what has changed since the last one, while the commit
//! thread goes on; a start reads the log again from where the checkpoint began. So every part may
//! be newer than the place it names, never older.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::QueueId;
use super::catalogue::{Catalogue, CatalogueResult, Change, Tree, change_bytes};
use super::compact::compact;
use super::contents::SharedIndex;
use super::index::{PAGE_KEY, SUMMARY_KEY, pages_prefix};
use super::meta::{self, QueueRecord};
use super::segments::Position;
use super::shared::{CHECKPOINT_BYTES, Shared};

/// A checkpoint is made this long after something was written.
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(2);
/// What was moved has left its segments by then, so that they can be freed.
const AFTER_COMPACTION: Duration = Duration::from_millis(100);
/// Below this much since the last checkpoint nothing is going on, and spare files are seen to.
const QUIET_BYTES: u64 = 8 * 1024 * 1024;
/// Changes are written to the catalogue in pieces of about this size.
const PIECE_BYTES: usize = 32 * 1024;
/// Changes of so many pages are gathered before they are written.
const PAGES_AT_ONCE: usize = 64;
/// What a message takes in the catalogue, about.
const BYTES_PER_MESSAGE: u64 = 20;
/// What a definition does.
const BYTES_PER_DEFINITION: u64 = 256;
/// A checkpoint needs room on the disk: the catalogue must not be cut off in the middle.
const ROOM_MIN_BYTES: u64 = 8 * 1024 * 1024;
/// Pages that were not used for so many checkpoints leave memory.
const IDLE_CHECKPOINTS: u64 = 2;

/// Works until the store is closed.
pub(super) fn run(shared: &Shared) {
    // What a start has read need not be read again, and may have left segments to be freed.
    let mut due = Some(Instant::now());
    loop {
        shared.upkeep.wait(due);
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        let written = shared.written_bytes.load(Ordering::Acquire);
        if written == 0 {
            due = None;
            continue;
        }
        let now = Instant::now();
        let at = *due.get_or_insert(now + CHECKPOINT_PERIOD);
        if written < CHECKPOINT_BYTES && now < at {
            continue;
        }
        due = None;
        if !is_worth_trying(shared) || checkpoint(shared, None).is_err() {
            due = Some(now + CHECKPOINT_PERIOD);
            continue;
        }
        if written < QUIET_BYTES {
            shared.segments.tidy_spares();
            shrink_catalogue(shared);
        }
        if compact(shared) {
            due = Some(Instant::now() + AFTER_COMPACTION);
        }
    }
}

/// Gives back what the catalogue took when queues were deeper.
pub(super) fn shrink_catalogue(shared: &Shared) {
    let _turn = shared.checkpointing.lock();
    let of = |index: &SharedIndex| index.lock().live() * BYTES_PER_MESSAGE;
    let messages: u64 = shared.contents.indexes().iter().map(|(_, index)| of(index)).sum();
    let definitions = shared.contents.definitions.lock().all.len() as u64;
    let living_bytes = messages + definitions * BYTES_PER_DEFINITION;
    if let Err(error) = shared.contents.catalogue.shrink(living_bytes) {
        tracing::error!(%error, "the catalogue cannot be made smaller");
    }
}

/// There is room for a checkpoint, or it will make some.
fn is_worth_trying(shared: &Shared) -> bool {
    let free_bytes = shared.segments.files().free_bytes();
    free_bytes.is_ok_and(|free_bytes| free_bytes >= ROOM_MIN_BYTES)
        || !shared.segments.begin_checkpoint().1.is_empty()
}

/// Makes a checkpoint; `closing`: the last one, with how far each queue has delivered.
pub(super) fn checkpoint(
    shared: &Shared,
    closing: Option<&[(QueueId, u64)]>,
) -> CatalogueResult<()> {
    let _turn = shared.checkpointing.lock();
    shared.written_bytes.store(0, Ordering::Release);
    let (position, dead) = shared.segments.begin_checkpoint();
    let number = shared.checkpoint.fetch_add(1, Ordering::AcqRel) + 1;
    let mut begun = Begun::default();
    let result = write(shared, position, number, closing, &mut begun);
    if let Err(error) = &result {
        tracing::error!(%error, "a checkpoint cannot be written to the catalogue; the log goes on");
        begun.undo(shared);
        shared.written_bytes.fetch_max(1, Ordering::AcqRel);
        return result;
    }
    for (_, index) in shared.contents.indexes() {
        index.lock().evict(number.saturating_sub(IDLE_CHECKPOINTS));
    }
    shared.segments.reclaim(&dead);
    result
}

/// What a checkpoint has taken, to be given back if it fails.
#[derive(Default)]
struct Begun {
    indexes: Vec<(SharedIndex, Vec<u64>)>,
    definitions: Vec<Vec<u8>>,
    dropped: Vec<QueueId>,
}

impl Begun {
    fn undo(self, shared: &Shared) {
        for (index, gone) in self.indexes {
            index.lock().undo_checkpoint(gone);
        }
        shared.contents.definitions.lock().dirty.extend(self.definitions);
        shared.contents.dropped.lock().extend(self.dropped);
    }
}

fn write(
    shared: &Shared,
    position: Position,
    number: u64,
    closing: Option<&[(QueueId, u64)]>,
    begun: &mut Begun,
) -> CatalogueResult<()> {
    shared.contents.catalogue.begin()?;
    write_definitions(shared, begun)?;
    write_dropped(shared, begun)?;
    let catalogue = &*shared.contents.catalogue;
    let (mut queues, mut pages) = (Vec::new(), Vec::new());
    for (queue, index) in shared.contents.indexes() {
        let (changes, last) = {
            let mut locked = index.lock();
            if !locked.is_dirty() {
                continue;
            }
            let changes = locked.changes();
            begun.indexes.push((index.clone(), locked.begin_checkpoint(number)));
            (changes, locked.last())
        };
        queues.push((meta::queue_key(queue), Some(QueueRecord::not_closed(last).encode())));
        pages.extend(changes);
        if pages.len() >= PAGES_AT_ONCE {
            apply_in_pieces(catalogue, Tree::Pages, std::mem::take(&mut pages))?;
        }
    }
    apply_in_pieces(catalogue, Tree::Pages, pages)?;
    for (queue, delivered_to) in closing.unwrap_or_default() {
        let last = shared.contents.index(*queue).map_or(0, |i| i.lock().last());
        let record = QueueRecord { last: last.max(*delivered_to), delivered_to: *delivered_to };
        queues.push((meta::queue_key(*queue), Some(record.encode())));
    }
    apply_in_pieces(catalogue, Tree::Queues, queues)?;
    // What the position promises is on disk before the position is.
    shared.contents.catalogue.sync()?;
    let next_queue = shared.next_queue.load(Ordering::Acquire);
    let mut facts = vec![meta::position(position), meta::number(meta::NEXT_QUEUE, next_queue)];
    if closing.is_some() {
        facts.push(meta::clean(position));
    }
    shared.contents.catalogue.apply(Tree::Meta, facts)?;
    shared.contents.catalogue.sync()
}

fn write_definitions(shared: &Shared, begun: &mut Begun) -> CatalogueResult<()> {
    let changes: Vec<Change> = {
        let mut definitions = shared.contents.definitions.lock();
        begun.definitions = definitions.dirty.drain().collect();
        let value =
            |key: &Vec<u8>| definitions.all.get(key).map(|d| meta::definition(d.segment, &d.value));
        begun.definitions.iter().map(|key| (key.clone(), value(key))).collect()
    };
    apply_in_pieces(&*shared.contents.catalogue, Tree::Definitions, changes)
}

fn write_dropped(shared: &Shared, begun: &mut Begun) -> CatalogueResult<()> {
    begun.dropped = std::mem::take(&mut *shared.contents.dropped.lock());
    let catalogue = &*shared.contents.catalogue;
    let mut queues = Vec::new();
    for queue in &begun.dropped {
        let mut keys: Vec<Change> = Vec::new();
        for kind in [PAGE_KEY, SUMMARY_KEY] {
            let prefix = pages_prefix(kind, *queue);
            catalogue.scan(Tree::Pages, &prefix, &mut |key, _| {
                keys.push((key.to_vec(), None));
                true
            })?;
        }
        if !keys.is_empty() {
            apply_in_pieces(catalogue, Tree::Pages, keys)?;
        }
        queues.push((meta::queue_key(*queue), None));
    }
    apply_in_pieces(catalogue, Tree::Queues, queues)
}

/// A page and its summary stand behind each other, and stay together.
fn apply_in_pieces(
    catalogue: &dyn Catalogue,
    tree: Tree,
    changes: Vec<Change>,
) -> CatalogueResult<()> {
    let (mut piece, mut bytes) = (Vec::new(), 0);
    for (at, change) in changes.into_iter().enumerate() {
        if bytes >= PIECE_BYTES && at % 2 == 0 {
            catalogue.apply(tree, std::mem::take(&mut piece))?;
            bytes = 0;
        }
        bytes += change_bytes(&change);
        piece.push(change);
    }
    if piece.is_empty() { Ok(()) } else { catalogue.apply(tree, piece) }
}
