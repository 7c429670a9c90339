//! Heartbeats (0-9-1, 4.2.7): shows life to a peer, and tells when the peer shows none.
//!
//! Any traffic counts. The clock comes from outside as ticks; this counts them.

use std::time::Duration;

use crate::amqp::frame::FRAME_OVERHEAD_BYTES;

/// How often a connection without heartbeats looks after itself.
const HOUSEKEEPING: Duration = Duration::from_secs(30);
/// Ticks in an agreed interval.
const TICKS_PER_INTERVAL: u32 = 2;
/// Intervals of silence after which a peer is dead.
const SILENT_INTERVALS_MAX: u32 = 2;

/// The heartbeat of one connection.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    /// Seconds; 0 for none.
    interval: u16,
    ticks: u32,
    sent_bytes: u64,
    received_bytes: u64,
    silent_intervals: u32,
}

/// What a tick asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beat {
    Nothing,
    Send,
    Dead,
}

impl Heartbeat {
    pub(super) fn new(interval: u16) -> Self {
        Self { interval, ..Self::default() }
    }

    /// The time between ticks.
    pub(super) fn period(&self) -> Duration {
        match self.interval {
            0 => HOUSEKEEPING,
            seconds => Duration::from_secs(seconds.into()) / TICKS_PER_INTERVAL,
        }
    }

    /// Counts a tick. `sent` and `received` are what the connection has moved in all, in octets;
    /// `deaf` while we do not read ourselves.
    pub(super) fn tick(&mut self, sent: u64, received: u64, deaf: bool) -> Beat {
        if self.interval == 0 {
            return Beat::Nothing;
        }
        self.ticks += 1;
        if deaf {
            self.silent_intervals = 0;
        } else if self.ticks.is_multiple_of(TICKS_PER_INTERVAL) {
            let silent = received == self.received_bytes;
            self.silent_intervals = if silent { self.silent_intervals + 1 } else { 0 };
            self.received_bytes = received;
        }
        if self.silent_intervals >= SILENT_INTERVALS_MAX {
            return Beat::Dead;
        }
        let quiet = sent == self.sent_bytes;
        // The beat itself is no traffic that would make the next one unnecessary.
        self.sent_bytes = if quiet { sent + FRAME_OVERHEAD_BYTES as u64 } else { sent };
        if quiet { Beat::Send } else { Beat::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_sender_beats_at_every_tick() {
        let mut heartbeat = Heartbeat::new(10);
        assert_eq!(heartbeat.period(), Duration::from_secs(5));
        assert_eq!(heartbeat.tick(100, 1, false), Beat::Nothing);
        assert_eq!(heartbeat.tick(100, 2, false), Beat::Send);
        assert_eq!(heartbeat.tick(108, 3, false), Beat::Send);
        assert_eq!(heartbeat.tick(117, 4, false), Beat::Nothing);
    }

    #[test]
    fn two_silent_intervals_are_death() {
        let mut heartbeat = Heartbeat::new(10);
        let received = [1, 1, 1, 1, 1, 1];
        let beats: Vec<_> =
            received.iter().zip(1..).map(|(&r, sent)| heartbeat.tick(sent, r, false)).collect();
        assert_eq!(beats.iter().position(|beat| *beat == Beat::Dead), Some(5));
    }

    #[test]
    fn who_does_not_read_cannot_call_the_peer_silent() {
        let mut heartbeat = Heartbeat::new(10);
        assert!((1..100).all(|sent| heartbeat.tick(sent, 1, true) == Beat::Nothing));
    }

    #[test]
    fn without_heartbeats_nothing_dies() {
        let mut heartbeat = Heartbeat::new(0);
        assert!((0..100).all(|_| heartbeat.tick(1, 1, false) == Beat::Nothing));
    }
}
