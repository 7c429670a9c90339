//! Definitions from a file, put in force when the broker starts.
//!
//! They are read again at every start: what exists stays as it is, and what the file says of users,
//! permissions and policies counts again. Knows no HTTP.

use std::io::Read;
use std::path::Path;

use super::entry::Document;
use super::fields::Refused;
use super::read::Target;
use crate::broker::Node;

/// Longer definitions are refused, over HTTP and from files: about 200,000 queues fit in, and JSON
/// takes up to ten times its length in memory while it is read.
pub const DEFINITIONS_MAX_BYTES: usize = 20 * 1024 * 1024;

/// Puts the definitions of a file in force. If they name no users, the first user and virtual host
/// are made before, so that they can be meant.
pub fn load(node: &Node, path: &Path) -> Result<(), Refused> {
    let shown = path.display();
    let octets = read(path).map_err(|why| Refused(format!("{shown}: {why}")))?;
    let document = Document::read(&octets, Target::Broker);
    let document = document.map_err(|refused| Refused(format!("{shown}: {refused}")))?;
    if document.users.is_empty() {
        node.create_first_user().map_err(|error| Refused(error.to_string()))?;
    }
    let imported =
        document.import(node).map_err(|refused| Refused(format!("{shown}: {refused}")))?;
    tracing::info!(file = %shown, %imported, "definitions loaded");
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let (mut octets, most) = (Vec::new(), DEFINITIONS_MAX_BYTES as u64 + 1);
    file.take(most).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    if octets.len() > DEFINITIONS_MAX_BYTES {
        return Err(format!("is longer than {DEFINITIONS_MAX_BYTES} octets"));
    }
    Ok(octets)
}
