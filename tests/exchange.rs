//! Exchanges: declaring, deleting, binding them to one another (behaviour 10, 11.4, 13, 17).

mod common;

use common::*;

const DECLARE: (u16, u16) = (40, 10);
const DELETE: (u16, u16) = (40, 20);
const BIND: (u16, u16) = (40, 30);
const UNBIND: (u16, u16) = (40, 40);
const ON_DEFAULT: &str = "ACCESS_REFUSED - operation not permitted on the default exchange";

async fn expect_missing(peer: &mut Peer, exchange: &str) {
    peer.send(exchange_declare(exchange, "").passive()).await;
    let text = format!("NOT_FOUND - no exchange '{exchange}' in vhost '/'");
    peer.expect_channel_close(404, &text, DECLARE).await;
    peer.open_channel(1).await;
}

async fn expect_there(peer: &mut Peer, exchange: &str) {
    peer.ask(exchange_declare(exchange, "").passive(), exchange_declare_ok()).await;
}

async fn make(peer: &mut Peer, exchange: &str, kind: &str) {
    peer.ask(exchange_declare(exchange, kind), exchange_declare_ok()).await;
}

// Declaring

#[tokio::test]
async fn the_standard_exchanges_are_there() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for (name, kind) in [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    ] {
        peer.ask(exchange_declare(name, kind).durable(), exchange_declare_ok()).await;
    }
    let trace = exchange_declare("amq.rabbitmq.trace", "topic").durable().internal();
    peer.ask(trace, exchange_declare_ok()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn each_type_can_be_declared_and_declared_again() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in ["direct", "fanout", "topic", "headers"] {
        let name = &unique(kind);
        make(&mut peer, name, kind).await;
        make(&mut peer, name, kind).await;
        expect_there(&mut peer, name).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_unknown_type_is_refused() {
    let Some(broker) = only_on_warren("before 4.0 it closed the connection").await else { return };
    let mut peer = broker.peer().await;
    peer.send(exchange_declare(&unique("x"), "telepathy")).await;
    let text = "PRECONDITION_FAILED - unknown exchange type 'telepathy'";
    peer.expect_channel_close(406, text, DECLARE).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nothing_can_be_done_to_the_default_exchange() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let other = &unique("x");
    make(&mut peer, other, "fanout").await;
    let refused: [(common::AMQPClass, (u16, u16)); 4] = [
        (exchange_bind("", other, "k"), BIND),
        (exchange_bind(other, "", "k"), BIND),
        (exchange_unbind("", other, "k"), UNBIND),
        (exchange_unbind(other, "", "k"), UNBIND),
    ];
    for (method, ids) in refused {
        peer.send(method).await;
        peer.expect_channel_close(403, ON_DEFAULT, ids).await;
        peer.open_channel(1).await;
    }
    peer.send(exchange_declare("", "direct").durable()).await;
    peer.expect_channel_close(403, ON_DEFAULT, DECLARE).await;
    peer.open_channel(1).await;
    peer.send(exchange_declare("", "direct").passive()).await;
    peer.expect_channel_close(403, ON_DEFAULT, DECLARE).await;
    peer.open_channel(1).await;
    peer.send(exchange_delete("")).await;
    peer.expect_channel_close(403, ON_DEFAULT, DELETE).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn names_of_the_brokers_own_are_reserved() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(exchange_declare("amq.mine", "direct")).await;
    let text = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'";
    peer.expect_channel_close(403, text, DECLARE).await;
    peer.open_channel(1).await;
    expect_missing(&mut peer, "amq.mine").await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_passive_declare_asks_only_for_the_name() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let name = &unique("x");
    expect_missing(&mut peer, name).await;
    make(&mut peer, name, "topic").await;
    let otherwise = exchange_declare(name, "fanout").passive().durable().internal();
    peer.ask(otherwise, exchange_declare_ok()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn line_ends_are_taken_out_of_names() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let name = &unique("x");
    peer.ask(exchange_declare(&format!("\n{name}\r\n"), "fanout"), exchange_declare_ok()).await;
    expect_there(&mut peer, name).await;
    peer.ask(exchange_delete(&format!("{name}\n")), exchange_delete_ok()).await;
    expect_missing(&mut peer, name).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn declaring_again_otherwise_is_refused() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let name = &unique("x");
    make(&mut peer, name, "direct").await;
    let others = [
        (exchange_declare(name, "topic"), "type", "'topic'", "'direct'"),
        (exchange_declare(name, "direct").durable(), "durable", "'true'", "'false'"),
        (exchange_declare(name, "direct").auto_delete(), "auto_delete", "'true'", "'false'"),
        (exchange_declare(name, "direct").internal(), "internal", "'true'", "'false'"),
    ];
    for (declare, key, received, current) in others {
        peer.send(declare).await;
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg '{key}' for exchange '{name}' in vhost '/': \
             received {received} but current is {current}"
        );
        peer.expect_channel_close(406, &text, DECLARE).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_alternate_exchange_is_compared_and_other_arguments_are_not() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (name, ae) = (&unique("x"), &unique("ae"));
    let with = |key| exchange_declare(name, "direct").args(table(&[(key, text(ae))]));
    peer.ask(with("alternate-exchange"), exchange_declare_ok()).await;
    peer.ask(with("alternate-exchange"), exchange_declare_ok()).await;
    peer.send(with("bogus")).await;
    let inequivalent = format!(
        "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange '{name}' in \
         vhost '/': received none but current is the value '{ae}' of type 'longstr'"
    );
    peer.expect_channel_close(406, &inequivalent, DECLARE).await;
    peer.open_channel(1).await;
    let plain = &unique("plain");
    make(&mut peer, plain, "direct").await;
    let bogus = exchange_declare(plain, "direct").args(table(&[("bogus", int(1))]));
    peer.ask(bogus, exchange_declare_ok()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_alternate_exchange_is_named_by_a_string() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let name = &unique("x");
    let wrong = table(&[("alternate-exchange", int(1))]);
    peer.send(exchange_declare(name, "direct").args(wrong)).await;
    let text = format!(
        "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in \
         exchange '{name}' in vhost '/'"
    );
    peer.expect_channel_close(406, &text, DECLARE).await;
    broker.stop_and_check().await;
}

// Without waiting

#[tokio::test]
async fn nowait_is_not_answered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (a, b) = (&unique("a"), &unique("b"));
    peer.send(exchange_declare(a, "direct").nowait()).await;
    peer.send(exchange_declare(b, "direct").nowait()).await;
    peer.send(exchange_bind_nowait(a, b, "k")).await;
    peer.send(exchange_delete(a).nowait()).await;
    peer.expect_nothing_until_reply().await;
    expect_there(&mut peer, b).await;
    expect_missing(&mut peer, a).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nowait_does_not_hide_errors() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(exchange_declare("amq.mine", "direct").nowait()).await;
    let text = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'";
    peer.expect_channel_close(403, text, DECLARE).await;
    broker.stop_and_check().await;
}

// Deleting

#[tokio::test]
async fn deleting_what_is_not_there_is_fine() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let name = &unique("x");
    make(&mut peer, name, "fanout").await;
    peer.ask(exchange_delete(name), exchange_delete_ok()).await;
    peer.ask(exchange_delete(name), exchange_delete_ok()).await;
    expect_missing(&mut peer, name).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_brokers_own_exchanges_are_not_deleted() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for name in ["amq.direct", "amq.rabbitmq.trace", "amq.not-there"] {
        peer.send(exchange_delete(name)).await;
        let text = format!(
            "ACCESS_REFUSED - deletion of system exchange '{name}' in vhost '/' not allowed"
        );
        peer.expect_channel_close(403, &text, DELETE).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_exchange_that_is_the_source_of_a_binding_is_in_use() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (source, destination) = (&unique("source"), &unique("destination"));
    make(&mut peer, source, "direct").await;
    make(&mut peer, destination, "direct").await;
    peer.ask(exchange_bind(destination, source, "k"), exchange_bind_ok()).await;
    peer.send(exchange_delete(source).if_unused()).await;
    let text = format!("PRECONDITION_FAILED - exchange '{source}' in vhost '/' in use");
    peer.expect_channel_close(406, &text, DELETE).await;
    peer.open_channel(1).await;
    // Being a destination is not being used.
    peer.ask(exchange_delete(destination).if_unused(), exchange_delete_ok()).await;
    peer.ask(exchange_delete(source).if_unused(), exchange_delete_ok()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_new_exchange_does_not_inherit_the_bindings_of_its_name() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (x, jobs) = (&unique("x"), &unique("jobs"));
    peer.declare(jobs).await;
    make(&mut peer, x, "fanout").await;
    peer.ask(queue_bind(jobs, x, ""), queue_bind_ok()).await;
    peer.ask(exchange_delete(x), exchange_delete_ok()).await;
    make(&mut peer, x, "fanout").await;
    peer.send(publish(x, "", b"lost")).await;
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

// Auto-delete

#[tokio::test]
async fn an_auto_delete_exchange_goes_with_its_last_binding() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (x, jobs) = (&unique("x"), &unique("jobs"));
    peer.declare(jobs).await;
    peer.ask(exchange_declare(x, "direct").auto_delete(), exchange_declare_ok()).await;
    expect_there(&mut peer, x).await;
    peer.ask(queue_bind(jobs, x, "a"), queue_bind_ok()).await;
    peer.ask(queue_bind(jobs, x, "b"), queue_bind_ok()).await;
    peer.ask(queue_unbind(jobs, x, "a"), queue_unbind_ok()).await;
    expect_there(&mut peer, x).await;
    peer.ask(queue_unbind(jobs, x, "b"), queue_unbind_ok()).await;
    expect_missing(&mut peer, x).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_auto_delete_exchange_goes_with_its_last_queue() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (x, jobs) = (&unique("x"), &unique("jobs"));
    peer.declare(jobs).await;
    peer.ask(exchange_declare(x, "direct").auto_delete(), exchange_declare_ok()).await;
    peer.ask(queue_bind(jobs, x, "a"), queue_bind_ok()).await;
    peer.ask(queue_delete(jobs), queue_delete_ok(0)).await;
    expect_missing(&mut peer, x).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn auto_delete_goes_up_a_chain_of_exchanges() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (top, middle, end) = (&unique("top"), &unique("middle"), &unique("end"));
    for x in [top, middle, end] {
        peer.ask(exchange_declare(x, "fanout").auto_delete(), exchange_declare_ok()).await;
    }
    peer.ask(exchange_bind(middle, top, ""), exchange_bind_ok()).await;
    peer.ask(exchange_bind(end, middle, ""), exchange_bind_ok()).await;
    peer.ask(exchange_delete(end), exchange_delete_ok()).await;
    expect_missing(&mut peer, middle).await;
    expect_missing(&mut peer, top).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_auto_delete_destination_does_not_go_with_its_binding() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (source, destination) = (&unique("source"), &unique("destination"));
    make(&mut peer, source, "fanout").await;
    let declare = exchange_declare(destination, "fanout").auto_delete();
    peer.ask(declare, exchange_declare_ok()).await;
    peer.ask(exchange_bind(destination, source, ""), exchange_bind_ok()).await;
    peer.ask(exchange_unbind(destination, source, ""), exchange_unbind_ok()).await;
    expect_there(&mut peer, destination).await;
    broker.stop_and_check().await;
}

// Binding

#[tokio::test]
async fn both_ends_of_a_binding_must_be_there() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (there, none) = (&unique("there"), &unique("none"));
    make(&mut peer, there, "fanout").await;
    let text = format!("NOT_FOUND - no exchange '{none}' in vhost '/'");
    for bind in [exchange_bind(there, none, ""), exchange_bind(none, there, "")] {
        peer.send(bind).await;
        peer.expect_channel_close(404, &text, BIND).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn unbinding_what_is_not_bound_is_fine() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (a, b, none) = (&unique("a"), &unique("b"), &unique("none"));
    make(&mut peer, a, "direct").await;
    make(&mut peer, b, "direct").await;
    for (destination, source) in [(a, b), (a, none), (none, b)] {
        peer.ask(exchange_unbind(destination, source, "k"), exchange_unbind_ok()).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_internal_exchange_takes_from_exchanges_only() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (inner, outer, jobs) = (&unique("inner"), &unique("outer"), &unique("jobs"));
    peer.declare(jobs).await;
    make(&mut peer, outer, "fanout").await;
    peer.ask(exchange_declare(inner, "fanout").internal(), exchange_declare_ok()).await;
    peer.ask(exchange_bind(inner, outer, ""), exchange_bind_ok()).await;
    peer.ask(queue_bind(jobs, inner, ""), queue_bind_ok()).await;
    peer.send(publish(outer, "k", b"one")).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, b"one").via(outer, "k")).await;
    peer.send(publish(inner, "k", b"two")).await;
    let text =
        format!("ACCESS_REFUSED - cannot publish to internal exchange '{inner}' in vhost '/'");
    peer.expect_channel_close(403, &text, (60, 40)).await;
    broker.stop_and_check().await;
}
