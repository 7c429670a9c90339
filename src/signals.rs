//! The signals that ask the process to end.
//!
//! The first asks for a graceful stop, the second for an end at once. Knows nothing of what is
//! being stopped.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell gives as the exit code of a process that SIGINT ended (128 and the number).
const EXIT_INTERRUPTED: u8 = 130;
/// The same for SIGTERM.
const EXIT_TERMINATED: u8 = 143;

/// Waits for SIGINT and SIGTERM.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// One of the signals that ask for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndSignal {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: a supervisor asks.
    Terminate,
}

impl Signals {
    /// From here on the two signals no longer end the process by themselves.
    pub fn new() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    /// The next signal.
    pub async fn next(&mut self) -> EndSignal {
        tokio::select! {
            _ = self.interrupt.recv() => EndSignal::Interrupt,
            _ = self.terminate.recv() => EndSignal::Terminate,
        }
    }

    /// What `work` gives, unless a signal comes first; then `work` is dropped.
    pub async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Result<T, EndSignal> {
        tokio::select! {
            done = work => Ok(done),
            signal = self.next() => Err(signal),
        }
    }
}

impl EndSignal {
    /// What a process that this signal ended exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => EXIT_INTERRUPTED,
            Self::Terminate => EXIT_TERMINATED,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpid, kill_process};

    use super::*;

    // One test, since signals reach every waiter of this process.
    #[tokio::test]
    async fn a_signal_ends_the_wait_for_work_that_does_not_end() {
        let mut signals = Signals::new().expect("signals");
        assert_eq!(signals.unless(std::future::ready(5)).await, Ok(5));

        kill_process(getpid(), rustix::process::Signal::TERM).expect("sent");
        let ended = signals.unless(std::future::pending::<()>()).await;
        assert_eq!(ended, Err(EndSignal::Terminate));

        kill_process(getpid(), rustix::process::Signal::INT).expect("sent");
        assert_eq!(signals.next().await, EndSignal::Interrupt);
        assert_eq!(EndSignal::Interrupt.exit_code(), 130);
        assert_eq!(EndSignal::Terminate.exit_code(), 143);
    }
}
