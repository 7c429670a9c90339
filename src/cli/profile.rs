//! Profiles: which broker and which user, by name, in a file of the user's.
//!
//! ```toml
//! [default]
//! url = "http://127.0.0.1:15672"
//!
//! [production]
//! url = "https://broker.example:15671"
//! user = "ops"
//! password-file = "/run/secrets/broker"
//! ```
//!
//! The section `default` counts when no profile is named.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::failure::Failure;

/// The section that counts when no profile is named.
const DEFAULT_SECTION: &str = "default";
/// A larger file is most likely named by mistake.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// One section of the file.
#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Profile {
    pub(crate) url: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) vhost: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) timeout: Option<u64>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) insecure: Option<bool>,
}

/// Where a profile comes from.
pub(crate) struct Source {
    /// The file that was asked for, or else the one of the user that may be missing.
    pub(crate) named: Option<PathBuf>,
    pub(crate) usual: Option<PathBuf>,
    /// The name of the profile, if one was named.
    pub(crate) profile: Option<String>,
}

impl Source {
    /// Reads the profile. Without a file there is an empty one, unless something was asked for.
    pub(crate) fn read(&self) -> Result<Profile, Failure> {
        let Some(path) = self.named.as_ref().or(self.usual.as_ref()) else {
            return match &self.profile {
                Some(name) => Err(unknown(name, "there is no file of profiles")),
                None => Ok(Profile::default()),
            };
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.named.is_none() => {
                return match &self.profile {
                    Some(name) => Err(unknown(name, &format!("{} is missing", path.display()))),
                    None => Ok(Profile::default()),
                };
            }
            Err(error) => return Err(Failure::config(format!("{}: {error}", path.display()))),
        };
        let mut sections = parse(path, &text)?;
        let name = self.profile.as_deref().unwrap_or(DEFAULT_SECTION);
        match sections.remove(name) {
            Some(profile) => Ok(profile),
            None if self.profile.is_none() => Ok(Profile::default()),
            None => {
                let known: Vec<_> = sections.keys().map(String::as_str).collect();
                let known = format!("{} has: {}", path.display(), known.join(", "));
                Err(unknown(name, &known))
            }
        }
    }
}

fn unknown(name: &str, why: &str) -> Failure {
    Failure::config(format!("profile '{name}' does not exist: {why}"))
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_MAX_BYTES {
        let rule = format!("must be at most {FILE_MAX_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, rule));
    }
    fs::read_to_string(path)
}

fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Profile>, Failure> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        // `Display` would show the line itself, which may hold a password.
        let why = error.message().lines().next().unwrap_or_default();
        Failure::config(format!("{}, line {line}: {why}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[default]\nuser = 'a'\n\n[far]\nurl = 'http://far:1'\ntimeout = 3\n";

    fn profile(text: &str, name: Option<&str>) -> Result<Profile, Failure> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("cli.toml");
        fs::write(&path, text).expect("written");
        Source { named: Some(path), usual: None, profile: name.map(str::to_owned) }.read()
    }

    #[test]
    fn the_section_named_is_read_or_the_default_one() {
        assert_eq!(profile(FILE, None).expect("read").user.as_deref(), Some("a"));
        let far = profile(FILE, Some("far")).expect("read");
        assert_eq!((far.user, far.timeout), (None, Some(3)));
        assert!(profile("", None).expect("read").user.is_none());
    }

    #[test]
    fn what_is_wrong_is_named_without_secrets() {
        let refused = |text, name| profile(text, name).err().expect("refused").text;
        assert!(refused(FILE, Some("near")).contains("has: default, far"));
        let text = refused("[default]\npassword = \"s3cret\"\npasword = \"s3cret\"", None);
        assert!(text.contains("line 3: unknown field `pasword`"), "{text}");
        let text = refused("[default]\npassword = \"s3cret", None);
        assert!(text.contains("line 2") && !text.contains("s3cret"), "{text}");
        let text = refused("[default]\npassword = 7", None);
        assert!(text.contains("line 2: invalid type"), "{text}");
    }

    #[test]
    fn only_a_file_that_was_asked_for_must_exist() {
        let nowhere = Some(PathBuf::from("/nowhere/cli.toml"));
        let usual = |profile| Source { named: None, usual: nowhere.clone(), profile };
        assert!(usual(None).read().is_ok());
        assert!(usual(Some("x".to_owned())).read().is_err());
        assert!(Source { named: nowhere.clone(), usual: None, profile: None }.read().is_err());
    }
}
