//! `list`, `show`, `status`, `health`.

use insta::assert_snapshot;

use super::answers::BROKER;
use super::fake::Fake;
use super::run::{ask, in_all_formats, transcript};

#[test]
fn every_list_in_every_format() {
    let fake = Fake::start(BROKER);
    for what in [
        "queues",
        "exchanges",
        "bindings",
        "connections",
        "channels",
        "consumers",
        "users",
        "vhosts",
        "nodes",
        "policies",
        "permissions",
        "parameters",
        "global-parameters",
        "vhost-limits",
        "user-limits",
    ] {
        let name = format!("list_{}", what.replace('-', "_"));
        assert_snapshot!(name, in_all_formats(&fake, &["list", what]));
    }
}

#[test]
fn lists_are_searched_sorted_and_cut_here_or_there() {
    let fake = Fake::start(BROKER);
    let commands: &[&[&str]] = &[
        &["list", "queues", "-p", "/", "--name", "^j", "--regex", "--limit", "7"],
        &["list", "queues", "--sort", "ready", "--reverse", "--columns", "name,messages,a.b"],
        &["list", "queues", "-p", "/", "--all-vhosts", "--format", "plain"],
        &["list", "users", "--name", "lic", "--format", "plain"],
        &["list", "users", "--name", "^g", "--regex", "--format", "plain"],
        &["list", "permissions", "--vhost", "orders", "--format", "plain"],
        &["list", "permissions", "--sort", "user", "--format", "plain", "--limit", "1"],
        &["list", "users", "--columns", "name,limits.max-channels", "--format", "json"],
    ];
    assert_snapshot!(transcript(&fake, commands));
}

#[test]
fn one_thing_is_shown_with_what_belongs_to_it() {
    let fake = Fake::start(BROKER);
    let connection = "127.0.0.1:1 -> 127.0.0.1:5672";
    for (name, arguments) in [
        ("show_overview", &["show", "overview"][..]),
        ("show_node", &["show", "node"]),
        ("show_queue", &["show", "queue", "jobs"]),
        ("show_exchange", &["show", "exchange", "events"]),
        ("show_connection", &["show", "connection", connection]),
        ("show_user", &["show", "user", "alice"]),
    ] {
        assert_snapshot!(name, in_all_formats(&fake, arguments));
    }
    let only = ["show", "queue", "jobs", "--columns", "messages,message_stats.publish"];
    assert_snapshot!("show_queue_columns", in_all_formats(&fake, &only));
}

#[test]
fn the_state_fits_a_screen() {
    let fake = Fake::start(BROKER);
    assert_snapshot!(in_all_formats(&fake, &["status"]));
}

#[test]
fn a_check_that_fails_is_an_exit_code() {
    let fake = Fake::start(BROKER);
    assert_snapshot!(in_all_formats(&fake, &["health"]));
    assert_eq!(ask(&fake, &["health", "alarms"]).code, 0);
    assert_eq!(ask(&fake, &["health", "local-alarms"]).code, 1);
    assert_eq!(ask(&fake, &["health", "port-listener", "5672"]).code, 0);
    assert_eq!(ask(&fake, &["health", "port-listener"]).code, 2);
    assert_eq!(ask(&fake, &["health", "is-in-service"]).code, 4);
}

#[test]
fn where_a_message_goes_and_why_a_queue_does_not_move() {
    let fake = Fake::start(BROKER);
    let route = ["explain", "route", "--exchange", "events", "--key", "order.new"];
    assert_snapshot!("explain_route", in_all_formats(&fake, &route));
    assert_snapshot!("explain_queue", in_all_formats(&fake, &["explain", "queue", "jobs"]));
    assert_eq!(ask(&fake, &["explain", "route", "-x", "events", "-k", "other"]).code, 1);
    assert_eq!(ask(&fake, &["explain", "route", "-x", "nothing"]).code, 4);
    assert_eq!(ask(&fake, &["explain", "route", "-k", "jobs"]).code, 0);
}

#[test]
fn nothing_from_a_broker_drives_a_terminal() {
    let fake = Fake::start(BROKER);
    for format in ["table", "json", "plain"] {
        let said = ask(&fake, &["list", "queues", "-p", "/", "--format", format]);
        let bad = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{202e}';
        assert!(!said.stdout.contains(bad), "{format}: {:?}", said.stdout);
    }
}
