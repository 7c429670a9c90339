//! Pictures of fixed answers, and what keys do.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::app::{App, Step};
use super::draw::{self, Paint};
use super::query::{Detail, Snapshot};
use super::tabs::Tab;
use super::{picture, text_of};

fn overview() -> Value {
    json!({
        "node": "warren@burrow",
        "product_name": "warren",
        "product_version": "3.13.7",
        "object_totals": {"connections": 12, "channels": 34, "queues": 10_000, "consumers": 56},
        "queue_totals": {"messages_ready": 1_234_567, "messages_unacknowledged": 890},
        "message_stats": {
            "publish_details": {"rate": 98_765.4},
            "confirm_details": {"rate": 12.0},
            "deliver_get_details": {"rate": 0.4},
            "ack_details": {"rate": 0.0},
            "drop_unroutable_details": {"rate": 3.0},
        },
    })
}

fn node(alarm: bool) -> Value {
    json!({
        "name": "warren@burrow", "uptime": 93_784_000, "mem_used": 160_000_000,
        "mem_limit": 8_000_000_000_u64, "mem_alarm": alarm, "disk_free": 30_000_000_000_u64,
        "disk_free_limit": 50_000_000, "disk_free_alarm": alarm, "fd_used": 46, "fd_total": 20000,
    })
}

fn queues() -> Vec<Value> {
    vec![
        json!({
            "name": "orders.incoming.with.a.long.name.that.does.not.fit", "vhost": "shop",
            "messages_ready": 1_200_000, "messages_unacknowledged": 250, "consumers": 3,
            "memory": 123_456_789, "oldest_message_age_ms": 3_723_000,
            "message_stats": {
                "publish_details": {"rate": 1234.5},
                "deliver_get_details": {"rate": 7.25},
            },
        }),
        // As RabbitMQ tells an idle queue, and with a name that would clear the screen.
        json!({
            "name": "evil\u{1b}[2J\u{1b}]0;owned\u{7}", "vhost": "/", "messages_ready": 0,
            "messages_unacknowledged": 0, "consumers": 0, "memory": 17_488,
        }),
        json!({"name": "東京\u{202e}txt", "vhost": "<script>", "messages_ready": "undefined"}),
    ]
}

fn snapshot(app: &App, rows: Vec<Value>) -> Snapshot {
    Snapshot {
        query: app.query(),
        overview: overview(),
        node: node(false),
        count: rows.len() as u64,
        rows,
        pages: 3,
        detail: None,
    }
}

fn app() -> App {
    let mut app = App::new(Tab::Queues, None);
    app.resize(17);
    app.take(Ok(snapshot(&app, queues())));
    app
}

fn press(app: &mut App, code: KeyCode) -> Step {
    app.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn picture_of(app: &App, size: (u16, u16)) -> String {
    picture(app, size).expect("drawn")
}

#[test]
fn the_queues() {
    insta::assert_snapshot!(picture_of(&app(), (80, 24)));
}

#[test]
fn the_queues_on_a_wide_screen_with_alarms() {
    let mut app = app();
    let mut shown = snapshot(&app, queues());
    shown.node = node(true);
    app.take(Ok(shown));
    insta::assert_snapshot!(picture_of(&app, (130, 12)));
}

#[test]
fn for_a_user_who_may_not_see_nodes() {
    let mut app = app();
    let mut shown = snapshot(&app, Vec::new());
    shown.node = Value::Null;
    app.take(Ok(shown));
    insta::assert_snapshot!(picture_of(&app, (80, 8)));
}

#[test]
fn one_queue_closely() {
    let mut app = app();
    assert_eq!(press(&mut app, KeyCode::Enter), Step::Ask);
    let queue = |rate: f64| {
        json!({
            "name": "orders", "vhost": "shop", "type": "classic",
            "durable": true, "auto_delete": false, "exclusive": false, "state": "running",
            "policy": "limits", "messages": 1_200_250,
            "messages_ready": 1_200_000, "messages_unacknowledged": 250, "consumers": 2,
            "memory": 123_456_789, "message_bytes": 99, "oldest_message_age_ms": 3_723_000,
            "arguments": {"x-max-priority": 5},
            "message_stats": {
                "publish_details": {"rate": rate}, "deliver_get_details": {"rate": rate / 2.0},
                "ack_details": {"rate": 3.5},
            },
            "consumer_details": [
                {
                    "consumer_tag": "ctag\u{1b}[0m1", "ack_required": true, "prefetch_count": 20,
                    "channel_details": {"name": "10.0.0.1:5000 -> 10.0.0.2:5672 (1)"},
                },
                {"consumer_tag": "two", "ack_required": false, "prefetch_count": 0},
            ],
        })
    };
    let mut bindings = vec![
        json!({"source": "", "routing_key": "orders", "arguments": {}}),
        json!({"source": "shop", "routing_key": "a\nb", "arguments": {"x-match": "all"}}),
    ];
    bindings.extend((0..30).map(|n| json!({"source": "many", "routing_key": n.to_string()})));
    for rate in [0.0, 100.0, 400.0, 800.0, 200.0] {
        let mut shown = snapshot(&app, queues());
        shown.detail = Some(Detail { queue: queue(rate), bindings: bindings.clone() });
        app.take(Ok(shown));
    }
    insta::assert_snapshot!(picture_of(&app, (80, 24)));
    let mut shown = snapshot(&app, queues());
    shown.detail = Some(Detail { queue: Value::Null, bindings: Vec::new() });
    app.take(Ok(shown));
    assert!(picture_of(&app, (80, 24)).contains("The queue is gone."));
    assert_eq!(press(&mut app, KeyCode::Esc), Step::Ask);
    assert_eq!((app.detail, app.rates.len()), (None, 0));
}

#[test]
fn the_keys() {
    let mut app = app();
    press(&mut app, KeyCode::Char('?'));
    insta::assert_snapshot!(picture_of(&app, (80, 24)));
    assert_eq!(press(&mut app, KeyCode::Char('x')), Step::Draw);
    assert!(!app.is_help);
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let mut app = app();
    for (width, height) in [(1, 1), (3, 2), (10, 5), (40, 8), (79, 23), (300, 100)] {
        for is_help in [false, true] {
            app.is_help = is_help;
            picture_of(&app, (width, height));
        }
    }
}

#[test]
fn nothing_that_a_terminal_obeys_is_drawn() {
    let mut app = app();
    app.take(Err("no answer \u{1b}[31mred".to_owned()));
    let mut terminal = Terminal::new(TestBackend::new(200, 24)).expect("a terminal");
    let paint = Paint { has_colour: true };
    terminal.draw(|frame| draw::draw(frame, &app, paint)).expect("drawn");
    let text = text_of(terminal.backend().buffer());
    assert!(text.contains("evil\\u{1b}[2J") && text.contains("\\u{202e}txt"), "{text}");
    assert!(text.contains("no answer \\u{1b}[31mred"), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn the_question_is_for_what_is_shown_and_no_more() {
    let mut app = app();
    let query = app.query();
    assert_eq!(
        (query.sort, query.reverse, query.page, query.page_size),
        ("messages_ready", true, 1, 17)
    );
    assert_eq!(press(&mut app, KeyCode::Char('s')), Step::Ask);
    assert_eq!(app.query().sort, "messages_unacknowledged");
    press(&mut app, KeyCode::Char('S'));
    press(&mut app, KeyCode::Char('S'));
    assert_eq!((app.query().sort, app.query().reverse), ("vhost", false));
    press(&mut app, KeyCode::Char('r'));
    assert!(app.query().reverse);
    assert_eq!(press(&mut app, KeyCode::PageDown), Step::Ask);
    assert_eq!(app.query().page, 2);
    // Half the rows: what was on top is on another page now.
    assert!(app.resize(8) && !app.resize(8));
    assert_eq!((app.query().page, app.query().page_size), (3, 8));
    assert_eq!(press(&mut app, KeyCode::Tab), Step::Ask);
    assert_eq!((app.query().tab, app.query().page), (Tab::Connections, 1));
    press(&mut app, KeyCode::BackTab);
    press(&mut app, KeyCode::Char('4'));
    assert_eq!(app.query().tab, Tab::Exchanges);
    assert!(app.sort_by("type", true) && !app.sort_by("ready", true));
    assert_eq!(app.query().sort, "type");
}

#[test]
fn rows_are_chosen_across_pages() {
    let mut app = app();
    assert_eq!(press(&mut app, KeyCode::Up), Step::Draw);
    assert_eq!(press(&mut app, KeyCode::Down), Step::Draw);
    press(&mut app, KeyCode::Down);
    assert_eq!((app.selected, app.page), (2, 1));
    assert_eq!(press(&mut app, KeyCode::Down), Step::Ask);
    assert_eq!((app.selected, app.page), (0, 2));
    press(&mut app, KeyCode::End);
    assert_eq!(app.page, 3);
    assert_eq!(press(&mut app, KeyCode::PageDown), Step::Draw);
    press(&mut app, KeyCode::Home);
    assert_eq!(app.page, 1);
    // Fewer rows than before: the choice stays inside.
    app.selected = 2;
    let one = queues().into_iter().take(1).collect();
    app.take(Ok(snapshot(&app, one)));
    assert_eq!(app.selected, 0);
}

#[test]
fn the_filter_is_asked_for_while_it_is_typed() {
    let mut app = app();
    app.page = 2;
    assert_eq!(press(&mut app, KeyCode::Char('/')), Step::Draw);
    assert_eq!(press(&mut app, KeyCode::Char('q')), Step::Ask);
    press(&mut app, KeyCode::Char('r'));
    assert_eq!((app.query().filter.as_str(), app.query().page), ("qr", 1));
    press(&mut app, KeyCode::Backspace);
    press(&mut app, KeyCode::Enter);
    assert_eq!((app.filter.as_str(), app.is_typing), ("q", false));
    assert_eq!(press(&mut app, KeyCode::Esc), Step::Ask);
    assert_eq!(app.filter, "");
    assert_eq!(press(&mut app, KeyCode::Esc), Step::Quit);
    app.filter.push('x');
    press(&mut app, KeyCode::Tab);
    assert_eq!(app.filter, "");
}

#[test]
fn an_answer_to_another_question_is_not_shown() {
    let mut app = app();
    let late = snapshot(&app, queues());
    press(&mut app, KeyCode::Tab);
    assert!(app.shown.is_none());
    app.take(Ok(late));
    assert!(app.shown.is_none());
}

#[test]
fn trouble_is_told_and_forgotten_with_the_next_answer() {
    let mut app = app();
    app.page = 9;
    app.take(Err("nobody there".to_owned()));
    assert!(picture_of(&app, (80, 24)).ends_with("nobody there\n"));
    assert_eq!(app.query().page, 1);
    app.take(Ok(snapshot(&app, queues())));
    assert!(!picture_of(&app, (80, 24)).contains("nobody there"));
}

#[test]
fn paused_means_that_nothing_is_asked_until_it_goes_on() {
    let mut app = app();
    assert_eq!(press(&mut app, KeyCode::Char('p')), Step::Draw);
    assert!(app.is_paused && picture_of(&app, (80, 24)).contains("PAUSED"));
    assert_eq!(press(&mut app, KeyCode::Char('p')), Step::Ask);
    let ctrl = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    assert_eq!((app.key(ctrl('l')), app.key(ctrl('c'))), (Step::Ask, Step::Quit));
    assert_eq!(press(&mut app, KeyCode::Char('q')), Step::Quit);
}
