//! What the node is called, to people and to programs that show several of them.
//!
//! Knows nothing of where the name is shown.

use super::Config;

/// Stands for the machine's name in the setting.
const HOST_MARK: &str = "HOSTNAME";
/// A name is a label in every series of the metrics: longer ones are slips.
const NAME_MAX_BYTES: usize = 255;

impl Config {
    /// `NAME@HOST`, with the name of this machine in its place.
    pub fn node_name(&self) -> String {
        match self.node_name.split_once(HOST_MARK) {
            Some((before, after)) => format!("{before}{}{after}", host_name()),
            None => self.node_name.clone(),
        }
    }
}

/// Takes `NAME@HOST`.
pub(super) fn check(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match text.split_once('@') {
        Some((name, host)) if plain(name) && plain(host) && text.len() <= NAME_MAX_BYTES => {
            Ok(text.to_owned())
        }
        _ => Err("must be NAME@HOST, of letters, digits, -, _ and .".to_owned()),
    }
}

/// The first label of the machine's name, as `RabbitMQ` shows it.
fn host_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().unwrap_or_default();
    match name.split('.').next() {
        Some(first) if !first.is_empty() => first.to_owned(),
        _ => "localhost".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_parts() {
        for good in ["warren@HOSTNAME", "rabbit@a-1.example.org"] {
            assert_eq!(check(good), Ok(good.to_owned()));
        }
        for bad in ["", "warren", "@host", "warren@", "a@b@c", "a b@c", "a@\"b\""] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(&format!("a@{}", "b".repeat(254))).is_err());
    }

    #[test]
    fn the_machine_stands_in_its_place() {
        let name = Config::default().node_name();
        assert!(name.starts_with("warren@") && !name.contains(HOST_MARK), "{name}");
        let config = Config { node_name: "a@b".to_owned(), ..Config::default() };
        assert_eq!(config.node_name(), "a@b");
    }
}
