//! Settling deliveries: ack, nack, reject, recover, and tags that stand for nothing (behaviour 25).

mod common;

use common::*;

const ACK: (u16, u16) = (60, 80);
const REJECT: (u16, u16) = (60, 90);
const NACK: (u16, u16) = (60, 120);

const BODIES: [&[u8]; 4] = [b"1", b"2", b"3", b"4"];

/// A queue of which the four messages are delivered to consumer `c` with tags 1 to 4.
async fn four_delivered(peer: &mut Peer) -> String {
    let jobs = unique("jobs");
    peer.declare(&jobs).await;
    peer.ask(consume(&jobs, "c"), consume_ok("c")).await;
    for body in BODIES {
        peer.send(publish("", &jobs, body)).await;
    }
    for (tag, body) in (1..).zip(BODIES) {
        peer.expect(deliver("c", tag, false, body)).await;
    }
    jobs
}

/// The same without the consumer, so that what is requeued stays.
async fn four_out(peer: &mut Peer) -> String {
    let jobs = four_delivered(peer).await;
    peer.ask(cancel("c"), cancel_ok("c")).await;
    jobs
}

/// What comes back when the channel is closed: all that was not settled.
async fn expect_left(peer: &mut Peer, jobs: &str, left: &[&[u8]]) {
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    for (n, body) in (1..).zip(left) {
        let behind = left.len() - n;
        peer.ask(get(jobs), get_ok(n as u64, true, behind as u32, body)).await;
    }
    peer.ask(get(jobs), get_empty()).await;
}

#[tokio::test]
async fn an_ack_settles_one() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(ack(2)).await;
    peer.send(ack(4)).await;
    expect_left(&mut peer, jobs, &[b"1", b"3"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_ack_of_many_settles_all_up_to_it() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(ack_up_to(3)).await;
    expect_left(&mut peer, jobs, &[b"4"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_ack_up_to_0_settles_all_there_are_even_none() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(ack_up_to(0)).await;
    peer.send(ack_up_to(0)).await;
    peer.send(nack_up_to(0, Requeue::Yes)).await;
    peer.expect_nothing_until_reply().await;
    expect_left(&mut peer, jobs, &[]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_rejected_for_good_is_gone() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(reject(1, Requeue::No)).await;
    peer.send(nack(2, Requeue::No)).await;
    peer.send(nack_up_to(3, Requeue::No)).await;
    expect_left(&mut peer, jobs, &[b"4"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_rejected_message_comes_back_marked_as_redelivered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.ask(consume(jobs, "c1"), consume_ok("c1")).await;
    peer.expect(deliver("c1", 1, false, b"one")).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.expect(deliver("c1", 2, true, b"one")).await;
    peer.send(nack(2, Requeue::Yes)).await;
    peer.expect(deliver("c1", 3, true, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_requeued_goes_back_to_its_place() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(publish("", jobs, b"5")).await;
    peer.send(reject(3, Requeue::Yes)).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.ask(get(jobs), get_ok(5, true, 2, b"1")).await;
    peer.ask(get(jobs), get_ok(6, true, 1, b"3")).await;
    peer.ask(get(jobs), get_ok(7, false, 0, b"5")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn many_are_requeued_in_their_order() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(nack_up_to(4, Requeue::Yes)).await;
    for (n, body) in (0..).zip(BODIES) {
        peer.ask(get(jobs), get_ok(5 + n, true, 3 - n as u32, body)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn tags_count_all_deliveries_of_a_channel() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (a, b) = (&unique("a"), &unique("b"));
    peer.declare(a).await;
    peer.declare(b).await;
    peer.ask(consume(a, "a").no_ack(), consume_ok("a")).await;
    peer.send(publish("", a, b"1")).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    peer.send(publish("", b, b"2")).await;
    peer.ask(get_no_ack(b), get_ok(2, false, 0, b"2")).await;
    peer.send(publish("", b, b"3")).await;
    peer.ask(get(b), get_ok(3, false, 0, b"3")).await;
    peer.send(publish("", a, b"4")).await;
    peer.expect(deliver("a", 4, false, b"4")).await;
    broker.stop_and_check().await;
}

// Tags that stand for nothing

async fn expect_unknown(peer: &mut Peer, settle: AMQPClass, tag: u64, ids: (u16, u16)) {
    peer.send(settle).await;
    let text = format!("PRECONDITION_FAILED - unknown delivery tag {tag}");
    peer.expect_channel_close(406, &text, ids).await;
    peer.open_channel(1).await;
}

#[tokio::test]
async fn a_tag_never_given_is_unknown() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    expect_unknown(&mut peer, ack(1), 1, ACK).await;
    expect_unknown(&mut peer, ack(0), 0, ACK).await;
    expect_unknown(&mut peer, ack_up_to(7), 7, ACK).await;
    expect_unknown(&mut peer, reject(1, Requeue::Yes), 1, REJECT).await;
    expect_unknown(&mut peer, nack(1, Requeue::Yes), 1, NACK).await;
    expect_unknown(&mut peer, nack_up_to(9, Requeue::No), 9, NACK).await;
    expect_unknown(&mut peer, ack(u64::MAX), u64::MAX, ACK).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_tag_is_settled_once() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(ack(2)).await;
    expect_unknown(&mut peer, ack(2), 2, ACK).await;
    peer.ask(get(jobs), get_ok(1, true, 2, b"1")).await;
    peer.send(reject(1, Requeue::No)).await;
    expect_unknown(&mut peer, reject(1, Requeue::No), 1, REJECT).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_delivery_without_ack_is_not_to_be_settled() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, b"one")).await;
    expect_unknown(&mut peer, ack(1), 1, ACK).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_tag_of_another_channel_is_unknown() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.expect_counts(jobs, 1, 0).await;
    peer.open_channel(2).await;
    peer.send_on(2, get(jobs)).await;
    peer.expect_on(2, get_ok(1, false, 0, b"one")).await;
    expect_unknown(&mut peer, ack(1), 1, ACK).await;
    broker.stop_and_check().await;
}

// Recover

#[tokio::test]
async fn recover_gives_back_all_that_is_not_settled() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(ack(2)).await;
    peer.ask(recover(Requeue::Yes), recover_ok()).await;
    peer.ask(get(jobs), get_ok(5, true, 2, b"1")).await;
    peer.ask(get(jobs), get_ok(6, true, 1, b"3")).await;
    peer.ask(get(jobs), get_ok(7, true, 0, b"4")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn recover_redelivers_to_the_same_consumer_if_it_is_the_only_one() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    peer.send(recover(Requeue::Yes)).await;
    let again = deliver("c", 2, true, b"one").into();
    peer.expect_in_any_order(vec![recover_ok().into(), again]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_asynchronous_recover_is_not_answered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &four_out(&mut peer).await;
    peer.send(recover_async(Requeue::Yes)).await;
    peer.ask(get(jobs), get_ok(5, true, 3, b"1")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn recover_without_requeue_is_not_implemented() {
    let broker = TestBroker::start().await;
    for (method, ids) in
        [(recover(Requeue::No), (60, 110)), (recover_async(Requeue::No), (60, 100))]
    {
        let mut peer = broker.peer().await;
        peer.send(method).await;
        peer.expect_connection_close(540, "NOT_IMPLEMENTED - requeue=false", ids).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn recover_brings_back_nothing_that_was_sent_without_ack() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(consume(jobs, "c").no_ack(), consume_ok("c")).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    peer.ask(recover(Requeue::Yes), recover_ok()).await;
    peer.expect_counts(jobs, 0, 1).await;
    broker.stop_and_check().await;
}
