//! Damaged files: whatever happens to one of them while the broker is down, it starts or says
//! which file it is that keeps it from starting; it never gives a wrong body, and gives everything
//! that was not hit.
//!
//! `WARREN_DAMAGES` is how many cases each test tries, `WARREN_SEED` where the seeds begin.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod sim;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sim::model::{body_of, exchange_definition, queue_definition, read_all};
use sim::random::{Random, from_environment};
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;
use warren::message::{Body, Message, MessageId, Seq, address};
use warren::outbox::Wakes;
use warren::store::{DataDirectory, QueueId, Recovered, Store, StoreError, StoreOptions};

const CASES: u64 = 30;
const MESSAGES: u64 = 300;
/// Small, so that there are several.
const SEGMENT_BYTES: u64 = 256 * 1024;
const QUEUE: QueueId = QueueId(1);
const EXCHANGES: usize = 5;
const DEADLINE: Duration = Duration::from_secs(30);
/// The first record of a segment.
const DATA_START: u64 = 4096;

type Bodies = BTreeMap<u64, Vec<u8>>;

/// A store that was stopped, and what it holds.
struct Stopped {
    directory: TempDir,
    bodies: Bodies,
    /// The last batch: without a stop in good order it cannot be told from one that was torn.
    last_batch: Range<u64>,
    /// The last two: if the end of one is hit together with the mark of the other, nothing proves
    /// that the first had been synced.
    last_batches: Range<u64>,
}

fn open(path: &Path) -> Result<(Arc<Store>, Recovered), StoreError> {
    let options = StoreOptions { segment_bytes: SEGMENT_BYTES, ..StoreOptions::default() };
    Store::open_directory(DataDirectory::open(path).expect("a directory"), options)
}

fn settle(store: &Store, seq: Seq, wakes: &mut Wakes) {
    wakes.flush();
    let until = Instant::now() + DEADLINE;
    while !store.is_settled(seq) {
        assert!(Instant::now() < until, "{seq:?} is not settled");
        std::thread::yield_now();
    }
}

/// Fills several segments. `checkpoint`: after which message one is made, if any.
fn stopped(random: &mut Random, checkpoint: Option<u64>, clean: bool) -> Stopped {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, _) = open(directory.path()).expect("a new one");
    let (mut wakes, mut bodies, mut batch_from) = (Wakes::default(), Bodies::new(), 1);
    let queue = queue_definition(store.new_queue_id());
    store.define(queue.key(), queue.value(), &mut wakes);
    for name in 0..EXCHANGES {
        let exchange = exchange_definition(name, 1);
        store.define(exchange.key(), exchange.value(), &mut wakes);
    }
    let (mut last_batch, mut last_batches) = (0..0, 0..0);
    for id in 1..=MESSAGES {
        let large = if random.one_in(4) { 20_000 } else { 2_000 };
        let size = random.below(large);
        let body = random.octets(size);
        let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(&body), true);
        let seq = store.append(QUEUE, MessageId(id), &message, &mut wakes);
        bodies.insert(id, body);
        if random.one_in(8) || id == MESSAGES {
            settle(&store, seq, &mut wakes);
            last_batches = last_batch.start..id + 1;
            last_batch = batch_from..id + 1;
            batch_from = id + 1;
            if random.one_in(3) && id > 20 && id < MESSAGES {
                let gone = id - random.below(15) as u64;
                if bodies.remove(&gone).is_some() {
                    store.remove(QUEUE, &[(MessageId(gone), Seq::ON_DISK)], &mut wakes);
                }
            }
        }
        if checkpoint == Some(id) {
            store.tidy_now().expect("a checkpoint");
        }
    }
    if clean {
        store.close(&[(QUEUE, 0)]);
    }
    drop(store);
    Stopped { directory, bodies, last_batch, last_batches }
}

impl Stopped {
    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().expect("a directory");
        let mut left = vec![PathBuf::new()];
        while let Some(folder) = left.pop() {
            fs::create_dir_all(copy.path().join(&folder)).expect("made");
            for entry in fs::read_dir(self.directory.path().join(&folder)).expect("a folder") {
                let entry = entry.expect("an entry");
                let inside = folder.join(entry.file_name());
                if entry.file_type().expect("a type").is_dir() {
                    left.push(inside);
                } else {
                    fs::copy(entry.path(), copy.path().join(inside)).expect("copied");
                }
            }
        }
        copy
    }
}

/// The files of the log that hold something, with where each ends.
fn segments(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory.join("log")).expect("the log") {
        let path = entry.expect("an entry").path();
        let octets = fs::read(&path).expect("a file");
        let end = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last as u64 + 1);
        let number = octets.get(16..24).map(|n| u64::from_le_bytes(n.try_into().expect("eight")));
        if end > DATA_START && number.is_some_and(|number| number > 0) {
            found.push((number, path, end));
        }
    }
    found.sort();
    found.into_iter().map(|(_, path, end)| (path, end)).collect()
}

/// What the store logs while something runs on this thread.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What a start on a damaged copy came to.
struct After {
    /// Ids that did not come back.
    lost: Vec<u64>,
    /// Everything that was said of it.
    said: String,
    definitions: usize,
    refused: bool,
}

/// Starts on a damaged copy, reads everything, uses it, and starts again.
fn start(stopped: &Stopped, path: &Path, what: &str) -> After {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::ERROR)
        .with_ansi(false)
        .with_writer(logged.clone())
        .finish();
    let mut after = tracing::subscriber::with_default(subscriber, || {
        let (store, recovered) = match open(path) {
            Ok(opened) => opened,
            Err(error) => {
                let (lost, said) = (Vec::new(), error.to_string());
                return After { lost, said, definitions: 0, refused: true };
            }
        };
        let found: Bodies = read_all(&store, QUEUE)
            .into_iter()
            .map(|(id, message, _)| (id.0, body_of(&message).to_vec()))
            .collect();
        for (id, body) in &found {
            if let Some(expected) = stopped.bodies.get(id) {
                assert!(body == expected, "{what}: {id} has another body");
            }
        }
        let lost = stopped.bodies.keys().filter(|id| !found.contains_key(id)).copied().collect();
        let definitions = recovered.definitions.len();
        goes_on(&store, &recovered, what);
        drop(store);
        let said = recovered.damage.iter().map(|d| format!("{} {} {}\n", d.file, d.offset, d.what));
        let again = open(path).unwrap_or_else(|error| panic!("{what}, the second time: {error}"));
        assert_eq!(again.1.definitions.len(), definitions, "{what}");
        After { lost, said: said.collect(), definitions, refused: false }
    });
    after.said.push_str(&String::from_utf8_lossy(&logged.0.lock()));
    after
}

/// A damaged store takes messages like any other.
fn goes_on(store: &Store, recovered: &Recovered, what: &str) {
    let mut wakes = Wakes::default();
    let last = recovered.queues.get(&QUEUE).map_or(0, |queue| queue.last);
    let id = MessageId(last.max(MESSAGES) + 1);
    let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(b"new"), true);
    let seq = store.append(QUEUE, id, &message, &mut wakes);
    settle(store, seq, &mut wakes);
    let read = read_all(store, QUEUE);
    assert!(read.last().is_some_and(|(last, ..)| *last == id), "{what}: {id:?} cannot be read");
}

fn cases() -> (u64, u64) {
    let seed = from_environment("WARREN_SEED").unwrap_or(1);
    (seed, from_environment("WARREN_DAMAGES").unwrap_or(CASES))
}

/// Stores with no checkpoint, with one in the middle, and stopped in good order.
fn stores(random: &mut Random) -> Vec<(Stopped, &'static str, bool)> {
    vec![
        (stopped(random, None, false), "no checkpoint", false),
        (stopped(random, Some(MESSAGES / 2), false), "a checkpoint in the middle", false),
        (stopped(random, Some(MESSAGES / 3), true), "stopped in good order", true),
    ]
}

#[test]
fn one_bit_costs_one_message_at_the_most_and_its_place_is_told() {
    let (seed, cases) = cases();
    let mut random = Random::new(seed);
    let stores = stores(&mut random);
    let mut hit = 0;
    for case in 0..cases {
        let (stopped, kind, clean) = &stores[case as usize % stores.len()];
        let copy = stopped.copy();
        let segments = segments(copy.path());
        assert!(segments.len() > 2, "{} segments are too few", segments.len());
        let (file, end) = &segments[random.below(segments.len())];
        let range = if random.one_in(4) { 0..64 } else { DATA_START as usize..*end as usize };
        let (at, bit) = (range.start + random.below(range.len()), random.below(8));
        let mut octets = fs::read(file).expect("read");
        octets[at] ^= 1 << bit;
        fs::write(file, octets).expect("written");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let what = format!("WARREN_SEED={seed}, {kind}, bit {bit} of octet {at} of {name}");
        let after = start(stopped, copy.path(), &what);
        assert!(!after.refused, "{what}: {}", after.said);
        let in_tail = !clean && after.lost.iter().all(|id| stopped.last_batch.contains(id));
        assert!(after.lost.len() <= 1 || in_tail, "{what}: lost {:?}", after.lost);
        assert_eq!(after.definitions, 1 + EXCHANGES, "{what}");
        if !after.lost.is_empty() && !in_tail {
            hit += 1;
            assert!(after.said.contains(&name), "{what}: lost, but told only: {}", after.said);
        }
    }
    eprintln!("{hit} of {cases} bits hit a message");
    assert!(hit > 0 || cases < CASES);
}

#[test]
fn what_is_left_of_a_log_comes_back() {
    let (seed, cases) = cases();
    let mut random = Random::new(seed + 1);
    let stores = stores(&mut random);
    for case in 0..cases {
        let (stopped, kind, clean) = &stores[case as usize % stores.len()];
        let copy = stopped.copy();
        let segments = segments(copy.path());
        let number = random.below(segments.len());
        let (file, end) = &segments[number];
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let how = random.below(4);
        let done = match how {
            0 => {
                let bytes = random.below(*end as usize) as u64;
                let file = fs::OpenOptions::new().write(true).open(file).expect("opened");
                file.set_len(bytes).expect("cut");
                format!("cut to {bytes}")
            }
            1 => {
                fs::remove_file(file).expect("removed");
                "removed".to_owned()
            }
            2 => {
                let mut octets = fs::read(file).expect("read");
                octets[..DATA_START as usize].copy_from_slice(&random.octets(4096));
                fs::write(file, octets).expect("written");
                "header destroyed".to_owned()
            }
            _ => {
                let mut octets = fs::read(file).expect("read");
                let at = DATA_START as usize + random.below(*end as usize - DATA_START as usize);
                let to = octets.len().min(at + 4096);
                octets[at..to].copy_from_slice(&random.octets(to - at));
                fs::write(file, octets).expect("written");
                format!("4,096 octets overwritten at {at}")
            }
        };
        let last = number + 1 == segments.len();
        let what = format!("WARREN_SEED={seed}, {kind}, {name} ({number}) {done}");
        let after = start(stopped, copy.path(), &what);
        assert!(!after.refused, "{what}: {}", after.said);
        // A file that nothing else knows of yet may as well never have been made.
        let unknown = how == 1 && !clean;
        let batches = if how == 3 { &stopped.last_batches } else { &stopped.last_batch };
        let in_batch = after.lost.iter().all(|id| batches.contains(id));
        let in_tail = last && (in_batch || unknown);
        if how == 2 {
            assert!(after.lost.is_empty() && after.said.contains(&name), "{what}: {}", after.said);
        } else if !after.lost.is_empty() && !in_tail {
            let told = after.said.contains(&name) || how == 1 && after.said.contains("is missing");
            assert!(told, "{what}: lost {:?}, but told only: {}", after.lost, after.said);
        }
        // Without a checkpoint the definitions are in the first segment only.
        let defined = after.definitions == 1 + EXCHANGES;
        assert!(defined || number == 0 && !after.said.is_empty(), "{what}: {}", after.said);
        let kept = stopped.bodies.len() - after.lost.len();
        let enough = stopped.bodies.len() / segments.len() / 2;
        assert!(kept > enough || !defined, "{what}: only {kept} are left: {}", after.said);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let mut random = Random::new(1);
    let stopped = stopped(&mut random, None, false);
    let copy = stopped.copy();
    let (file, _) = segments(copy.path()).swap_remove(1);
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("made");
    let after = start(&stopped, copy.path(), "a directory instead of a file");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(after.refused && after.said.contains(&name), "{}", after.said);
}

#[test]
fn a_damaged_catalogue_is_made_anew_or_named() {
    let (seed, cases) = cases();
    let mut random = Random::new(seed + 2);
    let stores = stores(&mut random);
    for case in 0..cases {
        let (stopped, kind, _) = &stores[case as usize % stores.len()];
        let copy = stopped.copy();
        let catalogue = copy.path().join("catalogue");
        let files: Vec<PathBuf> = fs::read_dir(&catalogue)
            .expect("the catalogue")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_file())
            .collect();
        let file = &files[random.below(files.len())];
        let done = match random.below(4) {
            0 => {
                fs::remove_dir_all(&catalogue).expect("removed");
                "all removed".to_owned()
            }
            1 => {
                fs::remove_file(file).expect("removed");
                format!("{} removed", file.display())
            }
            2 => {
                let bytes = fs::metadata(file).expect("there").len() as usize;
                fs::write(file, random.octets(bytes.max(1))).expect("written");
                format!("{} overwritten", file.display())
            }
            _ => {
                let mut octets = fs::read(file).expect("read");
                let used = octets.iter().rposition(|octet| *octet != 0).map_or(1, |last| last + 1);
                let at = random.below(used);
                octets[at] ^= 1 << random.below(8);
                fs::write(file, octets).expect("written");
                format!("{} has another octet at {at} of {used}", file.display())
            }
        };
        let what = format!("WARREN_SEED={seed}, {kind}, {done}");
        let after = start(stopped, copy.path(), &what);
        if after.refused {
            assert!(after.said.contains("catalogue"), "{what}: {}", after.said);
            continue;
        }
        assert!(after.lost.is_empty(), "{what}: lost {:?}: {}", after.lost, after.said);
        assert_eq!(after.definitions, 1 + EXCHANGES, "{what}: {}", after.said);
    }
}
