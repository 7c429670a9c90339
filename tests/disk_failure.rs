//! A disk that fails: after a write or sync that has failed nothing is promised any more, and what
//! was promised is there. A disk that is full: everything waits, and goes on once there is room.
//!
//! `WARREN_SEED` is where the seeds begin, `WARREN_FAULTS` after how many operations each time the
//! next fault is tried (1: after every single one).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod sim;

use std::sync::Arc;

use sim::cuts::Replay;
use sim::driver::{Driver, open};
use sim::image::DiskImage;
use sim::machine::{Failing, Fault, Machine};
use sim::model::Found;
use sim::random::{Random, from_environment};

/// What one run of the store does.
const STEPS: usize = 120;
/// The thread whose failures are the end.
const COMMIT: &str = "commit";

/// A store on an empty disk that fails as told, used until it has failed or has done all.
fn life(seed: u64, fault: Option<Fault>) -> Driver {
    let machine = Machine::new(DiskImage::default());
    let (store, _) = open(&machine).expect("an empty disk");
    machine.set_fault(fault);
    let mut driver = Driver::new(machine, store, &Found::default(), Random::new(seed));
    driver.work(STEPS);
    driver.settle();
    driver
}

/// How many operations a run has that such a fault counts, and how many of them the start.
fn operations(seed: u64, failing: Failing) -> std::ops::Range<u64> {
    let machine = Machine::new(DiskImage::default());
    drop(open(&machine).expect("an empty disk"));
    let before = machine.counted(failing);
    let driver = life(seed, None);
    before..driver.machine.counted(failing)
}

/// Ends the store, and starts others on what its disk may hold.
fn check(mut driver: Driver, random: &mut Random, what: &str) {
    let clean = !driver.store.has_failed() && random.one_in(2);
    if clean {
        driver.close();
    }
    let Driver { machine, store, model, .. } = driver;
    drop(store);
    let (mut replay, mut known) = (Replay::new(DiskImage::default()), model.known());
    for event in machine.journal() {
        replay.step(&event);
        known.learn(&event);
    }
    for (kept, image) in replay.survivors(None, random) {
        let machine = Machine::new(image);
        let (store, start) = open(&machine).unwrap_or_else(|e| panic!("{what}, {kept}: {e}"));
        if let Err(problem) = model.check(&known, &store, &start) {
            panic!("{what}, kept {kept}, {known:?}: {problem}");
        }
    }
}

fn seeds() -> (u64, usize) {
    let every = from_environment("WARREN_FAULTS").unwrap_or(2);
    (from_environment("WARREN_SEED").unwrap_or(1), every as usize)
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_promised_and_all_promises_hold() {
    let (seed, every) = seeds();
    let mut random = Random::new(seed);
    let (mut tried, mut ended) = (0, 0);
    for from in operations(seed, Failing::Log).step_by(every) {
        // Once: a second try would seem to succeed.
        let times = if random.one_in(2) { 1 } else { u64::MAX };
        let mut driver = life(seed, Some(Fault { failing: Failing::Log, from, times }));
        let what = format!("WARREN_SEED={seed}, EIO after {from} operations");
        let fatal = driver.machine.failed_on().iter().any(|thread| thread == COMMIT);
        assert_eq!(driver.store.has_failed(), fatal, "{what}");
        if fatal {
            driver.machine.set_fault(None);
            driver.declare(true);
            driver.publish();
            let kept = driver.machine.journal().len();
            driver.settle();
            assert_eq!(driver.machine.journal().len(), kept + 1, "{what}: something was written");
        }
        tried += 1;
        ended += u64::from(fatal);
        check(driver, &mut random, &what);
    }
    eprintln!("{tried} failures, {ended} of them the end");
    assert!(tried > 20 && ended > tried / 2);
}

#[test]
fn a_start_on_a_failing_disk_is_refused_and_loses_nothing() {
    let (seed, _) = seeds();
    let mut random = Random::new(seed);
    let Driver { machine, store, model, .. } = life(seed, None);
    drop(store);
    let (mut replay, mut known) = (Replay::new(DiskImage::default()), model.known());
    for event in machine.journal() {
        replay.step(&event);
        known.learn(&event);
    }
    for (kept, image) in replay.survivors(None, &mut random) {
        for from in 0.. {
            let machine = Machine::new(image.clone());
            machine.set_fault(Some(Fault { failing: Failing::Log, from, times: 1 }));
            let opened = open(&machine);
            let refused = opened.is_err();
            drop(opened);
            let mut after = Replay::new(image.clone());
            machine.journal().iter().for_each(|event| after.step(event));
            for (again, image) in after.survivors(None, &mut random) {
                let (store, start) = open(&Machine::new(image)).expect("the disk works again");
                if let Err(problem) = model.check(&known, &store, &start) {
                    panic!("WARREN_SEED={seed}, {kept}, EIO after {from}, {again}: {problem}");
                }
            }
            if !refused {
                assert!(from > 0, "a start neither writes nor syncs");
                break;
            }
        }
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    let (seed, every) = seeds();
    let mut random = Random::new(seed);
    let (mut tried, mut waited) = (0, 0);
    for from in operations(seed, Failing::Space).step_by(every) {
        let fault = Fault { failing: Failing::Space, from, times: u64::MAX };
        let driver = life(seed, Some(fault));
        let what = format!("WARREN_SEED={seed}, ENOSPC after {from} operations");
        let concerned = driver.machine.failed_on().iter().any(|thread| thread == COMMIT);
        assert!(!driver.store.has_failed(), "{what}: given up");
        assert!(!driver.store.is_out_of_space(), "{what}: there is room again");
        assert_eq!(driver.was_full, concerned, "{what}");
        let files = driver.machine.files().list().expect("a list").len();
        tried += 1;
        waited += u64::from(concerned);
        driver.machine.set_fault(None);
        assert!(files < 40, "{what}: {files} files");
        check(driver, &mut random, &what);
    }
    eprintln!("{tried} full disks, {waited} of them waited for");
    assert!(tried > 10 && waited > tried / 2);
}

#[test]
fn a_catalogue_that_fails_costs_nothing() {
    let (seed, _) = seeds();
    let mut random = Random::new(seed);
    let mut tried = 0;
    for from in operations(seed, Failing::Catalogue) {
        let times = 1 + random.below(6) as u64;
        let driver = life(seed, Some(Fault { failing: Failing::Catalogue, from, times }));
        let what = format!("WARREN_SEED={seed}, catalogue fails after {from}, {times} times");
        assert!(!driver.store.has_failed(), "{what}");
        driver.machine.set_fault(None);
        tried += u64::from(!driver.machine.failed_on().is_empty());
        check(driver, &mut random, &what);
    }
    eprintln!("{tried} failures");
    assert!(tried > 5);
}

#[test]
fn a_start_on_a_full_disk_waits_for_room() {
    let machine = Machine::new(DiskImage::default());
    machine.set_fault(Some(Fault { failing: Failing::Space, from: 0, times: 3 }));
    let (store, _) = open(&machine).expect("there is room in the end");
    assert!(machine.failed_on().len() >= 3);
    assert!(!store.is_out_of_space());
    drop(Arc::clone(&store));
}
