//! Files that commands read and write; `-` is standard input and output.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use super::failure::{Exit, Failure};

/// Stands for standard input or output where a file is expected.
const STDIO: &str = "-";

/// Whether a path stands for standard input or output.
pub(crate) fn is_stdio(path: &Path) -> bool {
    path == Path::new(STDIO)
}

/// What a file holds, if it is not too large.
pub(crate) fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let name = if is_stdio(path) { "standard input".into() } else { path.display().to_string() };
    let failed = |error: io::Error| Failure::input(format!("{name}: {error}"));
    let mut bytes = Vec::new();
    if is_stdio(path) {
        io::stdin().lock().take(max_bytes + 1).read_to_end(&mut bytes)
    } else {
        let file = File::open(path).map_err(failed)?;
        file.take(max_bytes + 1).read_to_end(&mut bytes)
    }
    .map_err(failed)?;
    if bytes.len() as u64 > max_bytes {
        return Err(Failure::input(format!("{name}: has more than {max_bytes} bytes")));
    }
    Ok(bytes)
}

/// Writes a file that only its owner may read: it may hold password hashes or messages.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::new(Exit::Output, format!("{}: {error}", path.display()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}
