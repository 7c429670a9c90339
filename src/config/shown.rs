//! The settings as they are in force, for people: without what is secret.
//!
//! How each kind of value is written is here, which setting has which is in `settings.rs`. Knows
//! nothing of where a value came from.

use std::path::Path;
use std::time::Duration;

use super::settings::{Kind, SETTINGS};
use super::{Config, LogFormat, LoginFrom, TlsVerify};

impl Config {
    /// Settings by the keys of the configuration file, as texts that it would take.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let open = SETTINGS.iter().filter(|setting| setting.kind != Kind::Secret);
        open.map(|setting| (setting.key, (setting.show)(self))).collect()
    }
}

pub(super) fn list(values: &[impl ToString]) -> String {
    let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(",") }
}

pub(super) fn file(path: Option<&Path>) -> String {
    path.map_or_else(|| "none".to_owned(), |path| path.display().to_string())
}

pub(super) fn time(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

pub(super) fn log_format(format: LogFormat) -> String {
    let name = match format {
        LogFormat::Human => "human",
        LogFormat::Json => "json",
    };
    name.to_owned()
}

pub(super) fn verify(verify: TlsVerify) -> String {
    let name = match verify {
        TlsVerify::None => "none",
        TlsVerify::Optional => "optional",
        TlsVerify::Required => "required",
    };
    name.to_owned()
}

pub(super) fn login_from(from: LoginFrom) -> String {
    let name = match from {
        LoginFrom::CommonName => "common-name",
        LoginFrom::DistinguishedName => "distinguished-name",
        LoginFrom::SubjectAlternativeName => "subject-alternative-name",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::super::samples::no_default;
    use super::*;

    #[test]
    fn what_is_shown_can_be_set_again() {
        let mut config = Config::default();
        for setting in SETTINGS {
            (setting.set)(&mut config, no_default(setting.key)).expect(setting.key);
        }
        let mut again = Config::default();
        for (key, value) in config.effective() {
            let setting = SETTINGS.iter().find(|setting| setting.key == key).expect("a setting");
            (setting.set)(&mut again, &value).expect(key);
        }
        config.default_password = Config::default().default_password;
        assert_eq!(again, config);
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = "not-to-be-seen";
        let config = Config { default_password: Secret::new(secret), ..Config::default() };
        let shown = SETTINGS.iter().map(|setting| (setting.show)(&config));
        assert!(shown.into_iter().all(|text| !text.contains(secret)));
        assert!(config.effective().iter().all(|(key, _)| *key != "default-password"));
    }
}
