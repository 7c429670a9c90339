//! Lines of the log that anybody can provoke who reaches a port: so many a second of each kind, and
//! how many were left out.
//!
//! Knows nothing of what is logged.

use parking_lot::Mutex;

use crate::clock;

/// Lines of one kind in a second. Enough to see who it is, too few to fill a disk.
const LINES_PER_SECOND: u32 = 10;

/// Limits one kind of line.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    number: u64,
    lines: u32,
    left_out: u64,
}

/// A line may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// So many of its kind were left out since the last one.
    pub left_out: u64,
}

impl LogLimit {
    /// Whether another line may be written now.
    pub fn line(&self) -> Option<Line> {
        self.line_in(clock::running_ms() / 1000)
    }

    fn line_in(&self, second: u64) -> Option<Line> {
        let mut current = self.0.lock();
        if current.number != second {
            (current.number, current.lines) = (second, 0);
        }
        if current.lines >= LINES_PER_SECOND {
            current.left_out = current.left_out.saturating_add(1);
            return None;
        }
        current.lines += 1;
        Some(Line { left_out: std::mem::take(&mut current.left_out) })
    }
}

/// What anybody can provoke before a login.
#[derive(Debug, Default)]
pub struct LogLimits {
    /// Refused logins.
    pub logins: LogLimit,
    /// Handshakes of AMQP, and of the PROXY protocol, that come to nothing.
    pub handshakes: LogLimit,
    /// Handshakes of TLS that come to nothing.
    pub tls: LogLimit,
    /// Connections that cannot be accepted.
    pub accepts: LogLimit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_told_with_the_next_line() {
        let limit = LogLimit::default();
        for _ in 0..LINES_PER_SECOND {
            assert_eq!(limit.line_in(7), Some(Line { left_out: 0 }));
        }
        assert_eq!((limit.line_in(7), limit.line_in(7)), (None, None));
        assert_eq!(limit.line_in(8), Some(Line { left_out: 2 }));
        assert_eq!(limit.line_in(8), Some(Line { left_out: 0 }));
    }
}
