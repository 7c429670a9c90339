//! The options that all commands share, and which of their sources wins.
//!
//! A flag wins over the environment, the environment over the profile, the profile over the
//! default. A variable that is empty counts as unset.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::client::{Client, ClientOptions, Endpoint};
use super::context::Context;
use super::failure::Failure;
use super::output::{Format, Output};
use super::profile::{Profile, Source};
use super::prompt;
use super::secret::{self, STDIN};
use crate::config::Secret;

/// The broker on this machine.
const URL_DEFAULT: &str = "http://127.0.0.1:15672";
/// The user that every new broker has, from the loopback interface only.
const USER_DEFAULT: &str = "guest";
const PASSWORD_DEFAULT: &str = "guest";
/// Longer than an export of a large broker takes.
const TIMEOUT_DEFAULT_SECONDS: u64 = 60;
/// A day: an hour too many is no typing error, a year is.
const TIMEOUT_MAX_SECONDS: u64 = 24 * 60 * 60;
/// Where profiles are, below the directory of the user's settings.
const PROFILES_FILE: &str = "warren/cli.toml";

const URL: &str = "WARREN_URL";
const USER: &str = "WARREN_USER";
const PASSWORD: &str = "WARREN_PASSWORD";
const PASSWORD_FILE: &str = "WARREN_PASSWORD_FILE";
const VHOST: &str = "WARREN_VHOST";
const FORMAT: &str = "WARREN_FORMAT";
const TIMEOUT: &str = "WARREN_TIMEOUT";
const CA_FILE: &str = "WARREN_CA_FILE";
const INSECURE: &str = "WARREN_INSECURE";
const PROFILE: &str = "WARREN_PROFILE";
const PROFILES: &str = "WARREN_CLI_CONFIG";

// Which broker to talk to, and as whom. (No doc comment: it would become the help of the command
// that these are added to.)
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectOptions {
    /// Where the broker's HTTP API is.
    ///
    /// Default: http://127.0.0.1:15672
    /// [env: WARREN_URL]
    #[arg(long, value_name = "URL", global = true, verbatim_doc_comment)]
    url: Option<String>,
    /// Who asks.
    ///
    /// Default: guest
    /// [env: WARREN_USER]
    #[arg(long, value_name = "NAME", global = true, verbatim_doc_comment)]
    user: Option<String>,
    /// The password; '-' reads it from standard input.
    ///
    /// Other users of the machine can see the command line: better use a file, the environment
    /// or a profile. It is asked for on a terminal when a user is named and no password is.
    /// [env: WARREN_PASSWORD]
    #[arg(
        long,
        value_name = "PASSWORD",
        global = true,
        conflicts_with = "password_file",
        hide_possible_values = true,
        verbatim_doc_comment
    )]
    password: Option<String>,
    /// A file with the password in its first line; '-' is standard input.
    ///
    /// [env: WARREN_PASSWORD_FILE]
    #[arg(long, value_name = "FILE", global = true, verbatim_doc_comment)]
    password_file: Option<PathBuf>,
    /// The virtual host.
    ///
    /// Default: / (lists show all of them by default)
    /// [env: WARREN_VHOST]
    #[arg(long, short = 'p', value_name = "VHOST", global = true, verbatim_doc_comment)]
    vhost: Option<String>,
    /// How long to wait for each answer, in seconds.
    ///
    /// Default: 60
    /// [env: WARREN_TIMEOUT]
    #[arg(long, value_name = "SECONDS", global = true, verbatim_doc_comment)]
    timeout: Option<u64>,
    /// Certificates to trust instead of the usual ones, in PEM.
    ///
    /// [env: WARREN_CA_FILE]
    #[arg(long, value_name = "FILE", global = true, verbatim_doc_comment)]
    ca_file: Option<PathBuf>,
    /// Trust any certificate: anybody between here and the broker can read the password.
    ///
    /// [env: WARREN_INSECURE=true]
    #[arg(long, global = true, verbatim_doc_comment)]
    insecure: bool,
    /// The section of the file of profiles that says what is not said otherwise.
    ///
    /// Default: the section 'default', if there is one
    /// [env: WARREN_PROFILE]
    #[arg(long, value_name = "NAME", global = true, verbatim_doc_comment)]
    profile: Option<String>,
    /// The file of profiles, in TOML.
    ///
    /// Its sections may set url, user, password, password-file, vhost, format, timeout, ca-file
    /// and insecure.
    /// Default: ~/.config/warren/cli.toml
    /// [env: WARREN_CLI_CONFIG]
    #[arg(long, value_name = "FILE", global = true, verbatim_doc_comment)]
    config: Option<PathBuf>,
    /// Show the requests that are made, without credentials.
    #[arg(long, short = 'v', global = true)]
    verbose: bool,
}

// How to show what is found.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// How to show it: aligned for people, or for programs.
    ///
    /// 'plain' separates by tabs and has no header; control characters and backslashes in it
    /// are written as in C.
    /// [env: WARREN_FORMAT] [default: table]
    #[arg(
        long,
        value_name = "FORMAT",
        global = true,
        value_enum,
        hide_possible_values = false,
        verbatim_doc_comment
    )]
    format: Option<Format>,
    /// Which columns or fields to show, separated by commas.
    ///
    /// Names of columns, or paths into what the API answers, such as
    /// 'message_stats.publish_details.rate'.
    #[arg(long, value_name = "NAMES", global = true, value_delimiter = ',', verbatim_doc_comment)]
    columns: Vec<String>,
}

/// The variables of the environment.
pub(crate) struct Environment(Vec<(String, OsString)>);

impl Environment {
    pub(crate) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = variables.into_iter();
        Self(named.filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect())
    }

    /// All of them, for the broker's configuration.
    pub(crate) fn all(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.0.iter().map(|(name, value)| (name.into(), value.clone()))
    }

    /// The value of a variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Result<Option<String>, Failure> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        let text = found.map(|(_, value)| value.clone().into_string()).transpose();
        text.map_err(|_| Failure::config(format!("{name} in the environment: must be UTF-8")))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| PathBuf::from(value))
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.get(name)? else { return Ok(None) };
        let refused = |rule| Failure::config(format!("{name}={text} in the environment: {rule}"));
        parse(&text).map(Some).map_err(refused)
    }

    fn usual_profiles(&self) -> Option<PathBuf> {
        let below_home = || self.path("HOME").map(|home| home.join(".config"));
        self.path("XDG_CONFIG_HOME").or_else(below_home).map(|base| base.join(PROFILES_FILE))
    }
}

impl OutputOptions {
    /// For commands that talk to nobody.
    pub(crate) fn output(&self, environment: &Environment) -> Result<Output, Failure> {
        self.with_default(environment, None)
    }

    fn with_default(
        &self,
        environment: &Environment,
        profile: Option<&str>,
    ) -> Result<Output, Failure> {
        let variable = environment.parsed(FORMAT, format_named)?;
        let profile = profile
            .map(format_named)
            .transpose()
            .map_err(|rule| Failure::config(format!("format of the profile: {rule}")))?;
        let format = self.format.or(variable).or(profile).unwrap_or_default();
        let no_colour = environment.path("NO_COLOR").is_some()
            || environment.path("TERM").is_some_and(|term| term.as_os_str() == "dumb");
        Ok(Output::new(format, self.columns.clone(), !no_colour))
    }
}

fn format_named(name: &str) -> Result<Format, String> {
    let known = Format::value_variants().iter().filter_map(Format::to_possible_value);
    let known: Vec<_> = known.map(|value| value.get_name().to_owned()).collect();
    let rule = format!("must be one of {}", known.join(", "));
    Format::from_str(name, false).map_err(|_| rule)
}

fn timeout_of(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| is_timeout(*seconds));
    seconds.ok_or_else(|| format!("must be from 1 to {TIMEOUT_MAX_SECONDS} seconds"))
}

fn is_timeout(seconds: u64) -> bool {
    (1..=TIMEOUT_MAX_SECONDS).contains(&seconds)
}

fn bool_of(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

impl ConnectOptions {
    /// Puts all sources together.
    pub(crate) fn context(
        &self,
        output: &OutputOptions,
        environment: &Environment,
    ) -> Result<Context, Failure> {
        let source = Source {
            named: self.config.clone().or_else(|| environment.path(PROFILES)),
            usual: environment.usual_profiles(),
            profile: self
                .profile
                .clone()
                .map_or_else(|| environment.get(PROFILE), |p| Ok(Some(p)))?,
        };
        let profile = source.read()?;
        let text = |flag: &Option<String>, name, profile: &Option<String>| match flag {
            Some(flag) => Ok(Some(flag.clone())),
            None => Ok::<_, Failure>(environment.get(name)?.or_else(|| profile.clone())),
        };
        let user = text(&self.user, USER, &profile.user)?;
        let password = self.password(user.as_deref(), environment, &profile)?;
        let user = user.unwrap_or_else(|| USER_DEFAULT.to_owned());
        let url = text(&self.url, URL, &profile.url)?;
        let endpoint = Endpoint::parse(url.as_deref().unwrap_or(URL_DEFAULT))?;
        let ca_file = self.ca_file.clone().or_else(|| environment.path(CA_FILE));
        let insecure = environment.parsed(INSECURE, bool_of)?.or(profile.insecure);
        let client = Client::new(ClientOptions {
            endpoint,
            user,
            password,
            timeout: self.timeout(environment, &profile)?,
            ca_file: ca_file.or_else(|| profile.ca_file.clone()),
            insecure: self.insecure || insecure.unwrap_or(false),
            verbose: self.verbose,
        })?;
        let vhost = text(&self.vhost, VHOST, &profile.vhost)?;
        let output = output.with_default(environment, profile.format.as_deref())?;
        Ok(Context::new(client, output, vhost))
    }

    fn timeout(&self, environment: &Environment, profile: &Profile) -> Result<Duration, Failure> {
        let rule = format!("must be from 1 to {TIMEOUT_MAX_SECONDS} seconds");
        let variable = environment.parsed(TIMEOUT, timeout_of)?;
        if let Some(flag) = self.timeout.filter(|seconds| !is_timeout(*seconds)) {
            return Err(Failure::usage(format!("--timeout {flag}: {rule}")));
        }
        if let Some(seconds) = profile.timeout.filter(|seconds| !is_timeout(*seconds)) {
            return Err(Failure::config(format!("timeout {seconds} of the profile: {rule}")));
        }
        let seconds = self.timeout.or(variable).or(profile.timeout);
        Ok(Duration::from_secs(seconds.unwrap_or(TIMEOUT_DEFAULT_SECONDS)))
    }

    fn password(
        &self,
        user: Option<&str>,
        environment: &Environment,
        profile: &Profile,
    ) -> Result<Secret, Failure> {
        match (&self.password, &self.password_file) {
            (Some(password), _) if password == STDIN => return secret::from_stdin(),
            (Some(password), _) => return Ok(Secret::new(password)),
            (None, Some(file)) => return secret::from_file(file),
            (None, None) => {}
        }
        if let Some(password) = environment.get(PASSWORD)? {
            return Ok(Secret::new(password));
        }
        if let Some(file) = environment.path(PASSWORD_FILE) {
            return secret::from_file(&file);
        }
        // The password in a profile is that of its user and must not be sent for another.
        let profile_user = profile.user.as_deref().unwrap_or(USER_DEFAULT);
        let user = user.unwrap_or(USER_DEFAULT);
        if user == profile_user {
            if let Some(password) = &profile.password {
                return Ok(Secret::new(password));
            }
            if let Some(file) = &profile.password_file {
                return secret::from_file(file);
            }
        }
        if user == USER_DEFAULT {
            return Ok(Secret::new(PASSWORD_DEFAULT));
        }
        let typed = prompt::password(&format!("Password of user '{user}'"))?;
        let ways = "use --password-file, --password, WARREN_PASSWORD or a profile";
        typed.ok_or_else(|| Failure::usage(format!("no password for user '{user}': {ways}")))
    }
}
