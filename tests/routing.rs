//! Which queues a message reaches (behaviour 14, 17, 18.3).

mod common;

use common::*;

/// An exchange, and queues bound to it under test, each with a label to speak of it.
struct Routes {
    peer: Peer,
    exchange: String,
    queues: Vec<(String, String)>,
    published: u64,
}

impl Routes {
    async fn new(broker: &TestBroker, kind: &str) -> Self {
        let mut peer = broker.peer().await;
        let exchange = unique(kind);
        peer.ask(exchange_declare(&exchange, kind), exchange_declare_ok()).await;
        peer.ask(confirm_select(), confirm_select_ok()).await;
        Self { peer, exchange, queues: Vec::new(), published: 0 }
    }

    /// A queue that is called what its one binding key is.
    async fn bind(&mut self, key: &str) {
        self.bind_with(key, key, FieldTable::default()).await;
    }

    async fn bind_with(&mut self, label: &str, key: &str, arguments: FieldTable) {
        let queue = self.queue(label).await;
        let bind = queue_bind_args(&queue, &self.exchange, key, arguments);
        self.peer.ask(bind, queue_bind_ok()).await;
    }

    async fn queue(&mut self, label: &str) -> String {
        let queue = unique("queue");
        self.peer.declare(&queue).await;
        self.queues.push((label.to_owned(), queue.clone()));
        queue
    }

    /// The labels of all queues that the message reaches, as often as it does.
    async fn reached(&mut self, message: Publish) -> Vec<String> {
        self.peer.send(message).await;
        self.published += 1;
        self.peer.expect(ack(self.published)).await;
        let mut reached = Vec::new();
        for (label, queue) in &self.queues {
            loop {
                self.peer.send(get_no_ack(queue)).await;
                match self.peer.next(1, "get-ok or get-empty").await {
                    Item::Content { .. } => reached.push(label.clone()),
                    Item::Method(m) if m == get_empty() => break,
                    other => self.peer.fail("get-ok or get-empty", &other.to_string()),
                }
            }
        }
        reached
    }

    async fn expect_by_key(&mut self, key: &str, expected: &[&str]) {
        let message = publish(&self.exchange, key, b"x");
        assert_eq!(self.reached(message).await, expected, "with key {key:?}");
    }

    async fn expect_by_headers(&mut self, sent: &[(&str, AMQPValue)], expected: &[&str]) {
        let message = publish(&self.exchange, "key", b"x").with(headers(sent));
        assert_eq!(self.reached(message).await, expected, "with headers {sent:?}");
    }
}

// By key

#[tokio::test]
async fn the_default_exchange_knows_queues_by_name() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "direct").await;
    let a = routes.queue("a").await;
    routes.queue("b").await;
    assert_eq!(routes.reached(publish("", &a, b"x")).await, ["a"]);
    assert!(routes.reached(publish("", &unique("none"), b"x")).await.is_empty());
    broker.stop_and_check().await;
}

#[tokio::test]
async fn direct_compares_the_whole_key() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "direct").await;
    for key in ["red", "red", "Red", "*", "", "red.*"] {
        routes.bind(key).await;
    }
    routes.expect_by_key("red", &["red", "red"]).await;
    routes.expect_by_key("Red", &["Red"]).await;
    routes.expect_by_key("", &[""]).await;
    routes.expect_by_key("red.blue", &[]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn fanout_does_not_look_at_the_key() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "fanout").await;
    routes.bind("a").await;
    routes.bind("").await;
    routes.expect_by_key("whatever", &["a", ""]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn topic_matches_words() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "topic").await;
    for pattern in ["a.b", "a.*", "*.b", "a.#", "#.b", "#", "*", "a*", "a.*.c", "a.#.c"] {
        routes.bind(pattern).await;
    }
    routes.expect_by_key("a.b", &["a.b", "a.*", "*.b", "a.#", "#.b", "#"]).await;
    routes.expect_by_key("a", &["a.#", "#", "*"]).await;
    routes.expect_by_key("b", &["#.b", "#", "*"]).await;
    routes.expect_by_key("a*", &["#", "*", "a*"]).await;
    routes.expect_by_key("a.c", &["a.*", "a.#", "#", "a.#.c"]).await;
    routes.expect_by_key("a.b.c", &["a.#", "#", "a.*.c", "a.#.c"]).await;
    routes.expect_by_key("a.b.b.c", &["a.#", "#", "a.#.c"]).await;
    routes.expect_by_key("A.B", &["#"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn topic_tells_no_words_from_empty_ones() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "topic").await;
    for pattern in ["", "*", "#", "#.#", "*.*", "a.*", "*.#"] {
        routes.bind(pattern).await;
    }
    routes.expect_by_key("", &["", "#", "#.#"]).await;
    routes.expect_by_key(".", &["#", "#.#", "*.*", "*.#"]).await;
    routes.expect_by_key("a.", &["#", "#.#", "*.*", "a.*", "*.#"]).await;
    routes.expect_by_key("a", &["*", "#", "#.#", "*.#"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_gets_one_copy_however_many_bindings_match() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "topic").await;
    let both = routes.queue("both").await;
    for pattern in ["#", "a.*"] {
        let bind = queue_bind(&both, &routes.exchange, pattern);
        routes.peer.ask(bind, queue_bind_ok()).await;
    }
    routes.expect_by_key("a.b", &["both"]).await;
    let unbind = queue_unbind(&both, &routes.exchange, "#");
    routes.peer.ask(unbind, queue_unbind_ok()).await;
    routes.expect_by_key("a.b", &["both"]).await;
    routes.expect_by_key("b", &[]).await;
    broker.stop_and_check().await;
}

// By headers

#[tokio::test]
async fn headers_match_all_unless_told_otherwise() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "headers").await;
    let entries = [("a", text("1")), ("b", text("2"))];
    for mode in ["all", "any", ""] {
        let mut arguments = entries.to_vec();
        arguments.extend((!mode.is_empty()).then(|| ("x-match", text(mode))));
        routes.bind_with(mode, "", table(&arguments)).await;
    }
    let [a, b] = entries;
    routes.expect_by_headers(&[a.clone(), b.clone()], &["all", "any", ""]).await;
    routes.expect_by_headers(&[a.clone(), b, ("c", int(1))], &["all", "any", ""]).await;
    routes.expect_by_headers(std::slice::from_ref(&a), &["any"]).await;
    routes.expect_by_headers(&[a, ("b", text("other"))], &["any"]).await;
    routes.expect_by_headers(&[("c", text("1"))], &[]).await;
    routes.expect_by_headers(&[], &[]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn headers_with_nothing_to_test_match_all_or_none() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "headers").await;
    for mode in ["all", "any"] {
        routes.bind_with(mode, "", table(&[("x-match", text(mode))])).await;
    }
    routes.bind_with("nothing", "", FieldTable::default()).await;
    routes.expect_by_headers(&[("a", int(1))], &["all", "nothing"]).await;
    let bare = publish(&routes.exchange, "", b"x");
    assert_eq!(routes.reached(bare).await, ["all", "nothing"]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn headers_compare_type_and_value() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "headers").await;
    let values = [
        ("int", int(1)),
        ("text", text("1")),
        ("true", AMQPValue::Boolean(true)),
        ("list", texts(&["1"])),
        ("anything", AMQPValue::Void),
    ];
    for (label, value) in values {
        routes.bind_with(label, "", table(&[("h", value)])).await;
    }
    routes.expect_by_headers(&[("h", int(1))], &["int", "anything"]).await;
    routes.expect_by_headers(&[("h", AMQPValue::LongLongInt(1))], &["int", "anything"]).await;
    routes.expect_by_headers(&[("h", text("1"))], &["text", "anything"]).await;
    routes.expect_by_headers(&[("h", AMQPValue::Boolean(true))], &["true", "anything"]).await;
    routes.expect_by_headers(&[("h", texts(&["1"]))], &["list", "anything"]).await;
    routes.expect_by_headers(&[("h", texts(&["2"]))], &["anything"]).await;
    routes.expect_by_headers(&[("other", int(1))], &[]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn headers_that_begin_with_x_are_compared_if_asked_for() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "headers").await;
    for mode in ["all", "any", "all-with-x", "any-with-x"] {
        let arguments = [("x-match", text(mode)), ("x-key", int(1)), ("key", int(1))];
        routes.bind_with(mode, "", table(&arguments)).await;
    }
    let all = ["all", "any", "all-with-x", "any-with-x"];
    routes.expect_by_headers(&[("x-key", int(1)), ("key", int(1))], &all).await;
    routes.expect_by_headers(&[("key", int(1))], &["all", "any", "any-with-x"]).await;
    routes.expect_by_headers(&[("x-key", int(1))], &["any-with-x"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn headers_are_matched_in_known_ways_only() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let wrong = [
        (
            text("some"),
            "Invalid x-match field value <<\"some\">>; \
             expected all, any, all-with-x, or any-with-x",
        ),
        (int(5), "Invalid x-match field type signedint (value 5); expected longstr"),
    ];
    for (value, why) in wrong {
        let arguments = table(&[("x-match", value)]);
        peer.send(queue_bind_args(jobs, "amq.headers", "", arguments)).await;
        peer.expect_channel_close(406, &format!("PRECONDITION_FAILED - {why}"), (50, 20)).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

// Bindings

#[tokio::test]
async fn binding_twice_is_binding_once() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "direct").await;
    let a = routes.queue("a").await;
    let (bind, unbind) =
        (queue_bind(&a, &routes.exchange, "k"), queue_unbind(&a, &routes.exchange, "k"));
    routes.peer.ask(bind.clone(), queue_bind_ok()).await;
    routes.peer.ask(bind, queue_bind_ok()).await;
    routes.expect_by_key("k", &["a"]).await;
    routes.peer.ask(unbind, queue_unbind_ok()).await;
    routes.expect_by_key("k", &[]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn other_arguments_make_another_binding() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "direct").await;
    let a = routes.queue("a").await;
    let x = routes.exchange.clone();
    let arguments = table(&[("n", int(1))]);
    routes.peer.ask(queue_bind(&a, &x, "k"), queue_bind_ok()).await;
    routes.peer.ask(queue_bind_args(&a, &x, "k", arguments.clone()), queue_bind_ok()).await;
    routes.peer.ask(queue_unbind(&a, &x, "k"), queue_unbind_ok()).await;
    routes.expect_by_key("k", &["a"]).await;
    let other = table(&[("n", int(2))]);
    routes.peer.ask(queue_unbind_args(&a, &x, "k", other), queue_unbind_ok()).await;
    routes.expect_by_key("k", &["a"]).await;
    routes.peer.ask(queue_unbind_args(&a, &x, "k", arguments), queue_unbind_ok()).await;
    routes.expect_by_key("k", &[]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn both_ends_of_a_binding_must_be_there() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, none) = (&unique("jobs"), &unique("none"));
    peer.declare(jobs).await;
    peer.send(queue_bind(jobs, none, "k")).await;
    let text = format!("NOT_FOUND - no exchange '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, (50, 20)).await;
    peer.open_channel(1).await;
    peer.send(queue_bind(none, "amq.direct", "k")).await;
    let text = format!("NOT_FOUND - no queue '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, (50, 20)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn unbinding_what_is_not_bound_is_fine() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, none) = (&unique("jobs"), &unique("none"));
    peer.declare(jobs).await;
    for (queue, exchange) in [(jobs.as_str(), "amq.direct"), (jobs, none), (none, "amq.direct")] {
        peer.ask(queue_unbind(queue, exchange, "k"), queue_unbind_ok()).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn queues_are_not_bound_to_the_default_exchange() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let text = "ACCESS_REFUSED - operation not permitted on the default exchange";
    for (method, ids) in
        [(queue_bind(jobs, "", "k"), (50, 20)), (queue_unbind(jobs, "", jobs), (50, 50))]
    {
        peer.send(method).await;
        peer.expect_channel_close(403, text, ids).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_new_queue_does_not_inherit_the_bindings_of_its_name() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "fanout").await;
    let a = routes.queue("a").await;
    routes.peer.ask(queue_bind(&a, &routes.exchange, ""), queue_bind_ok()).await;
    routes.expect_by_key("", &["a"]).await;
    routes.peer.ask(queue_delete(&a), queue_delete_ok(0)).await;
    routes.peer.declare(&a).await;
    routes.expect_by_key("", &[]).await;
    broker.stop_and_check().await;
}

// From exchange to exchange

async fn make(routes: &mut Routes, kind: &str) -> String {
    let x = unique(kind);
    routes.peer.ask(exchange_declare(&x, kind), exchange_declare_ok()).await;
    x
}

async fn join(routes: &mut Routes, destination: &str, source: &str, key: &str) {
    routes.peer.ask(exchange_bind(destination, source, key), exchange_bind_ok()).await;
}

#[tokio::test]
async fn a_message_goes_through_exchanges_by_the_same_key() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "topic").await;
    let (top, middle) = (routes.exchange.clone(), make(&mut routes, "direct").await);
    join(&mut routes, &middle, &top, "a.#").await;
    let end = routes.queue("end").await;
    routes.peer.ask(queue_bind(&end, &middle, "a.b"), queue_bind_ok()).await;
    routes.peer.ask(queue_bind(&end, &middle, "b.a"), queue_bind_ok()).await;
    routes.expect_by_key("a.b", &["end"]).await;
    routes.expect_by_key("a.c", &[]).await;
    routes.expect_by_key("b.a", &[]).await;
    routes.peer.ask(exchange_unbind(&middle, &top, "a.#"), exchange_unbind_ok()).await;
    routes.expect_by_key("a.b", &[]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn exchanges_in_a_circle_deliver_once() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "fanout").await;
    let ring = [
        routes.exchange.clone(),
        make(&mut routes, "fanout").await,
        make(&mut routes, "fanout").await,
    ];
    for (n, label) in ["0", "1", "2"].into_iter().enumerate() {
        join(&mut routes, &ring[(n + 1) % 3], &ring[n], "").await;
        let queue = routes.queue(label).await;
        routes.peer.ask(queue_bind(&queue, &ring[n], ""), queue_bind_ok()).await;
    }
    join(&mut routes, &ring[0], &ring[0], "").await;
    for x in &ring {
        assert_eq!(routes.reached(publish(x, "", b"x")).await, ["0", "1", "2"]);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_reached_by_several_ways_gets_one_copy() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "fanout").await;
    let (top, left, right) = (
        routes.exchange.clone(),
        make(&mut routes, "fanout").await,
        make(&mut routes, "topic").await,
    );
    join(&mut routes, &left, &top, "").await;
    join(&mut routes, &right, &top, "").await;
    let end = routes.queue("end").await;
    for x in [&top, &left, &right] {
        routes.peer.ask(queue_bind(&end, x, "#"), queue_bind_ok()).await;
    }
    routes.expect_by_key("k", &["end"]).await;
    broker.stop_and_check().await;
}

// Alternate exchanges

/// An exchange of this kind that hands on what it cannot route.
async fn make_with_alternate(routes: &mut Routes, kind: &str, alternate: &str) -> String {
    let x = unique(kind);
    let declare =
        exchange_declare(&x, kind).args(table(&[("alternate-exchange", text(alternate))]));
    routes.peer.ask(declare, exchange_declare_ok()).await;
    x
}

#[tokio::test]
async fn what_matches_nothing_goes_to_the_alternate() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "fanout").await;
    let last = routes.exchange.clone();
    let second = make_with_alternate(&mut routes, "direct", &last).await;
    let first = make_with_alternate(&mut routes, "direct", &second).await;
    for (label, x, key) in [("first", &first, "1"), ("second", &second, "2"), ("last", &last, "")] {
        let queue = routes.queue(label).await;
        routes.peer.ask(queue_bind(&queue, x, key), queue_bind_ok()).await;
    }
    for (key, label) in [("1", "first"), ("2", "second"), ("3", "last")] {
        let message = publish(&first, key, b"x").mandatory();
        assert_eq!(routes.reached(message).await, [label], "with key {key}");
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_missing_alternate_is_no_route() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "fanout").await;
    let x = make_with_alternate(&mut routes, "direct", &unique("none")).await;
    assert!(routes.reached(publish(&x, "k", b"x")).await.is_empty());
    routes.peer.send(publish(&x, "k", b"x").mandatory()).await;
    routes.peer.expect(no_route(&x, "k", b"x")).await;
    routes.peer.expect(ack(2)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn alternates_in_a_circle_end() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "fanout").await;
    let b = unique("b");
    let a = make_with_alternate(&mut routes, "direct", &b).await;
    let declare = exchange_declare(&b, "direct").args(table(&[("alternate-exchange", text(&a))]));
    routes.peer.ask(declare, exchange_declare_ok()).await;
    routes.peer.send(publish(&a, "k", b"x").mandatory()).await;
    routes.peer.expect(no_route(&a, "k", b"x")).await;
    routes.peer.expect(ack(1)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_match_that_leads_nowhere_is_still_a_match() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "fanout").await;
    let alternate = routes.exchange.clone();
    routes.bind("alternate").await;
    let x = make_with_alternate(&mut routes, "direct", &alternate).await;
    let dead_end = make(&mut routes, "fanout").await;
    join(&mut routes, &dead_end, &x, "k").await;
    assert!(routes.reached(publish(&x, "k", b"x")).await.is_empty());
    assert_eq!(routes.reached(publish(&x, "other", b"x")).await, ["alternate"]);
    broker.stop_and_check().await;
}

// Carbon copies

#[tokio::test]
async fn cc_and_bcc_are_more_keys() {
    let broker = TestBroker::start().await;
    let mut routes = Routes::new(&broker, "direct").await;
    for key in ["to", "cc", "bcc", "other"] {
        routes.bind(key).await;
    }
    let copies = headers(&[("CC", texts(&["cc", "to"])), ("BCC", texts(&["bcc", "cc"]))]);
    let message = publish(&routes.exchange, "to", b"x").with(copies.clone());
    assert_eq!(routes.reached(message).await, ["to", "cc", "bcc"]);
    let (a, b) = (routes.queue("a").await, routes.queue("b").await);
    let by_name = headers(&[("CC", texts(&[&a])), ("BCC", texts(&[&b]))]);
    assert_eq!(routes.reached(publish("", "none", b"x").with(by_name)).await, ["a", "b"]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn blind_copies_are_not_shown() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (to, bcc) = (&unique("to"), &unique("bcc"));
    peer.declare(to).await;
    peer.declare(bcc).await;
    let sent = headers(&[("CC", texts(&["c"])), ("BCC", texts(&[bcc])), ("n", int(1))]);
    let seen = headers(&[("CC", texts(&["c"])), ("n", int(1))]);
    peer.send(publish("", to, b"x").with(sent)).await;
    peer.ask(get(to), get_ok(1, false, 0, b"x").via("", to).with(seen.clone())).await;
    peer.ask(get(bcc), get_ok(2, false, 0, b"x").via("", to).with(seen)).await;
    broker.stop_and_check().await;
}
