//! Slows down whoever guesses passwords, by address, in bounded memory.
//!
//! A few mistakes are free. After that an address has to wait in front of every further check of a
//! password, each time longer, and its checks take turns. Others wait for nothing; nor does who has
//! logged in before (see `login.rs`). Knows no passwords and no names.

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

/// Failed logins by address.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    addresses: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
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
    /// How long to wait before a password is checked.
    pub(super) fn turn(&self, address: IpAddr, now: Instant) -> Result<Duration, TooMany> {
        let mut addresses = self.addresses.lock();
        let Some(failures) = addresses.get_mut(&network(address)) else {
            return Ok(Duration::ZERO);
        };
        if now.duration_since(failures.last) > MEMORY {
            return Ok(Duration::ZERO);
        }
        let wait = wait_after(failures.count);
        if wait.is_zero() {
            return Ok(wait);
        }
        let at = failures.free_at.max(now) + wait;
        let waits = at.duration_since(now);
        if waits > QUEUE_MAX {
            return Err(TooMany { retry_after: waits });
        }
        failures.free_at = at;
        Ok(waits)
    }

    /// A password was wrong. Gives how many were since the address was last forgotten.
    pub(super) fn note_failure(&self, address: IpAddr, now: Instant) -> u32 {
        let address = network(address);
        let mut addresses = self.addresses.lock();
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
            make_room(&mut addresses, now);
        }
        let fresh = Failures { count: 0, last: now, free_at: now };
        let failures = addresses.entry(address).or_insert(fresh);
        if now.duration_since(failures.last) > MEMORY {
            *failures = fresh;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.count
    }
}

fn wait_after(failures: u32) -> Duration {
    let Some(beyond) = failures.checked_sub(FREE_FAILURES) else { return Duration::ZERO };
    FIRST_WAIT.saturating_mul(1 << beyond.min(16)).min(WAIT_MAX)
}

fn make_room(addresses: &mut HashMap<IpAddr, Failures>, now: Instant) {
    addresses.retain(|_, failures| now.duration_since(failures.last) <= MEMORY);
    if addresses.len() >= ADDRESSES_MAX {
        let oldest = addresses.iter().min_by_key(|(_, failures)| failures.last);
        if let Some(oldest) = oldest.map(|(address, _)| *address) {
            addresses.remove(&oldest);
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK_MASK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn failed(throttle: &Throttle, times: u32, now: Instant) {
        for _ in 0..times {
            throttle.note_failure(address(1), now);
        }
    }

    #[test]
    fn guessing_takes_longer_and_longer_for_that_address_only() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        failed(&throttle, FREE_FAILURES - 1, now);
        assert_eq!(throttle.turn(address(1), now), Ok(Duration::ZERO));
        failed(&throttle, 1, now);
        assert_eq!(throttle.turn(address(1), now), Ok(FIRST_WAIT));
        failed(&throttle, 100, now);
        let later = now + Duration::from_secs(1);
        assert_eq!(throttle.turn(address(1), later), Ok(WAIT_MAX));
        assert_eq!(throttle.turn(address(1), later), Ok(WAIT_MAX * 2));
        assert!(throttle.turn(address(1), later).is_err(), "too many wait");
        assert_eq!(throttle.turn(address(2), later), Ok(Duration::ZERO));
        let much_later = now + MEMORY + Duration::from_secs(1);
        assert_eq!(throttle.turn(address(1), much_later), Ok(Duration::ZERO));
        assert_eq!(throttle.note_failure(address(1), much_later), 1);
    }

    #[test]
    fn many_addresses_take_bounded_memory() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..(ADDRESSES_MAX as u32 * 2) {
            let later = now + Duration::from_millis(number.into());
            throttle.note_failure(IpAddr::V4((0x0a00_0000 + number).into()), later);
        }
        assert_eq!(throttle.addresses.lock().len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for host in 0..FREE_FAILURES {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host as u16);
            throttle.note_failure(address.into(), now);
        }
        let other: Ipv6Addr = "2001:db8:0:1:ffff::1".parse().expect("an address");
        assert_eq!(throttle.turn(other.into(), now), Ok(FIRST_WAIT));
        let apart: Ipv6Addr = "2001:db8:0:2::1".parse().expect("an address");
        assert_eq!(throttle.turn(apart.into(), now), Ok(Duration::ZERO));
    }
}
