//! Direct reply-to: answers without a queue (behaviour 29).

mod common;

use common::*;

const REPLY_TO: &str = "amq.rabbitmq.reply-to";
const CONSUME: (u16, u16) = (60, 20);

fn wanting_reply(address: &str) -> BasicProperties {
    BasicProperties::default().with_reply_to(address.into())
}

async fn requester(broker: &TestBroker) -> Peer {
    let mut peer = broker.peer().await;
    peer.ask(consume(REPLY_TO, "r").no_ack(), consume_ok("r")).await;
    peer
}

/// The address that a request published on channel 1 of this peer carries.
async fn address_of(peer: &mut Peer) -> String {
    let requests = unique("requests");
    peer.ask(queue_declare(&requests).exclusive(), queue_declare_ok(&requests, 0, 0)).await;
    peer.send(publish("", &requests, b"question").with(wanting_reply(REPLY_TO))).await;
    peer.send(get_no_ack(&requests)).await;
    match peer.next(1, "the request").await {
        Item::Content { properties, .. } => {
            properties.reply_to().as_ref().map(ToString::to_string).unwrap_or_default()
        }
        other => peer.fail("the request", &other.to_string()),
    }
}

async fn expect_gone(broker: &TestBroker, address: &str) {
    let mut peer = broker.peer().await;
    peer.send(publish("", address, b"answer").mandatory()).await;
    peer.expect(no_route("", address, b"answer")).await;
    peer.send(queue_declare(address).passive()).await;
    let text = format!("NOT_FOUND - no queue '{address}' in vhost '/'");
    peer.expect_channel_close(404, &text, (50, 10)).await;
}

#[tokio::test]
async fn an_answer_comes_straight_to_the_requester() {
    let broker = TestBroker::start().await;
    let mut asking = requester(&broker).await;
    let mut answering = broker.peer().await;
    let requests = &unique("requests");
    answering.declare(requests).await;
    answering.ask(consume(requests, "c").no_ack(), consume_ok("c")).await;
    let question = wanting_reply(REPLY_TO).with_correlation_id("1".into());
    asking.send(publish("", requests, b"question").with(question)).await;
    let Item::Content { properties, .. } = answering.next(1, "the question").await else {
        panic!("no content");
    };
    let address = properties.reply_to().clone().expect("an address").to_string();
    assert!(address.starts_with("amq.rabbitmq.reply-to."), "{address}");
    let answer = BasicProperties::default().with_correlation_id("1".into());
    for tag in here([1, 2], [1, 1]) {
        answering.send(publish("", &address, b"answer").with(answer.clone())).await;
        let came = deliver("r", tag, false, b"answer").via("", &address);
        asking.expect(came.with(answer.clone())).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_answer_that_arrives_does_not_come_back() {
    let Some(broker) = only_on_warren("3.10 delivers and returns it").await else { return };
    let mut asking = requester(&broker).await;
    let address = address_of(&mut asking).await;
    let mut answering = broker.peer().await;
    answering.send(publish("", &address, b"answer").mandatory()).await;
    answering.expect_nothing_until_reply().await;
    asking.expect(deliver("r", 2, false, b"answer")).await; // 1 was the get
    broker.stop_and_check().await;
}

#[tokio::test]
async fn answers_are_confirmed() {
    let broker = TestBroker::start().await;
    let mut peer = requester(&broker).await;
    let address = address_of(&mut peer).await;
    let mut answering = broker.peer().await;
    answering.ask(confirm_select(), confirm_select_ok()).await;
    answering.send(publish("", &address, b"answer").persistent()).await;
    answering.expect(ack(1)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn addresses_differ_and_stay_the_same_for_a_channel() {
    let broker = TestBroker::start().await;
    let (mut one, mut two) = (requester(&broker).await, requester(&broker).await);
    let (first, second) = (address_of(&mut one).await, address_of(&mut two).await);
    assert_ne!(first, second);
    assert_eq!(address_of(&mut one).await, first);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_reply_consumer_does_not_acknowledge() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(consume(REPLY_TO, "r")).await;
    let text = "PRECONDITION_FAILED - reply consumer cannot acknowledge";
    peer.expect_channel_close(406, text, CONSUME).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_channel_has_one_reply_consumer() {
    let broker = TestBroker::start().await;
    let mut peer = requester(&broker).await;
    peer.send(consume(REPLY_TO, "another").no_ack()).await;
    let text = "PRECONDITION_FAILED - reply consumer already set";
    peer.expect_channel_close(406, text, CONSUME).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn asking_without_a_reply_consumer_is_an_error() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(publish("amq.direct", "k", b"x").with(wanting_reply(REPLY_TO))).await;
    let text = "PRECONDITION_FAILED - fast reply consumer does not exist";
    peer.expect_channel_close(406, text, (60, 40)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn only_the_bare_name_is_replaced() {
    let broker = TestBroker::start().await;
    let mut peer = requester(&broker).await;
    let address = address_of(&mut peer).await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for other in [address.as_str(), "elsewhere", "amq.rabbitmq.reply-to.x"] {
        peer.send(publish("", jobs, b"x").with(wanting_reply(other))).await;
    }
    for (tag, other) in [(2, address.as_str()), (3, "elsewhere"), (4, "amq.rabbitmq.reply-to.x")] {
        let unchanged = get_ok(tag, false, 4 - tag as u32, b"x").with(wanting_reply(other));
        peer.ask(get_no_ack(jobs), unchanged).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn cancelling_ends_the_address() {
    let broker = TestBroker::start().await;
    let mut peer = requester(&broker).await;
    let address = address_of(&mut peer).await;
    peer.ask(cancel("r"), cancel_ok("r")).await;
    expect_gone(&broker, &address).await;
    peer.ask(consume(REPLY_TO, "r").no_ack(), consume_ok("r")).await;
    assert_ne!(address_of(&mut peer).await, address);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_address_ends_with_the_channel() {
    let broker = TestBroker::start().await;
    let mut peer = requester(&broker).await;
    let address = address_of(&mut peer).await;
    peer.close_channel(1).await;
    expect_gone(&broker, &address).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_address_can_be_asked_for_like_a_queue() {
    let broker = TestBroker::start().await;
    let mut peer = requester(&broker).await;
    let address = &address_of(&mut peer).await;
    let mut other = broker.peer().await;
    other.ask(queue_declare(address).passive(), queue_declare_ok(address, 0, 1)).await;
    other.ask(queue_declare(address), queue_declare_ok(address, 0, 1)).await;
    other.ask(queue_declare(REPLY_TO).passive(), queue_declare_ok(REPLY_TO, 0, 1)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_address_cannot_be_guessed() {
    let broker = TestBroker::start().await;
    let mut peer = requester(&broker).await;
    let mut address = address_of(&mut peer).await;
    address.truncate(address.len() - 5);
    expect_gone(&broker, &format!("{address}AAAAA")).await;
    expect_gone(&broker, &address).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_address_is_not_bound() {
    let Some(broker) = only_on_warren("3.10 says that there is no such queue").await else {
        return;
    };
    let mut peer = requester(&broker).await;
    let address = &address_of(&mut peer).await;
    let text = "ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue";
    for (method, ids) in [
        (queue_bind(address, "amq.direct", "k"), (50, 20)),
        (queue_unbind(address, "amq.direct", "k"), (50, 50)),
    ] {
        let mut other = broker.peer().await;
        other.send(method).await;
        other.expect_channel_close(403, text, ids).await;
    }
    broker.stop_and_check().await;
}
