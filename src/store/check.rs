//! `warren check`: whether what a data directory holds is sound, and what is hit where it is not.
//!
//! Everything is read: each record of each segment, each value of the catalogue, and each living
//! message once more through the index, once for every queue that has it. What a start would drop
//! without loss (a torn batch that was never answered for, messages of queues that were not to
//! survive) is told and is no damage.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::ControlFlow;

use super::QueueId;
use super::catalogue::Tree;
use super::definition::Definition;
use super::index::{PAGE_KEY, SUMMARY_KEY, decode_page_key, page_key};
use super::inspect::{EXIT_DAMAGED, EXIT_SOUND, Look};
use super::inspect_text::{Names, Runs, plain};
use super::locator::Locator;
use super::meta::{self, QueueRecord};
use super::page::{Slots, Summary, first_id};
use super::record::{Kind, Published, Raw};
use super::scan::Damage;
use super::segment::DATA_START;
use crate::message::MessageId;

/// A check of one data directory.
pub(super) struct Checking<'a> {
    look: &'a Look,
    out: &'a mut dyn Write,
    names: Names,
    /// Lines of damage so far.
    damaged: u64,
    /// Parts of files that have been told.
    told: Vec<Damage>,
}

/// What the log is made of.
#[derive(Default)]
struct Totals {
    /// How many records of each kind; 0 stands for those that are not known.
    kinds: BTreeMap<u8, u64>,
    /// What the log takes, headers of segments not included.
    bytes: u64,
    torn_bytes: u64,
    /// Sound records whose payload makes no sense.
    senseless: Vec<(u64, u64, u64)>,
}

/// Messages of a queue, one behind the other, that cannot be read for the same reason.
struct Hit {
    first: MessageId,
    last: MessageId,
    count: u64,
    segment: u32,
    from: u64,
    to: u64,
    why: &'static str,
}

impl<'a> Checking<'a> {
    /// Of what was opened.
    pub(super) fn new(look: &'a Look, out: &'a mut dyn Write) -> Self {
        let names = Names::of(&look.found.contents);
        Self { look, out, names, damaged: 0, told: Vec::new() }
    }

    /// Checks everything; gives the exit code.
    pub(super) fn run(mut self) -> io::Result<u8> {
        self.notes()?;
        let totals = self.log()?;
        self.files()?;
        self.checkpoint()?;
        self.definitions()?;
        self.pages()?;
        self.queues()?;
        self.totals(&totals)?;
        if self.damaged > 0 {
            writeln!(self.out, "damaged: {} lines above tell where", self.damaged)?;
            return Ok(EXIT_DAMAGED);
        }
        writeln!(self.out, "sound")?;
        Ok(EXIT_SOUND)
    }

    fn damage(&mut self, what: &str) -> io::Result<()> {
        self.damaged += 1;
        writeln!(self.out, "damage: {what}")
    }

    fn damage_of(&mut self, damage: Damage) -> io::Result<()> {
        let is_told = |told: &Damage| {
            told.file == damage.file
                && told.bytes > 0
                && damage.bytes > 0
                && told.offset <= damage.offset
                && told.offset + told.bytes >= damage.offset + damage.bytes
        };
        if self.told.iter().any(is_told) {
            return Ok(());
        }
        let Damage { file, offset, bytes, what } = &damage;
        if file.is_empty() {
            self.damage(what)?;
        } else {
            self.damage(&format!("{file} offset {offset} length {bytes}: {what}"))?;
        }
        self.told.push(damage);
        Ok(())
    }

    fn notes(&mut self) -> io::Result<()> {
        if let Some(error) = &self.look.unlocked {
            writeln!(
                self.out,
                "note: the lock cannot be taken ({error}): what is told is true only if no \
                 broker runs here"
            )?;
        }
        let lost = self.look.catalogue_lost.as_deref();
        let empty = self.look.position.is_none().then_some("it has no checkpoint");
        if let Some(why) = lost.or(empty)
            && !self.look.listing.sound.is_empty()
        {
            let why = plain(why);
            self.damage(&format!(
                "the catalogue: {why}; a start makes it anew from the log, and messages that were \
                 acknowledged may come back"
            ))?;
        }
        Ok(())
    }

    /// Every record of every segment that counts.
    fn log(&mut self) -> io::Result<Totals> {
        let mut totals = Totals::default();
        for (number, segment) in self.look.found.segments.all() {
            let scanned = self.look.scan(number, &segment.file, &mut |place, raw| {
                totals.count(place.segment, place.offset, raw);
            });
            match scanned {
                Ok(scanned) => {
                    totals.bytes += scanned.end.saturating_sub(DATA_START);
                    totals.torn_bytes += scanned.torn_bytes;
                    for damage in scanned.damage {
                        self.damage_of(damage)?;
                    }
                }
                Err(error) => {
                    self.damage(&format!("{}: cannot be read: {error}", segment.file.name))?;
                }
            }
        }
        for (segment, offset, bytes) in std::mem::take(&mut totals.senseless) {
            self.damage(&format!(
                "segment {segment} offset {offset} length {bytes}: a sound record without sense, \
                 or of a later version"
            ))?;
        }
        Ok(totals)
    }

    /// Headers and missing files.
    fn files(&mut self) -> io::Result<()> {
        for damage in self.look.found.damage.iter().cloned() {
            self.damage_of(damage)?;
        }
        Ok(())
    }

    /// The small values of the catalogue.
    fn checkpoint(&mut self) -> io::Result<()> {
        if self.look.catalogue_lost.is_some() {
            return Ok(());
        }
        let mut bad = Vec::new();
        let catalogue = self.look.catalogue.clone();
        let scanned = catalogue.scan(Tree::Meta, &[], &mut |key, value| {
            if !meta::is_sound(key, value) {
                bad.push(format!("the catalogue's value {}", key.escape_ascii()));
            }
            true
        });
        let scanned = scanned.and_then(|()| {
            catalogue.scan(Tree::Queues, &[], &mut |key, value| {
                if meta::decode_queue_key(key).is_none() || QueueRecord::decode(value).is_none() {
                    bad.push(format!("the catalogue's value of queue {}", key.escape_ascii()));
                }
                true
            })
        });
        if let Err(error) = scanned {
            bad.push(format!("the catalogue ({error})"));
        }
        for what in bad {
            self.damage(&format!("{what} cannot be read"))?;
        }
        Ok(())
    }

    fn definitions(&mut self) -> io::Result<()> {
        let mut bad = Vec::new();
        for (key, defined) in &self.look.found.contents.definitions.lock().all {
            if let Err(error) = Definition::decode(key, &defined.value) {
                let (key, segment) = (key.escape_ascii(), defined.segment);
                bad.push(format!("definition {key} (written in segment {segment}): {error}"));
            }
        }
        let mut short = 0;
        let scanned = self.look.catalogue.scan(Tree::Definitions, &[], &mut |_, value| {
            short += u64::from(meta::decode_definition(value).is_none());
            true
        });
        if short > 0 || scanned.is_err() {
            bad.push(format!("{short} definitions in the catalogue cannot be read"));
        }
        bad.iter().try_for_each(|what| self.damage(what))
    }

    /// Every index page and its summary, as the last checkpoint has left them.
    fn pages(&mut self) -> io::Result<()> {
        let (catalogue, log) = (self.look.catalogue.clone(), self.look.found.segments.all());
        let mut bad = Vec::new();
        let names = &self.names;
        let mut missing: BTreeMap<(QueueId, u32), Runs> = BTreeMap::new();
        let pages = catalogue.scan(Tree::Pages, &[PAGE_KEY], &mut |key, value| {
            let (Some((queue, page)), Some(slots)) = (decode_page_key(key), Slots::decode(value))
            else {
                bad.push(format!("index page {} cannot be read", named(names, key)));
                return true;
            };
            let summary = catalogue.get(Tree::Pages, &page_key(SUMMARY_KEY, queue, page));
            let summary = summary.ok().flatten().and_then(|value| Summary::decode(&value));
            if summary != Some(slots.summary()) {
                let why = if summary.is_none() { "has no summary" } else { "has another summary" };
                bad.push(format!("index page {} {why}", named(names, key)));
            }
            for (id, at, _) in slots.iter(page) {
                if !log.contains_key(&u64::from(at.segment())) && !at.is_transient() {
                    missing.entry((queue, at.segment())).or_default().push(id);
                }
            }
            true
        });
        let summaries = catalogue.scan(Tree::Pages, &[SUMMARY_KEY], &mut |key, value| {
            let page = decode_page_key(key)
                .map(|(queue, page)| catalogue.get(Tree::Pages, &page_key(PAGE_KEY, queue, page)));
            if Summary::decode(value).is_none() || !matches!(page, Some(Ok(Some(_)))) {
                bad.push(format!("summary {} cannot be read or has no page", named(names, key)));
            }
            true
        });
        if let Err(error) = pages.and(summaries) {
            bad.push(format!("the index pages cannot all be read: {error}"));
        }
        for ((queue, segment), ids) in missing {
            let (queue, ids) = (self.names.show(queue), ids.end());
            bad.push(format!("{queue} messages {ids}: their segment {segment} is missing"));
        }
        bad.iter().try_for_each(|what| self.damage(what))
    }

    /// Every living message, as a start would find it.
    fn queues(&mut self) -> io::Result<()> {
        let mut indexes = self.look.found.contents.indexes();
        indexes.sort_unstable_by_key(|(queue, _)| *queue);
        for (queue, index) in indexes {
            let (mut messages, mut bytes, mut hits) = (0_u64, 0, Vec::<Hit>::new());
            let (mut buffer, mut follows) = (Vec::new(), false);
            self.look.each_message(&mut index.lock(), &mut |id, at, _| {
                messages += 1;
                bytes += at.share_bytes();
                let wrong = self.wrong_with(queue, id, at, &mut buffer);
                match (wrong, hits.last_mut().filter(|_| follows)) {
                    (Some(why), Some(hit)) if hit.is_like(at, why) => hit.extend(id, at),
                    (Some(why), _) => hits.push(Hit::new(id, at, why)),
                    (None, _) => {}
                }
                follows = wrong.is_some();
                ControlFlow::Continue(())
            })?;
            for hit in hits {
                self.damage(&hit.show(&self.names.show(queue)))?;
            }
            if index.lock().live() != messages {
                let (queue, live) = (self.names.show(queue), index.lock().live());
                self.damage(&format!("{queue}: {messages} messages are there instead of {live}"))?;
            }
            let queue = self.names.show(queue);
            writeln!(self.out, "{queue}: {messages} messages, {bytes} octets of the log")?;
        }
        self.undefined()
    }

    fn wrong_with(
        &self,
        queue: QueueId,
        id: MessageId,
        at: Locator,
        buffer: &mut Vec<u8>,
    ) -> Option<&'static str> {
        match self.look.read(at, buffer) {
            Err(why) => Some(why),
            Ok(published) if published.refs().any(|r| r.queue == queue && r.id == id) => None,
            Ok(_) => Some("the record there is of other messages"),
        }
    }

    /// A crash leaves messages behind of queues that were not to survive it.
    fn undefined(&mut self) -> io::Result<()> {
        let mut left: BTreeMap<QueueId, u64> = BTreeMap::new();
        let defined = self.names.queues();
        let scanned = self.look.catalogue.scan(Tree::Pages, &[SUMMARY_KEY], &mut |key, value| {
            if let (Some((queue, _)), Some(summary)) =
                (decode_page_key(key), Summary::decode(value))
                && defined.binary_search(&queue).is_err()
            {
                *left.entry(queue).or_default() += u64::from(summary.live);
            }
            true
        });
        if scanned.is_err() {
            return Ok(()); // told with the pages
        }
        for (queue, messages) in left {
            writeln!(
                self.out,
                "note: queue {} had {messages} messages and has no definition: it was transient, \
                 or deleted; a start drops them",
                queue.0
            )?;
        }
        Ok(())
    }

    fn totals(&mut self, totals: &Totals) -> io::Result<()> {
        let Look { found, listing, position, .. } = self.look;
        let log = found.segments.all();
        let free = (listing.sound.len() + listing.others.len()).saturating_sub(log.len());
        let file_bytes: u64 = log.values().map(|segment| segment.file.bytes).sum();
        writeln!(self.out, "segments: {} in {file_bytes} octets, {free} free files", log.len())?;
        let records: u64 = totals.kinds.values().sum();
        let of = |kind: Kind| totals.kinds.get(&(kind as u8)).copied().unwrap_or_default();
        writeln!(
            self.out,
            "records: {records} ({} marks, {} messages, {} moved, {} of settlements, \
             {} definitions)",
            of(Kind::Mark),
            of(Kind::Publish),
            of(Kind::Move),
            of(Kind::Remove) + of(Kind::Count),
            of(Kind::Define) + of(Kind::Forget) + of(Kind::Drop),
        )?;
        let living: i64 = log.values().map(|segment| segment.living.bytes).sum();
        let living = u64::try_from(living).unwrap_or(0);
        let dead = totals.bytes.saturating_sub(living);
        writeln!(self.out, "log: {} octets, {living} living, {dead} dead", totals.bytes)?;
        if totals.torn_bytes > 0 {
            writeln!(
                self.out,
                "torn: {} octets at an end of the log that nobody was answered for",
                totals.torn_bytes
            )?;
        }
        if let Some(position) = position {
            writeln!(
                self.out,
                "checkpoint: segment {} offset {}, {} octets of records behind it{}",
                position.segment,
                position.offset,
                found.replayed_bytes,
                if found.clean { ", stopped in good order" } else { "" }
            )?;
        }
        let definitions = found.contents.definitions.lock().all.len();
        writeln!(self.out, "definitions: {definitions}")
    }
}

impl Totals {
    fn count(&mut self, segment: u64, offset: u64, raw: Raw<'_>) {
        *self.kinds.entry(raw.kind.map_or(0, |kind| kind as u8)).or_default() += 1;
        let makes_sense = match raw.kind {
            Some(Kind::Publish | Kind::Move) => Published::decode(raw.payload).is_some(),
            kind => kind.is_some(),
        };
        if !makes_sense {
            self.senseless.push((segment, offset, raw.bytes));
        }
    }
}

impl Hit {
    fn new(id: MessageId, at: Locator, why: &'static str) -> Self {
        let (from, to) = (at.offset(), at.offset().saturating_add(at.bytes()));
        Self { first: id, last: id, count: 1, segment: at.segment(), from, to, why }
    }

    fn is_like(&self, at: Locator, why: &str) -> bool {
        self.segment == at.segment() && self.why == why
    }

    fn extend(&mut self, id: MessageId, at: Locator) {
        self.last = id;
        self.count += 1;
        self.from = self.from.min(at.offset());
        self.to = self.to.max(at.offset().saturating_add(at.bytes()));
    }

    fn show(&self, queue: &str) -> String {
        let Self { first, last, count, segment, from, to, why } = self;
        let ids = if first == last {
            format!("message {}", first.0)
        } else {
            format!("{count} messages from {} to {}", first.0, last.0)
        };
        format!("{queue} {ids}: {why} (segment {segment} offset {from} length {})", to - from)
    }
}

fn named(names: &Names, key: &[u8]) -> String {
    match decode_page_key(key) {
        Some((queue, page)) => {
            format!("{page} (messages from {}) of {}", first_id(page).0, names.show(queue))
        }
        None => format!("with the key {}", key.escape_ascii()),
    }
}
