//! The signals that ask the process for something: to end, or to read its files again.
//!
//! The first that asks for the end wants a graceful stop, the second an end at once. Knows nothing
//! of what is being stopped.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell gives as the exit code of a process that SIGINT ended (128 and the number).
const EXIT_INTERRUPTED: u8 = 130;
/// The same for SIGTERM.
const EXIT_TERMINATED: u8 = 143;

/// Waits for SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None: SIGHUP ends the process as it always does.
    hang_up: Option<Signal>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// SIGHUP: read again what can be.
    Reload,
    /// The end.
    End(EndSignal),
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
    /// From here on the three signals no longer end the process by themselves.
    pub fn new() -> io::Result<Self> {
        let hang_up = Some(signal(SignalKind::hangup())?);
        Ok(Self { hang_up, ..Self::to_end()? })
    }

    /// For a command: SIGHUP goes on to end it, since its terminal is gone.
    pub fn to_end() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate, hang_up: None })
    }

    /// The next signal.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            end = end(&mut self.interrupt, &mut self.terminate) => Wish::End(end),
            () = hang_up(self.hang_up.as_mut()) => Wish::Reload,
        }
    }

    /// What `work` gives, unless a signal asks for the end first; then `work` is dropped.
    pub async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Result<T, EndSignal> {
        tokio::select! {
            done = work => Ok(done),
            signal = end(&mut self.interrupt, &mut self.terminate) => Err(signal),
        }
    }
}

async fn hang_up(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

async fn end(interrupt: &mut Signal, terminate: &mut Signal) -> EndSignal {
    tokio::select! {
        _ = interrupt.recv() => EndSignal::Interrupt,
        _ = terminate.recv() => EndSignal::Terminate,
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
        assert_eq!(signals.next().await, Wish::End(EndSignal::Interrupt));

        kill_process(getpid(), rustix::process::Signal::HUP).expect("sent");
        assert_eq!(signals.next().await, Wish::Reload);
        assert_eq!(EndSignal::Interrupt.exit_code(), 130);
        assert_eq!(EndSignal::Terminate.exit_code(), 143);
    }
}
