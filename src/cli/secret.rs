//! Reading passwords from where they are given, without ever showing what was read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::failure::Failure;
use crate::config::Secret;

/// A longer password is most likely a file named by mistake.
const PASSWORD_MAX_BYTES: u64 = 4096;
/// Stands for standard input where a file is expected.
pub(crate) const STDIN: &str = "-";

/// The first line of standard input.
pub(crate) fn from_stdin() -> Result<Secret, Failure> {
    read(&mut io::stdin().lock(), "standard input")
}

/// The first line of a file; `-` is standard input.
pub(crate) fn from_file(path: &Path) -> Result<Secret, Failure> {
    if path == Path::new(STDIN) {
        return from_stdin();
    }
    let name = path.display().to_string();
    let mut file = File::open(path).map_err(|error| Failure::input(format!("{name}: {error}")))?;
    read(&mut file, &name)
}

fn read(input: &mut dyn Read, name: &str) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = input.take(PASSWORD_MAX_BYTES + 1).read_to_string(&mut text);
    // What was read must not be shown, so the error is told without it.
    let read = read.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::input(format!("{name}: must be UTF-8")),
        _ => Failure::input(format!("{name}: {error}")),
    })?;
    if read as u64 > PASSWORD_MAX_BYTES {
        let rule = format!("a password has at most {PASSWORD_MAX_BYTES} bytes");
        return Err(Failure::input(format!("{name}: {rule}")));
    }
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::input(format!("{name}: no password in its first line")));
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut text: &[u8]) -> Result<Secret, Failure> {
        super::read(&mut text, "pw")
    }

    #[test]
    fn the_first_line_counts() {
        assert_eq!(read(b"one\ntwo\n").expect("read").reveal(), "one");
        assert_eq!(read(b"one\r\n").expect("read").reveal(), "one");
        assert_eq!(read(b" o n e").expect("read").reveal(), " o n e");
    }

    #[test]
    fn what_is_no_password_is_refused_without_being_shown() {
        let long = vec![b'x'; 4097];
        for (text, why) in [
            (&b"\nx"[..], "pw: no password in its first line"),
            (b"\xff\xfe", "pw: must be UTF-8"),
            (&long, "pw: a password has at most 4096 bytes"),
        ] {
            assert_eq!(read(text).expect_err("refused").text, why);
        }
    }
}
