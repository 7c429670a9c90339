//! Transactions (behaviour 21).

mod common;

use common::*;

const COMMIT: (u16, u16) = (90, 20);

async fn in_tx(broker: &TestBroker) -> (Peer, String) {
    let mut peer = broker.peer().await;
    let jobs = unique("jobs");
    peer.declare(&jobs).await;
    peer.ask(tx_select(), tx_select_ok()).await;
    (peer, jobs)
}

/// In a transaction, with these messages already in the queue.
async fn in_tx_with(broker: &TestBroker, bodies: &[&[u8]]) -> (Peer, String) {
    let (mut peer, jobs) = in_tx(broker).await;
    for body in bodies {
        peer.send(publish("", &jobs, body)).await;
    }
    peer.ask(tx_commit(), tx_commit_ok()).await;
    (peer, jobs)
}

#[tokio::test]
async fn select_may_be_repeated() {
    let broker = TestBroker::start().await;
    let (mut peer, _) = in_tx(&broker).await;
    peer.ask(tx_select(), tx_select_ok()).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.ask(tx_rollback(), tx_rollback_ok()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_confirming_channel_cannot_be_transactional() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    peer.send(tx_select()).await;
    let text = "PRECONDITION_FAILED - cannot switch from confirm to tx mode";
    peer.expect_channel_close(406, text, (90, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_select_there_is_nothing_to_commit() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let text = "PRECONDITION_FAILED - channel is not transactional";
    for (method, ids) in [(tx_commit(), COMMIT), (tx_rollback(), (90, 30))] {
        peer.send(method).await;
        peer.expect_channel_close(406, text, ids).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

// Publishing

#[tokio::test]
async fn messages_wait_for_the_commit() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx(&broker).await;
    let mut reader = broker.peer().await;
    peer.send(publish("", &jobs, b"1")).await;
    peer.send(publish("", &jobs, b"2").persistent()).await;
    peer.expect_nothing_until_reply().await;
    reader.ask(get(&jobs), get_empty()).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    reader.ask(get(&jobs), get_ok(1, false, 1, b"1")).await;
    reader.ask(get(&jobs), get_ok(2, false, 0, b"2")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn rolled_back_messages_are_forgotten() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx(&broker).await;
    peer.send(publish("", &jobs, b"1")).await;
    peer.ask(tx_rollback(), tx_rollback_ok()).await;
    peer.send(publish("", &jobs, b"2")).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.ask(get(&jobs), get_ok(1, false, 0, b"2")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn closing_the_channel_rolls_back() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx(&broker).await;
    peer.send(publish("", &jobs, b"1")).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.expect_counts(&jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn unroutable_messages_come_back_at_the_commit() {
    let broker = TestBroker::start().await;
    let (mut peer, _) = in_tx(&broker).await;
    peer.send(publish("amq.direct", "none", b"one").mandatory()).await;
    peer.expect_nothing_until_reply().await;
    peer.send(tx_commit()).await;
    peer.expect(no_route("amq.direct", "none", b"one")).await;
    peer.expect(tx_commit_ok()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn errors_do_not_wait_for_the_commit() {
    let broker = TestBroker::start().await;
    let (mut peer, _) = in_tx(&broker).await;
    let none = &unique("none");
    peer.send(publish(none, "k", b"one")).await;
    let text = format!("NOT_FOUND - no exchange '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, (60, 40)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_are_routed_when_published() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx(&broker).await;
    let x = &unique("x");
    peer.ask(exchange_declare(x, "fanout"), exchange_declare_ok()).await;
    peer.send(publish(x, "", b"too early")).await;
    peer.ask(queue_bind(&jobs, x, ""), queue_bind_ok()).await;
    peer.send(publish(x, "", b"in time")).await;
    peer.ask(queue_unbind(&jobs, x, ""), queue_unbind_ok()).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.ask(get(&jobs), get_ok(1, false, 0, b"in time")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_deleted_before_the_commit_does_not_disturb_it() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx(&broker).await;
    peer.send(publish("", &jobs, b"1")).await;
    peer.ask(queue_delete(&jobs), queue_delete_ok(0)).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    broker.stop_and_check().await;
}

// Settling

#[tokio::test]
async fn committed_acks_hold() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1", b"2"]).await;
    peer.ask(get(&jobs), get_ok(1, false, 1, b"1")).await;
    peer.ask(get(&jobs), get_ok(2, false, 0, b"2")).await;
    peer.send(ack(2)).await;
    peer.send(ack(1)).await; // out of order
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.expect_counts(&jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn acks_that_were_not_committed_do_not_hold() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1"]).await;
    peer.ask(get(&jobs), get_ok(1, false, 0, b"1")).await;
    peer.send(ack(1)).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.ask(get(&jobs), get_ok(1, true, 0, b"1")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn rolled_back_acks_may_be_given_again() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1"]).await;
    peer.ask(get(&jobs), get_ok(1, false, 0, b"1")).await;
    peer.send(ack(1)).await;
    peer.ask(tx_rollback(), tx_rollback_ok()).await;
    peer.expect_counts(&jobs, 0, 0).await; // still out, not redelivered
    peer.send(ack(1)).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.ask(get(&jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_unknown_tag_is_an_error_at_once() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1"]).await;
    peer.ask(get(&jobs), get_ok(1, false, 0, b"1")).await;
    peer.send(ack(1)).await;
    peer.send(ack(1)).await;
    let text = "PRECONDITION_FAILED - unknown delivery tag 1";
    peer.expect_channel_close(406, text, (60, 80)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn rejected_messages_return_at_the_commit() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1", b"2", b"3"]).await;
    for (tag, body) in [(1, b"1"), (2, b"2"), (3, b"3")] {
        peer.ask(get(&jobs), get_ok(tag, false, 3 - tag as u32, body)).await;
    }
    peer.send(reject(1, Requeue::Yes)).await;
    peer.send(nack(2, Requeue::Yes)).await;
    peer.send(nack(3, Requeue::No)).await;
    peer.ask(get(&jobs), get_empty()).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.ask(get(&jobs), get_ok(4, true, 1, b"1")).await;
    peer.ask(get(&jobs), get_ok(5, true, 0, b"2")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn rejects_can_be_rolled_back() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1"]).await;
    peer.ask(get(&jobs), get_ok(1, false, 0, b"1")).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.ask(tx_rollback(), tx_rollback_ok()).await;
    peer.ask(get(&jobs), get_empty()).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.ask(get(&jobs), get_ok(2, true, 0, b"1")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn ack_of_all_takes_what_is_left() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1", b"2", b"3"]).await;
    for (tag, body) in [(1, b"1"), (2, b"2"), (3, b"3")] {
        peer.ask(get(&jobs), get_ok(tag, false, 3 - tag as u32, body)).await;
    }
    peer.send(ack(2)).await;
    peer.send(ack_up_to(0)).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.expect_counts(&jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn recover_gives_back_only_what_no_ack_waits_for() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1", b"2"]).await;
    peer.ask(get(&jobs), get_ok(1, false, 1, b"1")).await;
    peer.ask(get(&jobs), get_ok(2, false, 0, b"2")).await;
    peer.send(ack(1)).await;
    peer.ask(recover(Requeue::Yes), recover_ok()).await;
    peer.ask(get(&jobs), get_ok(3, true, 0, b"2")).await;
    peer.ask(get(&jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_sent_without_ack_is_outside_the_transaction() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1", b"2"]).await;
    peer.ask(get_no_ack(&jobs), get_ok(1, false, 1, b"1")).await;
    peer.ask(consume(&jobs, "c").no_ack(), consume_ok("c")).await;
    peer.expect(deliver("c", 2, false, b"2")).await;
    peer.ask(tx_rollback(), tx_rollback_ok()).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.expect_counts(&jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_waiting_ack_frees_no_place_before_the_commit() {
    let broker = TestBroker::start().await;
    let (mut peer, jobs) = in_tx_with(&broker, &[b"1", b"2"]).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(&jobs, "c"), consume_ok("c")).await;
    peer.expect(deliver("c", 1, false, b"1")).await;
    peer.send(ack(1)).await;
    peer.expect_counts(&jobs, 1, 1).await;
    peer.send(tx_commit()).await;
    let both = vec![tx_commit_ok().into(), deliver("c", 2, false, b"2").into()];
    peer.expect_in_any_order(both).await;
    broker.stop_and_check().await;
}
