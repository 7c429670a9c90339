//! Why a management command ends without success: one line for people, one number for scripts.
//!
//! The numbers are a promise: scripts branch on them. They are those of sysexits where it has a
//! fitting one, since the broker's own are too.

use std::fmt;
use std::io;

/// The part of `--help` that tells the numbers below.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  the broker refused it, a check failed, or a plan has something to change
    2  the command line is wrong
    4  what was named does not exist
   66  an input file cannot be read, or does not hold what it should
   69  the broker cannot be reached
   70  the broker failed
   73  an output file cannot be written
   74  standard output cannot be written
   75  the broker did not answer in time
   76  the answer is not one of a management API
   77  the user is unknown, the password wrong, or the user may not do this
   78  the configuration of the commands or the environment is wrong";

/// What kind of failure it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// No failure: whoever read the output has seen enough.
    Done = 0,
    /// The broker understood and said no, or a check found something.
    Refused = 1,
    /// The command line asks for something that makes no sense.
    Usage = 2,
    /// The broker has nothing of this name.
    NotFound = 4,
    /// A file that should be read cannot be.
    Input = 66,
    /// Nobody listens, or the name has no address.
    Unreachable = 69,
    /// An answer with a status of 500 and more.
    BrokerFailed = 70,
    /// A file that should be written cannot be.
    Output = 73,
    /// Standard output cannot be written.
    Stdout = 74,
    /// The broker took too long.
    TimedOut = 75,
    /// The answer is not what a management API says.
    Protocol = 76,
    /// Who asks is unknown or may not.
    NotPermitted = 77,
    /// A profile, or a variable of the environment.
    Config = 78,
}

/// Why a command ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// One line; empty if everything has been said already.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    pub(crate) fn input(text: impl Into<String>) -> Self {
        Self::new(Exit::Input, text)
    }

    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self::new(Exit::Config, text)
    }

    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self::new(Exit::Protocol, text)
    }

    /// Only the number: what is wrong stands in the output.
    pub(crate) fn told() -> Self {
        Self::new(Exit::Refused, "")
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit as u8
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// Of writing to standard output. `warren list queues | head` is no error.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::new(Exit::Stdout, format!("cannot write to standard output: {error}")),
        }
    }
}
