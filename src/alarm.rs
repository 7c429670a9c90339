//! Resource alarms: while one is on, publishers are not read from.
//!
//! Knows who raised what, and nothing of connections.

use std::sync::atomic::{AtomicU8, Ordering};

/// What runs short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// Memory is above its limit.
    Memory,
    /// Free disk space is below its limit.
    Disk,
}

impl Alarm {
    /// As events and clients of the management API know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Memory => 1,
            Self::Disk => 2,
        }
    }
}

/// The alarms that are on.
#[derive(Debug, Default)]
pub struct Alarms(AtomicU8);

impl Alarms {
    /// Raises or clears an alarm. True if that changed anything.
    pub fn set(&self, alarm: Alarm, on: bool) -> bool {
        let before = if on {
            self.0.fetch_or(alarm.bit(), Ordering::AcqRel)
        } else {
            self.0.fetch_and(!alarm.bit(), Ordering::AcqRel)
        };
        (before & alarm.bit() != 0) != on
    }

    /// Whether that one is on.
    pub fn is_on(&self, alarm: Alarm) -> bool {
        self.0.load(Ordering::Acquire) & alarm.bit() != 0
    }

    /// What `connection.blocked` says; `None` while no alarm is on.
    #[inline]
    pub fn reason(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            1 => Some("low on memory"),
            2 => Some("low on disk"),
            _ => Some("low on memory & disk"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_overlap() {
        let alarms = Alarms::default();
        assert!(alarms.set(Alarm::Memory, true));
        assert!(!alarms.set(Alarm::Memory, true));
        assert!(alarms.set(Alarm::Disk, true));
        assert_eq!(alarms.reason(), Some("low on memory & disk"));
        assert!(alarms.set(Alarm::Memory, false));
        assert_eq!(alarms.reason(), Some("low on disk"));
        assert!(alarms.set(Alarm::Disk, false));
        assert_eq!(alarms.reason(), None);
    }
}
