//! Power cuts at every point of a store's life: whatever a disk may have kept of what was not
//! synced, the store opens, and what it was promised to hold is there.
//!
//! `WARREN_CUTS` is how many states are tried, `WARREN_SEED` where the seeds begin.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod sim;

use std::rc::Rc;

use sim::cuts::Replay;
use sim::driver::{Driver, open};
use sim::image::DiskImage;
use sim::machine::{Event, Machine};
use sim::model::{Found, Known, Model};
use sim::random::{Random, from_environment};

/// So many states are tried unless told otherwise.
const STATES: u64 = 4_000;
/// What one run of the store does.
const STEPS: usize = 70;
/// One recovered store in so many is used, and cut again.
const AGAIN_ONE_IN: usize = 40;
/// The same after a stop in good order, and after a kill: there are few of those.
const AGAIN_CLOSED_ONE_IN: usize = 4;
const AGAIN_KILLED_ONE_IN: usize = 2;
/// And at so many points.
const AGAIN_POINTS: usize = 2;
/// At one point in so many the process is killed too.
const KILL_ONE_IN: usize = 8;
/// How often a recovered store is recovered again.
const DEPTH: u32 = 3;

/// What happened from one start of a store on.
struct Life {
    image: DiskImage,
    journal: Vec<Event>,
    model: Model,
    /// What was promised before, which is all there is until the store can be used.
    before: Option<Rc<Promised>>,
}

/// Up to some point of a life.
struct Promised {
    model: Model,
    known: Known,
}

/// What is left of a disk: what the next start sees, of which something may still be unsynced.
struct Left {
    what: String,
    live: DiskImage,
    durable: DiskImage,
    unsynced: Vec<Event>,
    again_one_in: usize,
}

#[derive(Default)]
struct Tried {
    states: u64,
    kills: u64,
    /// Starts that were used and cut again after a stop in good order.
    closed: u64,
    most: u64,
    by_depth: [u64; DEPTH as usize + 1],
}

impl Tried {
    fn is_enough(&self) -> bool {
        self.states >= self.most
    }
}

/// One run of a store that is new.
fn first_life(seed: u64) -> Life {
    let mut random = Random::new(seed);
    let machine = Machine::new(DiskImage::default());
    let (store, _) = open(&machine).expect("an empty disk");
    let clean = random.one_in(2);
    let mut driver = Driver::new(machine, store, &Found::default(), random);
    driver.work(STEPS);
    if clean {
        driver.close();
    }
    let Driver { machine, store, model, .. } = driver;
    drop(store);
    Life { image: DiskImage::default(), journal: machine.journal(), model, before: None }
}

impl Left {
    fn cut(what: String, image: DiskImage, known: &Known) -> Self {
        let closing = known.closing.is_some();
        let again_one_in = if closing { AGAIN_CLOSED_ONE_IN } else { AGAIN_ONE_IN };
        Self { what, live: image.clone(), durable: image, unsynced: Vec::new(), again_one_in }
    }

    fn killed(replay: &Replay) -> Self {
        let (live, durable, unsynced) = replay.killed();
        let what = "everything, the process was killed".to_owned();
        Self { what, live, durable, unsynced, again_one_in: AGAIN_KILLED_ONE_IN }
    }
}

impl Life {
    /// Cuts it before everything that touches the disk (`few`: only here and there) and at its
    /// end, and looks at all that may be left.
    fn cut(&self, few: bool, depth: u32, random: &mut Random, tried: &mut Tried) {
        let (mut replay, mut known) = (Replay::new(self.image.clone()), self.model.known());
        let points = self.journal.iter().filter(|event| event.touches_disk()).count() + 1;
        let keep = |random: &mut Random| !few || random.below(points) < AGAIN_POINTS;
        for (at, event) in self.journal.iter().enumerate() {
            if event.touches_disk() && keep(random) {
                self.look(at, &replay, &known, depth, random, tried);
            }
            if tried.is_enough() {
                return;
            }
            replay.step(event);
            known.learn(event);
        }
        self.look(self.journal.len(), &replay, &known, depth, random, tried);
    }

    fn look(
        &self,
        at: usize,
        replay: &Replay,
        known: &Known,
        depth: u32,
        random: &mut Random,
        tried: &mut Tried,
    ) {
        let cut = replay.survivors(self.journal.get(at), random).into_iter();
        let mut all: Vec<Left> = cut.map(|(what, image)| Left::cut(what, image, known)).collect();
        if random.one_in(KILL_ONE_IN) {
            all.push(Left::killed(replay));
            tried.kills += 1;
        }
        for left in all {
            tried.states += 1;
            tried.by_depth[depth as usize] += 1;
            let next = self.recover(&left, known, depth, random);
            let next = next.unwrap_or_else(|problem| {
                let total = self.journal.len();
                for (number, event) in self.journal.iter().enumerate().take(at) {
                    eprintln!("{number}: {event}");
                }
                let what = &left.what;
                panic!("cut {at} of {total}, start {depth}, {known:?}, kept {what}: {problem}")
            });
            if let Some(next) = next {
                tried.closed += u64::from(known.closing.is_some());
                next.cut(true, depth + 1, random, tried);
            }
        }
    }

    /// Starts a store on what is left, compares, and uses it; gives that life if it is to be cut
    /// too.
    fn recover(
        &self,
        left: &Left,
        known: &Known,
        depth: u32,
        random: &mut Random,
    ) -> Result<Option<Life>, String> {
        let machine = Machine::new(left.live.clone());
        let (store, start) = open(&machine).map_err(|error| format!("refused: {error}"))?;
        let (found, before) = match &self.before {
            Some(before) if !known.opened => {
                (before.model.check(&before.known, &store, &start)?, before.clone())
            }
            _ => {
                let found = self.model.check(known, &store, &start)?;
                // A stop in good order is one for the next start only.
                let known = Known { closed: false, ..known.clone() };
                (found, Rc::new(Promised { model: self.model.clone(), known }))
            }
        };
        let again = depth < DEPTH && random.one_in(left.again_one_in);
        let mut driver = Driver::new(machine, store, &found, Random::new(random.next()));
        driver.work(if again { 25 } else { 2 });
        driver.settle();
        if driver.store.has_failed() {
            return Err("the disk is said to fail".to_owned());
        }
        let Driver { machine, store, model, .. } = driver;
        drop(store);
        let image = left.durable.clone();
        Ok(again.then(|| {
            let journal = [left.unsynced.clone(), machine.journal()].concat();
            Life { image, journal, model, before: Some(before) }
        }))
    }
}

#[test]
fn whatever_a_power_cut_leaves_the_store_keeps_its_promises() {
    let most = from_environment("WARREN_CUTS").unwrap_or(STATES);
    let mut tried = Tried { most, ..Tried::default() };
    let first = from_environment("WARREN_SEED").unwrap_or(1);
    let mut seed = first;
    while !tried.is_enough() {
        eprintln!("WARREN_SEED={seed}");
        let life = first_life(seed);
        life.cut(false, 0, &mut Random::new(seed), &mut tried);
        seed += 1;
    }
    let Tried { states, kills, closed, by_depth, .. } = tried;
    let lives = seed - first;
    eprintln!("{states} states of {lives} lives, by starts {by_depth:?}, {kills} kills, {closed}");
    let reached = kills > 30 && closed > 0 && by_depth.iter().all(|states| *states > 30);
    assert!(states >= most && (reached || most < STATES));
}
