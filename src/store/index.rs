//! The index of one queue: its pages, some of them in memory, the others in the catalogue.
//!
//! Only what is on disk is entered here, by the commit thread. A page that has changed stays in
//! memory until a checkpoint has written it.

use std::collections::BTreeMap;

use super::catalogue::{Catalogue, CatalogueResult, Change, Tree};
use super::locator::Locator;
use super::page::{Share, Slots, Summary, first_id, page_number};
use super::tally::Tally;
use super::{QueueId, RecoveredLevel};
use crate::message::{Attempts, MessageId};

/// Keys of pages begin with this octet.
pub(super) const PAGE_KEY: u8 = b'p';
/// Keys of their summaries with this one.
pub(super) const SUMMARY_KEY: u8 = b's';

/// A page's key, or its summary's.
pub(super) fn page_key(kind: u8, queue: QueueId, page: u64) -> Vec<u8> {
    let mut key = pages_prefix(kind, queue);
    key.extend_from_slice(&page.to_be_bytes());
    key
}

/// The part of a page's key that all pages of a queue share.
pub(super) fn pages_prefix(kind: u8, queue: QueueId) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&queue.0.to_be_bytes());
    key
}

/// Queue and page of a key.
pub(super) fn decode_page_key(key: &[u8]) -> Option<(QueueId, u64)> {
    let (_, rest) = key.split_first()?;
    let (queue, page) = rest.split_first_chunk()?;
    let page = page.try_into().ok()?;
    Some((QueueId(u64::from_be_bytes(*queue)), u64::from_be_bytes(page)))
}

#[derive(Debug)]
enum Content {
    Resident(Slots),
    /// In the catalogue only.
    Evicted(Summary),
}

#[derive(Debug)]
struct Page {
    content: Content,
    /// Has changed since the last checkpoint.
    dirty: bool,
    /// The catalogue has a version of it.
    stored: bool,
    /// The checkpoint before which it was last used.
    used: u64,
}

/// The index of one queue.
#[derive(Debug)]
pub(super) struct QueueIndex {
    queue: QueueId,
    pages: BTreeMap<u64, Page>,
    live: u64,
    /// The highest sequence it has seen, in whatever level.
    last: u64,
    /// Pages that are empty now and still in the catalogue.
    gone: Vec<u64>,
    /// Something has to be written at the next checkpoint.
    dirty: bool,
}

impl QueueIndex {
    /// Of a queue without messages.
    pub(super) fn new(queue: QueueId) -> Self {
        let (pages, gone) = (BTreeMap::new(), Vec::new());
        Self { queue, pages, live: 0, last: 0, gone, dirty: false }
    }

    /// How many messages it has.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// The highest sequence it has seen.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// No sequence up to this one is to be given again.
    pub(super) fn raise_last(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// What there is of each level, in order.
    pub(super) fn levels(&self) -> Vec<RecoveredLevel> {
        let mut levels: Vec<RecoveredLevel> = Vec::new();
        for (number, page) in &self.pages {
            let (first, Summary { live, body_bytes, .. }) = (first_id(*number), page.summary());
            match levels.last_mut().filter(|last| last.first.level() == first.level()) {
                Some(level) => {
                    level.count += u64::from(live);
                    level.body_bytes += body_bytes;
                }
                None => levels.push(RecoveredLevel {
                    first,
                    last: MessageId::in_level(first.level(), self.last),
                    count: live.into(),
                    body_bytes,
                }),
            }
        }
        levels
    }

    /// The numbers of its pages, in order.
    pub(super) fn page_numbers(&self) -> Vec<u64> {
        self.pages.keys().copied().collect()
    }

    /// Learns of a page that is in the catalogue.
    pub(super) fn add_stored(&mut self, page: u64, summary: Summary) {
        self.live += u64::from(summary.live);
        let content = Content::Evicted(summary);
        self.pages.insert(page, Page { content, dirty: false, stored: true, used: 0 });
    }

    /// The segments in which its messages are.
    pub(super) fn shares(&self) -> impl Iterator<Item = Share> + '_ {
        self.pages.values().flat_map(|page| match &page.content {
            Content::Resident(slots) => slots.summary().shares,
            Content::Evicted(summary) => summary.shares.clone(),
        })
    }

    /// Enters a message.
    pub(super) fn insert(
        &mut self,
        id: MessageId,
        at: Locator,
        catalogue: &dyn Catalogue,
        tally: &mut Tally,
    ) {
        let number = page_number(id);
        self.last = self.last.max(id.sequence());
        let page = self.pages.entry(number).or_insert_with(|| Page {
            content: Content::Resident(Slots::default()),
            dirty: true,
            stored: false,
            used: 0,
        });
        let Some(slots) = page.resident(self.queue, number, catalogue) else { return };
        let old = slots.insert(id, at);
        page.dirty = true;
        self.dirty = true;
        tally.add(at);
        match old {
            Some(old) => tally.take(old),
            None => self.live += 1,
        }
    }

    /// Removes messages.
    pub(super) fn remove(
        &mut self,
        first: MessageId,
        last: MessageId,
        catalogue: &dyn Catalogue,
        tally: &mut Tally,
    ) {
        let mut gone = Vec::new();
        let mut emptied = Vec::new();
        for (&number, page) in self.pages.range_mut(page_number(first)..=page_number(last)) {
            let whole = first <= first_id(number) && first_id(number + 1).0 - 1 <= last.0;
            if let (true, Content::Evicted(summary)) = (whole, &page.content) {
                self.live -= u64::from(summary.live);
                for share in &summary.shares {
                    tally.take_share(share);
                }
                emptied.push(number);
                continue;
            }
            let Some(slots) = page.resident(self.queue, number, catalogue) else { continue };
            let before = gone.len();
            slots.remove(number, first, last, &mut gone);
            if gone.len() > before {
                self.live -= (gone.len() - before) as u64;
                let empty = slots.live() == 0;
                page.dirty = true;
                if empty {
                    emptied.push(number);
                }
            }
        }
        self.dirty |= !(gone.is_empty() && emptied.is_empty());
        for at in gone {
            tally.take(at);
        }
        self.remove_pages(emptied);
    }

    /// Removes pages without messages.
    fn remove_pages(&mut self, emptied: Vec<u64>) {
        for number in emptied {
            if self.pages.remove(&number).is_some_and(|page| page.stored) {
                self.gone.push(number);
            }
        }
    }

    /// Where a message is.
    pub(super) fn get(&mut self, id: MessageId, catalogue: &dyn Catalogue) -> Option<Locator> {
        self.slots(id, catalogue)?.get(id)
    }

    /// How often it has come back.
    pub(super) fn attempts(&mut self, id: MessageId, catalogue: &dyn Catalogue) -> Attempts {
        self.slots(id, catalogue).map_or_else(Attempts::default, |slots| slots.attempts(id))
    }

    fn slots(&mut self, id: MessageId, catalogue: &dyn Catalogue) -> Option<&mut Slots> {
        let number = page_number(id);
        self.pages.get_mut(&number)?.resident(self.queue, number, catalogue)
    }

    /// Notes how often a message has come back, if it is still here.
    pub(super) fn set_attempts(
        &mut self,
        id: MessageId,
        attempts: Attempts,
        catalogue: &dyn Catalogue,
    ) {
        let number = page_number(id);
        let Some(page) = self.pages.get_mut(&number) else { return };
        let Some(slots) = page.resident(self.queue, number, catalogue) else { return };
        if slots.set_attempts(id, attempts) {
            page.dirty = true;
            self.dirty = true;
        }
    }

    /// Where the messages from one id to another are, until `enough` says so.
    pub(super) fn range(
        &mut self,
        first: MessageId,
        last: MessageId,
        catalogue: &dyn Catalogue,
        checkpoint: u64,
        mut enough: impl FnMut(MessageId, Locator, Attempts) -> bool,
    ) {
        if first > last {
            return;
        }
        for (&number, page) in self.pages.range_mut(page_number(first)..=page_number(last)) {
            page.used = checkpoint;
            let Some(slots) = page.resident(self.queue, number, catalogue) else { continue };
            for (id, at, attempts) in slots.iter(number).skip_while(|(id, ..)| *id < first) {
                if id > last || enough(id, at, attempts) {
                    return;
                }
            }
        }
    }

    /// Removes what a restart ends: transient messages. Called before anything else is done.
    pub(super) fn remove_transient(&mut self, catalogue: &dyn Catalogue, tally: &mut Tally) {
        let concerns = |summary: &Summary| summary.transient > 0;
        self.retain(catalogue, tally, concerns, Slots::remove_transient);
    }

    /// Removes what is in a segment that is missing; how many messages that were.
    pub(super) fn remove_segment(
        &mut self,
        segment: u64,
        catalogue: &dyn Catalogue,
        tally: &mut Tally,
    ) -> u64 {
        let before = self.live;
        let concerns = |summary: &Summary| {
            summary.shares.iter().any(|share| u64::from(share.segment) == segment)
        };
        self.retain(catalogue, tally, concerns, |slots| {
            slots.remove_segment(segment);
        });
        before - self.live
    }

    fn retain(
        &mut self,
        catalogue: &dyn Catalogue,
        tally: &mut Tally,
        concerns: impl Fn(&Summary) -> bool,
        mut change: impl FnMut(&mut Slots),
    ) {
        let mut emptied = Vec::new();
        for (&number, page) in &mut self.pages {
            let summary = page.summary();
            if !concerns(&summary) {
                continue;
            }
            let Some(slots) = page.resident(self.queue, number, catalogue) else { continue };
            change(slots);
            summary.shares.iter().for_each(|share| tally.take_share(share));
            slots.summary().shares.iter().for_each(|share| tally.add_share(share));
            self.live -= u64::from(summary.live - slots.live());
            if slots.live() == 0 {
                emptied.push(number);
            }
            page.dirty = true;
            self.dirty = true;
        }
        self.remove_pages(emptied);
    }

    /// Whether a checkpoint has something to write.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// What a checkpoint has to write.
    pub(super) fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for page in &self.gone {
            changes.push((page_key(PAGE_KEY, self.queue, *page), None));
            changes.push((page_key(SUMMARY_KEY, self.queue, *page), None));
        }
        for (number, page) in self.pages.iter().filter(|(_, page)| page.dirty) {
            let Content::Resident(slots) = &page.content else { continue };
            let key = page_key(PAGE_KEY, self.queue, *number);
            changes.push((key, Some(slots.encode())));
            let key = page_key(SUMMARY_KEY, self.queue, *number);
            changes.push((key, Some(slots.summary().encode())));
        }
        changes
    }

    /// Notes that [`changes`](Self::changes) are being written; what changes from now on is for
    /// the next checkpoint. Nothing leaves memory before [`evict`](Self::evict).
    pub(super) fn begin_checkpoint(&mut self, checkpoint: u64) -> Vec<u64> {
        self.dirty = false;
        for page in self.pages.values_mut().filter(|page| page.dirty) {
            page.dirty = false;
            page.stored = true;
            page.used = page.used.max(checkpoint);
        }
        std::mem::take(&mut self.gone)
    }

    /// The checkpoint could not be written: it is all to be done again.
    pub(super) fn undo_checkpoint(&mut self, gone: Vec<u64>) {
        self.dirty = true;
        self.gone.extend(gone);
        for page in self.pages.values_mut() {
            page.dirty |= matches!(page.content, Content::Resident(_));
        }
    }

    /// Drops pages from memory that the catalogue has and that nobody has used since the
    /// checkpoint before `before`.
    pub(super) fn evict(&mut self, before: u64) {
        for page in self.pages.values_mut() {
            let idle = !page.dirty && page.stored && page.used < before;
            if let (true, Content::Resident(slots)) = (idle, &page.content) {
                page.content = Content::Evicted(slots.summary());
            }
        }
    }
}

impl Page {
    fn summary(&self) -> Summary {
        match &self.content {
            Content::Resident(slots) => slots.summary(),
            Content::Evicted(summary) => summary.clone(),
        }
    }

    fn resident(
        &mut self,
        queue: QueueId,
        number: u64,
        catalogue: &dyn Catalogue,
    ) -> Option<&mut Slots> {
        if let Content::Evicted(summary) = &self.content {
            match load(queue, number, catalogue) {
                Ok(Some(slots)) => self.content = Content::Resident(slots),
                problem => {
                    let why = problem.err().map_or("it is missing".to_owned(), |e| e.to_string());
                    tracing::error!(
                        queue = queue.0,
                        page = number,
                        messages = summary.live,
                        why,
                        "an index page cannot be read; its messages stay in the log, out of reach"
                    );
                    catalogue.is_wrong(&format!("page {number} of queue {}: {why}", queue.0));
                }
            }
        }
        match &mut self.content {
            Content::Resident(slots) => Some(slots),
            Content::Evicted(_) => None,
        }
    }
}

fn load(queue: QueueId, page: u64, catalogue: &dyn Catalogue) -> CatalogueResult<Option<Slots>> {
    let value = catalogue.get(Tree::Pages, &page_key(PAGE_KEY, queue, page))?;
    Ok(value.and_then(|value| Slots::decode(&value)))
}
