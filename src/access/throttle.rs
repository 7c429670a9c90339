//! Slows down whoever guesses passwords, by address and group of names, in bounded memory.
//!
//! A few mistakes are free. After that an address has to wait in front of every further check of a
//! password, each time longer, and its checks take turns. Others wait for nothing; nor does who has
//! logged in before (see `guard.rs`). Knows no passwords and no names.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use parking_lot::Mutex;

/// People mistype, and a client with an old password tries a few times before it is looked at.
const FREE_FAILURES: u32 = 10;
/// The first wait; doubled with each failure.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait in front of one check: ten guesses a minute from one address.
const WAIT_MAX: Duration = Duration::from_secs(6);
/// Whoever would have to wait longer than this for his turn is sent away instead.
const QUEUE_MAX: Duration = Duration::from_secs(12);
/// An address that has not failed for this long is forgotten.
const MEMORY: Duration = Duration::from_mins(10);
/// Addresses remembered, some 64 octets each. The one that failed longest ago gives way.
const ADDRESSES_MAX: usize = 4096;
/// Whoever has one address of IPv6 has all with the same first 64 bits.
const IPV6_NETWORK_MASK: u128 = !(u64::MAX as u128);

/// Where a guess comes from: an address, and the group of the name that is tried.
type Place = (IpAddr, u64);

/// Failed logins by address.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    addresses: Mutex<HashMap<Place, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// Checks that have been given away and not ended: they may fail as well.
    pending: u32,
    last: Instant,
    /// Until then, checks have been given away.
    free_at: Instant,
}

/// Too many checks of this address wait already.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct TooMany {
    /// After this time it may be worth another try.
    pub(super) retry_after: Duration,
}

impl Throttle {
    /// How long to wait before a password is checked, and what is to be kept until that is done.
    pub(super) fn turn(&self, place: Place, now: Instant) -> Result<Turn<'_>, TooMany> {
        let address = network(place);
        let mut addresses = self.addresses.lock();
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
            make_room(&mut addresses, now);
        }
        let fresh = Failures { count: 0, pending: 0, last: now, free_at: now };
        let failures = addresses.entry(address).or_insert(fresh);
        if now.duration_since(failures.last) > MEMORY {
            *failures = Failures { pending: failures.pending, ..fresh };
        }
        let wait = wait_after(failures.count.saturating_add(failures.pending));
        if !wait.is_zero() {
            let at = failures.free_at.max(now) + wait;
            let waits = at.duration_since(now);
            if waits > QUEUE_MAX {
                return Err(TooMany { retry_after: waits });
            }
            failures.free_at = at;
        }
        failures.pending += 1;
        let wait = if wait.is_zero() { wait } else { failures.free_at.duration_since(now) };
        Ok(Turn { wait, address, throttle: self })
    }

    /// A password was wrong. Gives how many were since the address was last forgotten.
    pub(super) fn note_failure(&self, place: Place, now: Instant) -> u32 {
        let mut addresses = self.addresses.lock();
        let Some(failures) = addresses.get_mut(&network(place)) else { return 1 };
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.count
    }
}

/// A check of a password that has not ended. Who goes away while it waits ends it too.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    /// How long to wait for it.
    pub(super) wait: Duration,
    address: Place,
    throttle: &'t Throttle,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut addresses = self.throttle.addresses.lock();
        let Some(failures) = addresses.get_mut(&self.address) else { return };
        failures.pending = failures.pending.saturating_sub(1);
        if failures.count == 0 && failures.pending == 0 {
            addresses.remove(&self.address);
        }
    }
}

fn wait_after(failures: u32) -> Duration {
    let Some(beyond) = failures.checked_sub(FREE_FAILURES) else { return Duration::ZERO };
    FIRST_WAIT.saturating_mul(1 << beyond.min(16)).min(WAIT_MAX)
}

fn make_room(addresses: &mut HashMap<Place, Failures>, now: Instant) {
    addresses.retain(|_, failures| now.duration_since(failures.last) <= MEMORY);
    if addresses.len() >= ADDRESSES_MAX {
        let oldest = addresses.iter().min_by_key(|(_, failures)| failures.last);
        if let Some(oldest) = oldest.map(|(address, _)| *address) {
            addresses.remove(&oldest);
        }
    }
}

fn network((address, group): Place) -> Place {
    let network = match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK_MASK).into(),
        address @ IpAddr::V4(_) => address,
    };
    (network, group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Place {
        (IpAddr::from([192, 0, 2, last]), 0)
    }

    /// Each fails before the next begins.
    fn failed(throttle: &Throttle, times: u32, now: Instant) {
        for _ in 0..times {
            let _turn = throttle.turn(address(1), now);
            throttle.note_failure(address(1), now);
        }
    }

    /// What a check would have to wait, which then goes well.
    fn asked(throttle: &Throttle, address: Place, now: Instant) -> Result<Duration, TooMany> {
        throttle.turn(address, now).map(|turn| turn.wait)
    }

    #[test]
    fn guessing_takes_longer_and_longer_for_that_address_only() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        failed(&throttle, FREE_FAILURES - 1, now);
        assert_eq!(asked(&throttle, address(1), now), Ok(Duration::ZERO));
        failed(&throttle, 1, now);
        assert_eq!(asked(&throttle, address(1), now), Ok(FIRST_WAIT));
        let later = now + Duration::from_secs(1);
        assert_eq!(asked(&throttle, address(1), later), Ok(FIRST_WAIT));
        failed(&throttle, 10, later);
        let later = later + QUEUE_MAX;
        assert_eq!(asked(&throttle, address(1), later), Ok(WAIT_MAX));
        assert_eq!(asked(&throttle, address(1), later), Ok(WAIT_MAX * 2));
        assert!(asked(&throttle, address(1), later).is_err(), "too many wait");
        assert_eq!(asked(&throttle, address(2), later), Ok(Duration::ZERO));
        let much_later = later + MEMORY + Duration::from_secs(1);
        assert_eq!(asked(&throttle, address(1), much_later), Ok(Duration::ZERO));
    }

    #[test]
    fn guesses_at_once_are_taken_for_wrong_until_they_end() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let turns = (0..100).map(|_| throttle.turn(address(1), now));
        let turns: Vec<_> = turns.collect();
        let is_free = |turn: &&Result<Turn<'_>, _>| turn.as_ref().is_ok_and(|t| t.wait.is_zero());
        let free = turns.iter().filter(is_free).count();
        assert_eq!(free, FREE_FAILURES as usize);
        assert!(turns.last().is_some_and(Result::is_err));
    }

    #[test]
    fn who_is_right_is_not_remembered() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(asked(&throttle, address(1), now), Ok(Duration::ZERO));
        }
        assert!(throttle.addresses.lock().is_empty());
    }

    #[test]
    fn many_addresses_take_bounded_memory() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..(ADDRESSES_MAX as u32 * 2) {
            let later = now + Duration::from_millis(number.into());
            let address = (IpAddr::V4((0x0a00_0000 + number).into()), 0);
            let _turn = throttle.turn(address, later);
            throttle.note_failure(address, later);
        }
        assert_eq!(throttle.addresses.lock().len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for host in 0..FREE_FAILURES {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host as u16);
            let _turn = throttle.turn((address.into(), 0), now);
            throttle.note_failure((address.into(), 0), now);
        }
        let other: Ipv6Addr = "2001:db8:0:1:ffff::1".parse().expect("an address");
        assert_eq!(asked(&throttle, (other.into(), 0), now), Ok(FIRST_WAIT));
        let apart: Ipv6Addr = "2001:db8:0:2::1".parse().expect("an address");
        assert_eq!(asked(&throttle, (apart.into(), 0), now), Ok(Duration::ZERO));
    }
}
