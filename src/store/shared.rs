//! What the store's threads and its handle share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::contents::Contents;
use super::inbox::{Batch, Inbox};
use super::segment::SEGMENT_BYTES;
use super::segments::Segments;
use crate::bell::Bell;
use crate::message::Seq;
use crate::outbox::Wakes;
use crate::stats::StoreCounters;

/// A checkpoint is made when this much was written since the last one: a start reads no more.
pub(super) const CHECKPOINT_BYTES: u64 = 32 * 1024 * 1024;
/// How a process ends whose disk fails (`EX_IOERR`).
pub const EXIT_DISK_FAILED: u8 = 74;

/// What a store does when a write or sync has failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// Ends the process: what was confirmed is on disk, and nothing more is confirmed.
    Exit,
    /// Answers nothing any more. For tests.
    Stop,
}

/// How a store works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreOptions {
    /// What happens when a write or sync has failed.
    pub on_failure: OnFailure,
    /// What a file of the log usually takes. A test wants small ones, to fill many of them.
    pub segment_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { on_failure: OnFailure::Exit, segment_bytes: SEGMENT_BYTES }
    }
}

/// The inside of a store.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) inbox: Mutex<Inbox>,
    /// Rung when there is something in the inbox.
    pub(super) bell: Arc<Bell>,
    /// Everything up to here is settled; a copy that is read without the inbox's lock.
    pub(super) settled: AtomicU64,
    pub(super) contents: Contents,
    pub(super) segments: Segments,
    /// Rung when a checkpoint is due.
    pub(super) upkeep: Bell,
    pub(super) stop: AtomicBool,
    pub(super) salt: u64,
    pub(super) next_queue: AtomicU64,
    /// The number of the last change of definitions.
    pub(super) definitions_seq: AtomicU64,
    /// Written since the last checkpoint.
    pub(super) written_bytes: AtomicU64,
    /// Held while a checkpoint is made: one at a time.
    pub(super) checkpointing: Mutex<()>,
    /// Counts checkpoints.
    pub(super) checkpoint: AtomicU64,
    pub(super) memory_short: AtomicBool,
    pub(super) out_of_space: AtomicBool,
    pub(super) failed: AtomicBool,
    /// Publishers should not be read from; a copy that is read without the inbox's lock.
    pub(super) full: AtomicBool,
    /// For tests: nothing is taken out of the inbox.
    pub(super) held: AtomicBool,
    pub(super) on_failure: OnFailure,
    pub(super) counters: StoreCounters,
}

impl Shared {
    /// A batch is on disk: tells who waited.
    pub(super) fn settle(&self, batch: &mut Batch, wakes: &mut Wakes) {
        let mut inbox = self.inbox.lock();
        self.settled.store(batch.last.0, Ordering::Release);
        inbox.settle(batch, wakes);
        self.look_at_room(&inbox);
    }

    #[inline]
    pub(super) fn look_at_room(&self, inbox: &Inbox) {
        let full = inbox.is_full();
        if full != self.full.load(Ordering::Relaxed) {
            self.full.store(full, Ordering::Release);
        }
    }

    pub(super) fn is_settled(&self, seq: Seq) -> bool {
        seq.0 <= self.settled.load(Ordering::Acquire) || self.inbox.lock().is_settled(seq)
    }

    pub(super) fn note_written(&self, bytes: u64) {
        let before = self.written_bytes.fetch_add(bytes, Ordering::AcqRel);
        if before == 0 || (before < CHECKPOINT_BYTES && before + bytes >= CHECKPOINT_BYTES) {
            self.upkeep.ring();
        }
    }

    pub(super) fn set_out_of_space(&self, error: Option<&io::Error>) {
        let was = self.out_of_space.swap(error.is_some(), Ordering::AcqRel);
        match error {
            Some(error) if !was => tracing::error!(
                %error,
                "the disk is full: nothing more is confirmed until there is room"
            ),
            None if was => tracing::warn!("there is room on the disk again"),
            _ => {}
        }
    }

    /// The disk has failed: nothing that was not confirmed will be.
    pub(super) fn fail(&self, error: &io::Error) {
        self.failed.store(true, Ordering::Release);
        tracing::error!(
            %error,
            "writing to the log has failed; a failed sync is not tried again: this is the end"
        );
        if self.on_failure == OnFailure::Exit {
            std::process::exit(EXIT_DISK_FAILED.into());
        }
    }
}
