//! What was typed: the command line and the environment, and their way to a `Config`.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults; every
//! value is checked, also one that another overrules. Knows no single setting by name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};

use super::Config;
use super::error::{ConfigError, Origin};
use super::file;
use super::settings::{self, HIDDEN, Kind, SETTINGS, Setting};

/// The flag and variable that name the file; not a setting, since a file cannot name itself.
const CONFIG_FLAG: &str = "config";
const CONFIG_VARIABLE: &str = "WARREN_CONFIG";
const VARIABLE_PREFIX: &str = "WARREN_";
/// Variables of the management commands, sorted. They mean nothing here, and are not misspelt.
pub const CLIENT_VARIABLES: &[&str] = &[
    "WARREN_CA_FILE",
    "WARREN_CLI_CONFIG",
    "WARREN_FORMAT",
    "WARREN_INSECURE",
    "WARREN_PASSWORD",
    "WARREN_PASSWORD_FILE",
    "WARREN_PROFILE",
    "WARREN_TIMEOUT",
    "WARREN_URL",
    "WARREN_USER",
    "WARREN_VHOST",
];

const SERVE: &str = "serve";
const CHECK: &str = "check";
const DUMP: &str = "dump";
/// The key of the setting that `check` and `dump` take as their argument.
const DATA_DIR: &str = "data-dir";
/// Flags of `dump`.
const RECORDS: &str = "records";
const MESSAGES: &str = "messages";
const QUEUE: &str = "queue";

const ABOUT: &str = "A message broker that speaks AMQP 0-9-1 exactly as RabbitMQ does";

const EXIT_CODES: &str = "\
Exit codes:
    0  stopped gracefully by SIGTERM or SIGINT
    2  the command line is wrong
   65  the definitions to be loaded are wrong
   69  an address cannot be listened on
   70  something inside the broker failed
   73  the data directory cannot be used
   74  what is stored there cannot be used, or its disk has failed
   78  the configuration file or the environment is wrong
  130  SIGINT ended it before it was ready, or a second one before it had stopped
  143  the same with SIGTERM";

const ROOT_EXAMPLES: &str = "\
Without a command, `warren` is `warren serve`, and takes its options.

Examples:
  warren
  warren serve --listen 0.0.0.0:5672 --data-dir /var/lib/warren
  warren check /var/lib/warren
  warren serve --help";

const SERVE_EXAMPLES: &str = "\
Every option can also be set in the environment by the variable shown with it, or in the
configuration file by its name without the dashes. A flag wins over the environment, the
environment over the file. A variable that is empty counts as unset.

Examples:
  warren serve --listen 127.0.0.1:5672 --listen '[::1]:5672'
  warren serve --config /etc/warren/warren.toml --log debug
  WARREN_LOG_FORMAT=json WARREN_MEMORY_LIMIT=4GiB warren serve";

const INSPECT_EXIT_CODES: &str = "\
No broker may use the directory meanwhile.

Exit codes:
    0  nothing is wrong with what is stored
    1  some of it is damaged
    2  it cannot be read, or the command line is wrong
   78  the configuration file or the environment is wrong";

const CHECK_EXAMPLES: &str = "\
Examples:
  warren check
  warren check /var/lib/warren";

const DUMP_EXAMPLES: &str = "\
Examples:
  warren dump
  warren dump /var/lib/warren --queue jobs
  warren dump /var/lib/warren --records | grep kind=forget";

/// What warren is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Run the broker.
    Serve,
    /// Tell whether what is stored is sound.
    Check {
        /// Where it is stored.
        data_dir: PathBuf,
    },
    /// Show what is stored.
    Dump {
        /// Where it is stored.
        data_dir: PathBuf,
        /// What of it.
        what: Dump,
    },
}

/// What `dump` shows beside what it always does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dump {
    /// Every record of the log.
    pub records: bool,
    /// The messages that are in queues.
    pub messages: bool,
    /// Only those of queues with this name or number.
    pub queue: Option<String>,
}

/// What was typed, not yet checked.
#[derive(Clone, Debug)]
pub struct Options {
    command: Name,
    dump: Dump,
    flags: Vec<(&'static str, String)>,
    environment: Vec<(String, OsString)>,
}

/// What a setting is in the end.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Its key in the file.
    pub key: &'static str,
    /// Its value as one would type it; hidden if it is a secret.
    pub value: String,
    /// Where it was given; nowhere if it is the default.
    pub origin: Option<Origin>,
}

/// The name of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Name {
    Serve,
    Check,
    Dump,
}

/// One value on its way into the `Config`.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) setting: &'static Setting,
    pub(super) text: String,
    pub(super) origin: Origin,
}

impl Options {
    /// What was typed for one of the broker's own commands, and the environment it was typed in.
    pub fn from_matches(
        matches: &ArgMatches,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let dump = matches.subcommand_matches(DUMP).map(dump_of).unwrap_or_default();
        let (command, flags) = match matches.subcommand() {
            Some((CHECK, matches)) => (Name::Check, flags_of(matches)),
            Some((DUMP, matches)) => (Name::Dump, flags_of(matches)),
            Some((_, matches)) => (Name::Serve, flags_of(matches)),
            None => (Name::Serve, Vec::new()),
        };
        Self { command, dump, flags, environment: ours(environment) }
    }

    /// What to do with a configuration that these options gave.
    pub fn command(&self, config: &Config) -> Command {
        let data_dir = config.data_dir.clone();
        match self.command {
            Name::Serve => Command::Serve,
            Name::Check => Command::Check { data_dir },
            Name::Dump => Command::Dump { data_dir, what: self.dump.clone() },
        }
    }

    /// For a configuration that is looked at and not used: a file, if one is named, and the
    /// environment.
    pub fn configured(
        file: Option<String>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let flags = file.map(|path| (CONFIG_FLAG, path)).into_iter().collect();
        Self { command: Name::Serve, dump: Dump::default(), flags, environment: ours(environment) }
    }

    /// Puts all sources together, or says what is wrong with the first bad value.
    pub fn check(&self) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        for given in self.given()? {
            given.apply(&mut config)?;
        }
        Ok(config)
    }

    /// What every setting is, and who says so. Check first: values are not checked here.
    pub fn effective(&self) -> Result<Vec<Effective>, ConfigError> {
        let given = self.given()?;
        let effective = SETTINGS.iter().map(|setting| {
            let given = given.iter().rev().find(|given| given.setting.key == setting.key);
            let text = given.map_or(setting.default, |given| given.text.trim());
            Effective {
                key: setting.key,
                value: if setting.kind == Kind::Secret { HIDDEN } else { text }.to_owned(),
                origin: given.map(|given| given.origin.clone()),
            }
        });
        Ok(effective.collect())
    }

    /// All values, the weakest source first.
    fn given(&self) -> Result<Vec<Given>, ConfigError> {
        let mut given = match self.file()? {
            Some(path) => file::read(&path)?,
            None => Vec::new(),
        };
        for (name, value) in &self.environment {
            if let Some(setting) = settings::by_variable(name) {
                let text = utf8(name, value, setting.kind == Kind::Secret)?;
                given.push(Given { setting, text, origin: Origin::Variable });
            }
        }
        for (key, text) in &self.flags {
            if let Some(setting) = settings::by_key(key) {
                given.push(Given { setting, text: text.clone(), origin: Origin::Flag });
            }
        }
        Ok(given)
    }

    /// Variables that look like ours and are not: most likely misspelt, but perhaps somebody
    /// else's, so worth a warning and no error.
    pub fn unknown_variables(&self) -> impl Iterator<Item = &str> {
        let names = self.environment.iter().map(|(name, _)| name.as_str());
        names.filter(|name| {
            let is_ours = *name == CONFIG_VARIABLE || settings::by_variable(name).is_some();
            !is_ours && !CLIENT_VARIABLES.contains(name)
        })
    }

    fn file(&self) -> Result<Option<PathBuf>, ConfigError> {
        if let Some((_, path)) = self.flags.iter().find(|(key, _)| *key == CONFIG_FLAG) {
            return Ok(Some(path.into()));
        }
        let variable = self.environment.iter().find(|(name, _)| name == CONFIG_VARIABLE);
        variable.map(|(name, value)| utf8(name, value, false).map(PathBuf::from)).transpose()
    }
}

impl Given {
    fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
        let is_secret = self.setting.kind == Kind::Secret;
        let text = if is_secret { &*self.text } else { self.text.trim() };
        (self.setting.set)(config, text).map_err(|rule| {
            let name = match self.origin {
                Origin::Variable => self.setting.variable,
                Origin::Flag | Origin::File { .. } => self.setting.key,
            };
            // The message is one line.
            let shown = || self.text.replace(char::is_control, "?");
            let text = if is_secret { HIDDEN.to_owned() } else { shown() };
            ConfigError::Value { origin: self.origin, name: name.to_owned(), text, rule }
        })
    }
}

/// The variables that look like ours and are set, sorted.
fn ours(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(String, OsString)> {
    let ours = environment.into_iter().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        (name.starts_with(VARIABLE_PREFIX) && !value.is_empty()).then_some((name, value))
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort();
    ours
}

fn utf8(name: &str, value: &OsString, is_secret: bool) -> Result<String, ConfigError> {
    value.clone().into_string().map_err(|value| ConfigError::Value {
        origin: Origin::Variable,
        name: name.to_owned(),
        text: if is_secret { HIDDEN.to_owned() } else { value.display().to_string() },
        rule: "must be UTF-8".to_owned(),
    })
}

/// Puts `serve` where no command was given.
pub fn with_command(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<_> = arguments.into_iter().collect();
    let of_root = ["-h", "--help", "-V", "--version"];
    let is_serve = match arguments.get(1).and_then(|first| first.to_str()) {
        Some(first) => first.starts_with('-') && !of_root.contains(&first),
        None => arguments.len() < 2,
    };
    if is_serve {
        arguments.insert(arguments.len().min(1), SERVE.into());
    }
    arguments
}

/// The broker's own commands. The management commands are added to them.
pub fn command_line() -> clap::Command {
    let serve = clap::Command::new(SERVE)
        .about("Runs the broker (the default command)")
        .override_usage("warren [serve] [OPTIONS]")
        .after_help(format!("{SERVE_EXAMPLES}\n\n{EXIT_CODES}"))
        .arg(config_flag())
        .args(SETTINGS.iter().map(flag));
    let check = clap::Command::new(CHECK)
        .about("Tells whether what a data directory holds is sound")
        .after_help(format!("{CHECK_EXAMPLES}\n\n{INSPECT_EXIT_CODES}"))
        .args([data_dir_argument(), config_flag()]);
    let dump = clap::Command::new(DUMP)
        .about("Shows what a data directory holds")
        .after_help(format!("{DUMP_EXAMPLES}\n\n{INSPECT_EXIT_CODES}"))
        .args([data_dir_argument(), config_flag()])
        .args(dump_arguments());
    clap::Command::new("warren")
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(format!("{ROOT_EXAMPLES}\n\n{EXIT_CODES}"))
        .subcommand_required(true)
        .subcommands([serve, check, dump])
}

fn config_flag() -> Arg {
    Arg::new(CONFIG_FLAG)
        .long(CONFIG_FLAG)
        .value_name("FILE")
        .help(format!("Configuration file, in TOML\n[env: {CONFIG_VARIABLE}]"))
}

/// The setting `data-dir`, given as an argument and not as a flag.
fn data_dir_argument() -> Arg {
    Arg::new(DATA_DIR)
        .value_name("DATA_DIR")
        .help("The directory; the one that is configured unless named here")
}

fn flag(setting: &'static Setting) -> Arg {
    let Setting { group, key, variable, placeholder, default, help, kind, .. } = setting;
    let help = format!("{help}\n[env: {variable}] [default: {default}]");
    let action = match kind {
        Kind::List => ArgAction::Append,
        _ => ArgAction::Set,
    };
    let flag = Arg::new(key).long(key).value_name(placeholder).help(help).action(action);
    flag.help_heading(group.title())
}

fn dump_arguments() -> [Arg; 3] {
    let switch = |name| Arg::new(name).long(name).action(ArgAction::SetTrue);
    [
        switch(RECORDS).help("Every record of the log too, as it was written"),
        switch(MESSAGES).help("Every message in a queue too, with the begin of its body"),
        Arg::new(QUEUE)
            .long(QUEUE)
            .value_name("QUEUE")
            .help("The messages of queues with this name or number too"),
    ]
}

fn dump_of(matches: &ArgMatches) -> Dump {
    Dump {
        records: matches.get_flag(RECORDS),
        messages: matches.get_flag(MESSAGES),
        queue: matches.get_one(QUEUE).cloned(),
    }
}

fn flags_of(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    let keys = SETTINGS.iter().map(|setting| setting.key).chain([CONFIG_FLAG]);
    let flag = |key| {
        // Most commands take only some of them.
        let given = matches.try_get_many::<String>(key).ok()??;
        let texts: Vec<_> = given.map(String::as_str).collect();
        Some((key, texts.join(",")))
    };
    keys.filter_map(flag).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::samples::no_default;
    use super::*;

    fn parse(
        arguments: Vec<OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Options, clap::Error> {
        let matches = command_line().try_get_matches_from(with_command(arguments))?;
        Ok(Options::from_matches(&matches, environment))
    }

    fn options(arguments: &[&str], environment: &[(&str, &str)]) -> Options {
        let arguments = ["warren"].iter().chain(arguments).map(OsString::from);
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        parse(arguments.collect(), environment).expect("a good command line")
    }

    fn checked(arguments: &[&str], environment: &[(&str, &str)]) -> Config {
        options(arguments, environment).check().expect("a good configuration")
    }

    fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> ConfigError {
        options(arguments, environment).check().expect_err("a bad configuration")
    }

    #[test]
    fn nothing_typed_gives_the_defaults() {
        assert_eq!(checked(&[], &[]), Config::default());
        assert_eq!(checked(&["serve"], &[]), Config::default());
    }

    #[test]
    fn every_setting_can_be_set_by_flag_variable_and_key() {
        for setting in SETTINGS {
            let text = no_default(setting.key);
            let mut expected = Config::default();
            (setting.set)(&mut expected, text).expect(setting.key);
            assert_ne!(expected, Config::default(), "{}", setting.key);

            let flag = format!("--{}", setting.key);
            assert_eq!(checked(&[&flag, text], &[]), expected, "{flag}");
            assert_eq!(checked(&[], &[(setting.variable, text)]), expected);
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            writeln!(file, "{} = '{text}'", setting.key).expect("written");
            let path = file.path().to_str().expect("utf-8");
            assert_eq!(checked(&["--config", path], &[]), expected, "{}", setting.key);
            assert_eq!(checked(&[], &[(CONFIG_VARIABLE, path)]), expected, "{}", setting.key);
        }
    }

    #[test]
    fn flags_win_over_variables_and_variables_over_the_file() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "heartbeat = 1\nchannel-max = 1\nframe-max = 5001").expect("written");
        let path = file.path().to_str().expect("utf-8");
        let environment = [("WARREN_HEARTBEAT", "2"), ("WARREN_CHANNEL_MAX", "2")];
        let config = checked(&["--config", path, "--heartbeat", "3"], &environment);
        assert_eq!((config.heartbeat, config.channel_max), (3, 2));
        assert_eq!(config.frame_max_bytes, 5001);
    }

    #[test]
    fn a_flag_replaces_the_listeners_of_the_environment() {
        let environment = [("WARREN_LISTEN", "a:1,b:2")];
        assert_eq!(checked(&[], &environment).listen, ["a:1", "b:2"]);
        let config = checked(&["--listen", "c:3", "--listen", "d"], &environment);
        assert_eq!(config.listen, ["c:3", "d:5672"]);
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let empty: Vec<_> = SETTINGS.iter().map(|setting| (setting.variable, "")).collect();
        assert_eq!(checked(&[], &empty), Config::default());
        let options = options(&[], &[(CONFIG_VARIABLE, ""), ("WARREN_NOTHING", "")]);
        assert_eq!(options.check().expect("defaults"), Config::default());
        assert_eq!(options.unknown_variables().count(), 0);
    }

    #[test]
    fn unknown_variables_are_told_and_no_error() {
        let environment =
            [("WARREN_LITSEN", "a:1"), ("WARREN_LOG", "warn"), ("WARREN_URL", "x"), ("HOME", "/")];
        let options = options(&[], &environment);
        assert_eq!(options.unknown_variables().collect::<Vec<_>>(), ["WARREN_LITSEN"]);
        assert_eq!(options.check().expect("good").log, "warn");
    }

    #[test]
    fn errors_name_the_place_the_value_and_the_rule() {
        let error = refused(&["--frame-max", "12"], &[]);
        assert_eq!(error.to_string(), "--frame-max 12: must be from 4KiB to 16MiB");
        assert_eq!(error.exit_code(), 2);

        let error = refused(&[], &[("WARREN_FRAME_MAX", "12")]);
        let expected = "WARREN_FRAME_MAX=12 in the environment: must be from 4KiB to 16MiB";
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.exit_code(), 78);

        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "\nframe-max = 12").expect("written");
        let path = file.path().to_str().expect("utf-8");
        let error = refused(&["--config", path], &[]);
        let expected = format!("{path}, line 2: frame-max = 12: must be from 4KiB to 16MiB");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.exit_code(), 78);
    }

    #[test]
    fn a_bad_value_is_refused_even_when_another_overrules_it() {
        let error = refused(&["--heartbeat", "3"], &[("WARREN_HEARTBEAT", "often")]);
        assert!(error.to_string().starts_with("WARREN_HEARTBEAT=often"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = refused(&["--config", "/nowhere/warren.toml"], &[]);
        assert!(error.to_string().contains("/nowhere/warren.toml: No such file"), "{error}");
        assert_eq!(error.exit_code(), 78);
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let environment = [("WARREN_DATA_DIR".into(), OsString::from_vec(vec![0xff]))];
        let options = parse(vec!["warren".into()], environment).expect("typed");
        let error = options.check().expect_err("not UTF-8").to_string();
        assert!(error.contains("WARREN_DATA_DIR") && error.contains("UTF-8"), "{error}");
    }

    #[test]
    fn the_command_line_itself_is_sound() {
        command_line().debug_assert();
        let exit_code = |arguments: &[&str]| {
            let arguments = ["warren"].iter().chain(arguments).map(OsString::from);
            parse(arguments.collect(), []).expect_err("no options").exit_code()
        };
        assert_eq!(exit_code(&["--help"]), 0);
        assert_eq!(exit_code(&["--version"]), 0);
        assert_eq!(exit_code(&["--log", "info", "--help"]), 0);
        for arguments in [
            &["--nonsense"][..],
            &["sevre"],
            &["serve", "x"],
            &["--log"],
            &["check", "a", "b"],
            &["dump", "--listen", "a:1"],
        ] {
            assert_eq!(exit_code(arguments), 2, "{arguments:?}");
        }
    }

    #[test]
    fn the_directory_to_look_into_is_named_or_configured() {
        let command = |arguments: &[&str]| {
            let options = options(arguments, &[("WARREN_DATA_DIR", "by-variable")]);
            options.command(&options.check().expect("a good configuration"))
        };
        let (named, configured) = (PathBuf::from("d"), PathBuf::from("by-variable"));
        assert_eq!(command(&["check", "d"]), Command::Check { data_dir: named.clone() });
        assert_eq!(command(&["check"]), Command::Check { data_dir: configured.clone() });
        let dump = |data_dir: &PathBuf, what| Command::Dump { data_dir: data_dir.clone(), what };
        assert_eq!(command(&["dump", "d"]), dump(&named, Dump::default()));
        assert_eq!(command(&["dump"]), dump(&configured, Dump::default()));
        let all = Dump { records: true, messages: true, queue: Some("jobs".to_owned()) };
        let typed = ["dump", "d", "--records", "--messages", "--queue", "jobs"];
        assert_eq!(command(&typed), dump(&named, all));
        assert_eq!(command(&[]), Command::Serve);
        assert_eq!(command(&["--log", "info"]), Command::Serve);
    }

    #[test]
    fn the_example_file_shows_the_defaults() {
        let text = include_str!("../../warren.example.toml");
        // Every value stands behind a comment sign, so that copying the file changes nothing.
        let is_key =
            |line: &str| SETTINGS.iter().any(|s| line.starts_with(&format!("{} =", s.key)));
        let lines = text.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if is_key(rest) => rest,
            _ => line,
        });
        let uncommented = lines.collect::<Vec<_>>().join("\n");
        let given = file::parse("warren.example.toml".as_ref(), &uncommented).expect("good TOML");
        let mut shown: Vec<_> = given.iter().map(|given| given.setting.key).collect();
        let mut known: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        shown.sort_unstable();
        known.sort_unstable();
        assert_eq!(shown, known);
        for given in given {
            assert_eq!(given.text, given.setting.default, "{}", given.setting.key);
            given.apply(&mut Config::default()).expect("a good value");
        }
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        let path = file.path().to_str().expect("utf-8");
        assert_eq!(checked(&["--config", path], &[]), Config::default());
    }
}
