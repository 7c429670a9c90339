//! `warren dump`: what a data directory holds, one line per thing, to be searched.
//!
//! A line begins with what it is about: `catalogue`, `segment`, `definition`, `queue`, `message`,
//! `record`, `damage`. Nothing is kept but what a start keeps too.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::QueueId;
use super::catalogue::Tree;
use super::inspect::{DumpOptions, EXIT_DAMAGED, EXIT_SOUND, Look};
use super::inspect_text::{Names, Runs, definition, message, plain, record};
use super::locator::Locator;
use super::meta;
use super::record::{Place, Raw};
use super::scan::Damage;
use crate::message::{Attempts, MessageId};

/// A dump of one data directory.
pub(super) struct Dumping<'a> {
    look: &'a Look,
    out: &'a mut dyn Write,
    names: Names,
    damaged: bool,
}

impl<'a> Dumping<'a> {
    /// Of what was opened.
    pub(super) fn new(look: &'a Look, out: &'a mut dyn Write) -> Self {
        let names = Names::of(&look.found.contents);
        Self { look, out, names, damaged: false }
    }

    /// Writes down what is asked for; gives the exit code.
    pub(super) fn run(mut self, options: &DumpOptions) -> io::Result<u8> {
        self.catalogue()?;
        self.segments()?;
        self.definitions()?;
        self.queues(options)?;
        if options.records {
            self.records()?;
        }
        for damage in &self.look.found.damage {
            self.damage_of(damage)?;
        }
        Ok(if self.damaged { EXIT_DAMAGED } else { EXIT_SOUND })
    }

    fn damage(&mut self, what: &str) -> io::Result<()> {
        self.damaged = true;
        writeln!(self.out, "damage {what}")
    }

    fn damage_of(&mut self, damage: &Damage) -> io::Result<()> {
        let Damage { file, offset, bytes, what } = damage;
        self.damage(&format!("{file} offset={offset} length={bytes}: {what}"))
    }

    fn catalogue(&mut self) -> io::Result<()> {
        if let Some(why) = &self.look.catalogue_lost {
            return self.damage(&format!("the catalogue: {}", plain(why)));
        }
        let mut lines = Vec::new();
        let scanned = self.look.catalogue.scan(Tree::Meta, &[], &mut |key, value| {
            // Who knows the salt can make up bodies that pass for records; dumps are passed on.
            let shown = if key == meta::SALT { "secret".to_owned() } else { meta::show(value) };
            lines.push(format!("catalogue {} {shown}", key.escape_ascii()));
            true
        });
        lines.iter().try_for_each(|line| writeln!(self.out, "{line}"))?;
        match scanned {
            Ok(()) => Ok(()),
            Err(error) => self.damage(&format!("the catalogue: {error}")),
        }
    }

    fn segments(&mut self) -> io::Result<()> {
        let log = self.look.found.segments.all();
        for (number, segment) in &log {
            writeln!(
                self.out,
                "segment {number} file={} file-bytes={} living={} living-bytes={}",
                segment.file.name, segment.file.bytes, segment.living.items, segment.living.bytes
            )?;
        }
        let listing = &self.look.listing;
        for file in listing.sound.values().map(|(file, _)| file).chain(&listing.others) {
            if !log.values().any(|segment| segment.file.name == file.name) {
                writeln!(self.out, "segment free file={} file-bytes={}", file.name, file.bytes)?;
            }
        }
        Ok(())
    }

    fn definitions(&mut self) -> io::Result<()> {
        for (key, defined) in &self.look.found.contents.definitions.lock().all {
            let line = definition(key, &defined.value);
            writeln!(self.out, "definition segment={} {line}", defined.segment)?;
        }
        Ok(())
    }

    fn queues(&mut self, options: &DumpOptions) -> io::Result<()> {
        for queue in self.names.queues() {
            let had = self.look.found.queues.get(&queue).cloned().unwrap_or_default();
            let mut ids = Runs::default();
            self.each_message(queue, &mut |id, _, _| {
                ids.push(id);
                ControlFlow::Continue(())
            })?;
            let (name, ids) = (self.names.show(queue), ids.end());
            writeln!(
                self.out,
                "{name} messages={} last={} delivered-to={} ids={ids}",
                had.count(),
                had.last,
                had.delivered_to
            )?;
            let wanted = match &options.queue {
                Some(wanted) => self.names.is(queue, wanted),
                None => options.messages,
            };
            if wanted {
                self.messages(queue)?;
            }
        }
        Ok(())
    }

    fn messages(&mut self, queue: QueueId) -> io::Result<()> {
        let (name, mut buffer, mut bad) = (self.names.show(queue), Vec::new(), false);
        let out = &mut *self.out;
        let index = self.look.found.contents.index(queue);
        let Some(index) = index else { return Ok(()) };
        self.look.each_message(&mut index.lock(), &mut |id, at, _| {
            let head = format!("message {} of {name} at {}:{}", id.0, at.segment(), at.offset());
            let written = match self.look.read(at, &mut buffer) {
                Ok(published) => writeln!(out, "{head} {}", message(&published)),
                Err(why) => {
                    bad = true;
                    writeln!(out, "damage {head}: {why}")
                }
            };
            written.map_or_else(ControlFlow::Break, ControlFlow::Continue)
        })?;
        self.damaged |= bad;
        Ok(())
    }

    fn each_message(
        &self,
        queue: QueueId,
        each: &mut dyn FnMut(MessageId, Locator, Attempts) -> ControlFlow<io::Error>,
    ) -> io::Result<()> {
        match self.look.found.contents.index(queue) {
            Some(index) => self.look.each_message(&mut index.lock(), each),
            None => Ok(()),
        }
    }

    fn records(&mut self) -> io::Result<()> {
        for (number, segment) in self.look.found.segments.all() {
            let (out, mut written) = (&mut *self.out, Ok(()));
            let scanned =
                self.look.scan(number, &segment.file, &mut |place: Place, raw: Raw<'_>| {
                    if written.is_ok() {
                        written = writeln!(out, "{}", record(place, raw));
                    }
                });
            written?;
            let file = &segment.file.name;
            let damage = match scanned {
                Ok(scanned) => scanned.damage,
                Err(error) => {
                    self.damage(&format!("{file}: {error}"))?;
                    continue;
                }
            };
            for damage in &damage {
                self.damage_of(damage)?;
            }
        }
        Ok(())
    }
}
