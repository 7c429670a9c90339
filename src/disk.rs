//! How much room is left on the file system of a directory.
//!
//! Knows nothing of what should happen when it runs short.

use std::io;
use std::path::Path;

/// The octets that this process may still write there. What the system keeps for its owner, the
/// superuser, does not count.
pub fn free_bytes(directory: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(directory)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_told_of_a_directory_that_is_there() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(free_bytes(directory.path()).expect("told") > 0);
        let gone = directory.path().join("gone");
        let error = free_bytes(&gone).expect_err("nothing there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
