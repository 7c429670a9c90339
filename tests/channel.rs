//! Channels: opening, closing, flow, and what closing gives back (behaviour 3, 8).

mod common;

use common::*;

#[tokio::test]
async fn a_channel_is_opened_once() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(channel_open()).await;
    peer.expect_connection_close(504, "CHANNEL_ERROR - second 'channel.open' seen", (20, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_channel_is_opened_first() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send_on(2, confirm_select()).await;
    peer.expect_connection_close(504, "CHANNEL_ERROR - expected 'channel.open'", (85, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_channel_may_have_any_number() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(Hello { channel_max: 3, ..Hello::default() }).await;
    peer.open_channel(65_535).await;
    peer.open_channel(2047).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn one_channel_more_than_agreed_closes_the_connection() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(Hello { channel_max: 2, ..Hello::default() }).await;
    peer.open_channel(2).await;
    peer.send_on(3, channel_open()).await;
    let text =
        "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)";
    peer.expect_connection_close(530, text, (0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_closed_channel_makes_room_for_another() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(Hello { channel_max: 1, ..Hello::default() }).await;
    for next in 2..10 {
        peer.close_channel(next - 1).await;
        peer.open_channel(next).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_number_may_be_used_again_after_close_ok() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for _ in 0..3 {
        peer.send(publish("", jobs, b"x")).await;
        peer.ask(get_no_ack(jobs), get_ok(1, false, 0, b"x")).await;
        peer.close_channel(1).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn flow_on_is_agreed_to() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(channel_flow(true), channel_flow_ok(true)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn flow_off_is_not_implemented() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(channel_flow(false)).await;
    peer.expect_connection_close(540, "NOT_IMPLEMENTED - active=false", (20, 20)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn access_is_granted_to_whoever_still_asks() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(access_request(), access_request_ok()).await;
    broker.stop_and_check().await;
}

// Errors

#[tokio::test]
async fn an_error_does_not_undo_what_went_before() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (before, none, after) = (&unique("before"), &unique("none"), &unique("after"));
    peer.send(queue_declare(before)).await;
    peer.send(queue_declare(none).passive()).await;
    peer.send(queue_declare(after)).await;
    peer.expect(queue_declare_ok(before, 0, 0)).await;
    let text = format!("NOT_FOUND - no queue '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, (50, 10)).await;
    peer.open_channel(1).await;
    peer.expect_counts(before, 0, 0).await;
    peer.send(queue_declare(after).passive()).await;
    let text = format!("NOT_FOUND - no queue '{after}' in vhost '/'");
    peer.expect_channel_close(404, &text, (50, 10)).await;
    broker.stop_and_check().await;
}

/// Makes the broker close channel 1, without agreeing to it.
async fn break_channel(peer: &mut Peer) {
    let none = &unique("none");
    peer.send(queue_declare(none).passive()).await;
    let text = format!("NOT_FOUND - no queue '{none}' in vhost '/'");
    peer.expect(close_of_channel(404, &text, (50, 10))).await;
}

#[tokio::test]
async fn a_channel_closed_by_the_broker_hears_nothing_until_close_ok() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    break_channel(&mut peer).await;
    peer.send(publish("", jobs, b"lost")).await;
    peer.send(queue_purge(jobs)).await;
    peer.send(channel_close_ok()).await;
    peer.open_channel(1).await;
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn closes_that_cross_are_both_answered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    break_channel(&mut peer).await;
    peer.send(channel_close()).await;
    peer.expect(channel_close_ok()).await;
    peer.send(channel_close_ok()).await;
    peer.open_channel(1).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn other_channels_go_on() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.open_channel(2).await;
    break_channel(&mut peer).await;
    peer.send_on(2, channel_flow(true)).await;
    peer.expect_on(2, channel_flow_ok(true)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_a_channel_held_is_free_as_soon_as_it_is_closed() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.ask(consume(jobs, "holder"), consume_ok("holder")).await;
    peer.expect(deliver("holder", 1, false, b"one")).await;
    break_channel(&mut peer).await;
    let mut other = broker.peer().await; // close-ok is still to come
    other.ask(consume(jobs, "c"), consume_ok("c")).await;
    other.expect(deliver("c", 1, true, b"one")).await;
    broker.stop_and_check().await;
}

// What closing gives back

#[tokio::test]
async fn closing_a_channel_requeues_in_order_what_it_had_not_settled() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for body in [b"1", b"2", b"3", b"4"] {
        peer.send(publish("", jobs, body)).await;
    }
    peer.open_channel(2).await;
    peer.send_on(2, consume(jobs, "c")).await;
    peer.expect_on(2, consume_ok("c")).await;
    for (tag, body) in [(1, b"1"), (2, b"2"), (3, b"3"), (4, b"4")] {
        peer.expect_on(2, deliver("c", tag, false, body)).await;
    }
    peer.send_on(2, ack(2)).await;
    peer.close_channel(2).await;
    peer.expect_counts(jobs, 3, 0).await;
    peer.send(publish("", jobs, b"5")).await;
    peer.ask(get(jobs), get_ok(1, true, 3, b"1")).await;
    peer.ask(get(jobs), get_ok(2, true, 2, b"3")).await;
    peer.ask(get(jobs), get_ok(3, true, 1, b"4")).await;
    peer.ask(get(jobs), get_ok(4, false, 0, b"5")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn closing_a_connection_requeues_too() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.expect_counts(jobs, 1, 0).await;
    let mut leaver = broker.peer().await;
    leaver.ask(get(jobs), get_ok(1, false, 0, b"one")).await;
    leaver.close().await;
    peer.ask(get(jobs), get_ok(1, true, 0, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_lost_connection_gives_its_messages_to_another_consumer() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let mut lost = broker.peer().await;
    lost.ask(consume(jobs, "lost"), consume_ok("lost")).await;
    peer.send(publish("", jobs, b"one")).await;
    lost.expect(deliver("lost", 1, false, b"one")).await;
    peer.ask(consume(jobs, "found"), consume_ok("found")).await;
    drop(lost);
    peer.expect(deliver("found", 1, true, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_delivered_without_ack_does_not_come_back() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.open_channel(2).await;
    peer.send_on(2, consume(jobs, "c").no_ack()).await;
    peer.expect_on(2, consume_ok("c")).await;
    peer.send_on(2, publish("", jobs, b"one")).await;
    peer.expect_on(2, deliver("c", 1, false, b"one")).await;
    peer.close_channel(2).await;
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn replies_keep_the_order_of_the_requests() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.send(queue_declare(jobs)).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.send(get(jobs)).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.send(get(jobs)).await;
    peer.send(queue_purge(jobs)).await;
    peer.send(qos(1)).await;
    peer.send(queue_delete(jobs)).await;
    peer.expect(queue_declare_ok(jobs, 0, 0)).await;
    peer.expect(get_ok(1, false, 0, b"one")).await;
    peer.expect(get_ok(2, true, 0, b"one")).await;
    peer.expect(queue_purge_ok(0)).await;
    peer.expect(qos_ok()).await;
    peer.expect(queue_delete_ok(0)).await;
    broker.stop_and_check().await;
}
