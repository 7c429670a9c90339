//! The tables of docs/configuration.md, which are made from the one table of settings.
//!
//! Part of the tests: they fail when the page is not what the code says, and write it anew when
//! they are run with `UPDATE_DOCS=1`. Knows nothing of what is written around the tables.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::settings::{Group, Kind, SETTINGS, Setting};

const PAGE: &str = "docs/configuration.md";
/// Stand around what is made here.
const BEGIN: &str = "<!-- made by src/config/reference.rs -->\n";
const END: &str = "<!-- end of what is made -->\n";

/// The chapters, in their order.
const GROUPS: &[Group] = &[
    Group::Amqp,
    Group::Users,
    Group::Data,
    Group::Alarms,
    Group::Management,
    Group::Tls,
    Group::Log,
];

/// A chapter for each group, with a row for each setting.
fn tables() -> String {
    let mut text = String::new();
    for group in GROUPS {
        let _ = writeln!(text, "\n## {}\n", group.title());
        text.push_str("| Key | Flag and variable | Default | What it is |\n|---|---|---|---|\n");
        for setting in SETTINGS.iter().filter(|setting| setting.group == *group) {
            text.push_str(&row(setting));
        }
    }
    text.push('\n');
    text
}

fn row(setting: &Setting) -> String {
    let Setting { key, variable, placeholder, default, help, kind, .. } = setting;
    // A bar would end the cell.
    let placeholder = placeholder.replace('|', "\\|");
    let many = match kind {
        Kind::List => "…",
        Kind::Text | Kind::Number | Kind::Secret => "",
    };
    format!("| `{key}` | `--{key} {placeholder}`{many} `{variable}` | `{default}` | {help} |\n")
}

#[test]
fn the_page_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).expect(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the begin of what is made");
    let (_, after) = rest.split_once(END).expect("the end of what is made");
    let right = format!("{before}{BEGIN}{}{END}{after}", tables());
    if page != right && std::env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(&path, right).expect(PAGE);
    }
    assert!(page == right, "{PAGE} is old: run UPDATE_DOCS=1 cargo test --lib config::reference");
}

#[test]
fn every_setting_is_in_one_chapter() {
    let (tables, rows) = (tables(), |setting: &Setting| format!("\n| `{}` | ", setting.key));
    for setting in SETTINGS {
        assert_eq!(tables.matches(&rows(setting)).count(), 1, "{}", setting.key);
    }
}
