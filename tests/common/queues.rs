//! What tests of queues that act by themselves need: waiting for what will be so, taking what
//! arrives, and letting time pass without sleeping.

use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

use amq_protocol::protocol::{AMQPClass, BasicProperties, basic::AMQPMethod, queue};
use amq_protocol::types::AMQPValue;

use super::broker::{here, unique};
use super::expected::Item;
use super::methods::{
    Outgoing, Publish, QueueDeclare, channel_close, confirm_select, consume, get_no_ack, publish,
    queue_declare,
};
use super::peer::{Peer, WAIT_MAX};
use super::replies::{channel_close_ok, confirm_select_ok, consume_ok, deliver, queue_declare_ok};
use super::{int, table, text};

/// Longer than any test: what lives as long does not expire.
pub const HOUR_MS: i32 = 3_600_000;

/// Where `elapse` and `expect_gone` speak, apart from the test.
const ASIDE: u16 = 1999;

/// The two types of queues that keep their rules to themselves.
pub const KINDS: [&str; 2] = ["classic", "quorum"];

/// A message that was taken out of a queue.
#[derive(Debug)]
pub struct Letter {
    pub exchange: String,
    pub key: String,
    pub redelivered: bool,
    pub properties: BasicProperties,
    pub body: Vec<u8>,
}

/// A declaration with these arguments.
pub fn declare_with(queue: &str, arguments: &[(&str, AMQPValue)]) -> QueueDeclare {
    queue_declare(queue).args(table(arguments))
}

/// The same of a durable queue of that type.
pub fn declare_kind(kind: &str, queue: &str, arguments: &[(&str, AMQPValue)]) -> QueueDeclare {
    let mut all = arguments.to_vec();
    all.push(("x-queue-type", text(kind)));
    declare_with(queue, &all).durable()
}

/// A declaration of a queue whose dead letters go straight into another one.
pub fn declare_source(queue: &str, target: &str, arguments: &[(&str, AMQPValue)]) -> QueueDeclare {
    declare_with(queue, &with_target(target, arguments))
}

/// These arguments, and that dead letters go straight into a queue.
pub fn with_target<'a>(
    target: &str,
    arguments: &[(&'a str, AMQPValue)],
) -> Vec<(&'a str, AMQPValue)> {
    let mut all = arguments.to_vec();
    all.push(("x-dead-letter-exchange", text("")));
    all.push(("x-dead-letter-routing-key", text(target)));
    all
}

/// A queue's time for messages.
pub fn ttl(ms: i32) -> (&'static str, AMQPValue) {
    ("x-message-ttl", int(ms))
}

/// So many milliseconds, which are not less than none.
pub fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).expect("not negative"))
}

/// A message's own time.
pub fn expiration(ms: i32) -> BasicProperties {
    BasicProperties::default().with_expiration(ms.to_string().into())
}

impl Peer {
    /// Declares a queue that does not exist yet.
    #[track_caller]
    pub fn make(&mut self, queue: &str, declare: QueueDeclare) -> impl Future<Output = ()> {
        self.ask(declare, queue_declare_ok(queue, 0, 0))
    }

    /// So many messages become ready in that queue, and nothing else comes meanwhile.
    #[track_caller]
    pub fn expect_ready(&mut self, queue: &str, ready: u32) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let wanted = format!("{ready} ready in {queue}  [{at}]");
            let until = Instant::now() + WAIT_MAX;
            loop {
                self.send(queue_declare(queue).passive()).await;
                match self.next_method_on(1, &wanted).await {
                    AMQPClass::Queue(queue::AMQPMethod::DeclareOk(m)) => {
                        if m.message_count == ready {
                            return;
                        }
                        if Instant::now() >= until {
                            self.fail(&wanted, &m.message_count.to_string());
                        }
                    }
                    other => self.fail(&wanted, &format!("{other:?}")),
                }
            }
        }
    }

    /// Waits for a message in that queue and takes it. Only gets are used: in a queue that
    /// expires they would count as a use.
    #[track_caller]
    pub fn take(&mut self, queue: &str) -> impl Future<Output = Letter> {
        let wanted = format!("a message in {queue}  [{}]", Location::caller());
        async move {
            let until = Instant::now() + WAIT_MAX;
            loop {
                self.send(get_no_ack(queue)).await;
                match self.next(1, &wanted).await {
                    Item::Method(AMQPClass::Basic(AMQPMethod::GetEmpty(_)))
                        if Instant::now() < until => {}
                    item => return self.letter(item, &wanted),
                }
            }
        }
    }

    /// Takes messages until these bodies have come, in this order.
    #[track_caller]
    pub fn take_all(&mut self, queue: &str, bodies: &[&[u8]]) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            for body in bodies {
                let letter = self.take(queue).await;
                let wanted = format!("{} from {queue}  [{at}]", body.escape_ascii());
                if letter.body != *body {
                    self.fail(&wanted, &letter.body.escape_ascii().to_string());
                }
            }
        }
    }

    /// The next delivery on that channel.
    #[track_caller]
    pub fn next_letter(&mut self, channel: u16) -> impl Future<Output = Letter> {
        let wanted = format!("a delivery on channel {channel}  [{}]", Location::caller());
        async move {
            let item = self.next(channel, &wanted).await;
            self.letter(item, &wanted)
        }
    }

    fn letter(&self, item: Item, wanted: &str) -> Letter {
        let Item::Content { method, properties, body } = item else {
            self.fail(wanted, &item.to_string());
        };
        let (exchange, key, redelivered) = match method {
            AMQPMethod::GetOk(m) => (m.exchange, m.routing_key, m.redelivered),
            AMQPMethod::Deliver(m) => (m.exchange, m.routing_key, m.redelivered),
            other => self.fail(wanted, &format!("{other:?}")),
        };
        let (exchange, key) = (exchange.to_string(), key.to_string());
        Letter { exchange, key, redelivered, properties: *properties, body }
    }

    /// Turns confirms on.
    pub async fn select_confirms(&mut self) {
        self.ask(confirm_select(), confirm_select_ok()).await;
    }

    /// Publishes and waits until the queue has taken it.
    pub async fn put(&mut self, publish: Publish) {
        self.open_channel(ASIDE).await;
        self.send_on(ASIDE, confirm_select()).await;
        self.expect_on(ASIDE, confirm_select_ok()).await;
        self.send_on(ASIDE, publish).await;
        self.expect_on(ASIDE, super::ack(1)).await;
        self.leave_aside().await;
    }

    /// Waits until so many milliseconds have passed on the broker's own clock: a message has to
    /// expire in a queue that is here for that, which is the event to wait for.
    pub async fn elapse(&mut self, ms: i32) {
        let (timer, rung) = (&unique("timer"), &unique("rung"));
        self.open_channel(ASIDE).await;
        for declare in [declare_source(timer, rung, &[]), queue_declare(rung)] {
            self.send_on(ASIDE, declare.exclusive()).await;
            self.next_method_on(ASIDE, "a queue of the timer").await;
        }
        self.send_on(ASIDE, consume(rung, "timer").no_ack()).await;
        self.expect_on(ASIDE, consume_ok("timer")).await;
        self.send_on(ASIDE, publish("", timer, b"tick").with(expiration(ms))).await;
        self.expect_on(ASIDE, deliver("timer", 1, false, b"tick")).await;
        self.send_on(ASIDE, super::cancel("timer")).await;
        self.expect_on(ASIDE, super::cancel_ok("timer")).await;
        for queue in [timer, rung] {
            self.send_on(ASIDE, super::queue_delete(queue)).await;
            self.next_method_on(ASIDE, "the timer's queue is deleted").await;
        }
        self.leave_aside().await;
    }

    /// That queue goes away, without being used by the question: publishing to it is no use.
    #[track_caller]
    pub fn expect_gone(&mut self, queue: &str) -> impl Future<Output = ()> {
        let wanted = format!("the queue {queue} goes away  [{}]", Location::caller());
        async move {
            let until = Instant::now() + WAIT_MAX;
            while self.exists(queue).await {
                if Instant::now() >= until {
                    self.fail(&wanted, "it is still there");
                }
            }
        }
    }

    /// Whether that queue exists. A message that nobody wants is left in it.
    pub async fn exists(&mut self, queue: &str) -> bool {
        self.open_channel(ASIDE).await;
        self.send_on(ASIDE, confirm_select()).await;
        self.expect_on(ASIDE, confirm_select_ok()).await;
        self.send_on(ASIDE, publish("", queue, b"knock").mandatory()).await;
        let mut exists = true;
        loop {
            match self.next(ASIDE, "a return or a confirm").await {
                Item::Content { .. } => exists = false,
                Item::Method(AMQPClass::Basic(AMQPMethod::Ack(_))) => break,
                other => self.fail("a return or a confirm", &other.to_string()),
            }
        }
        self.leave_aside().await;
        exists
    }

    async fn leave_aside(&mut self) {
        self.send_on(ASIDE, Outgoing::from(channel_close())).await;
        self.expect_on(ASIDE, channel_close_ok()).await;
    }

    /// Declares that queue and expects a refusal with that text; the channel is open again
    /// afterwards.
    #[track_caller]
    pub fn expect_declare_refused(
        &mut self,
        declare: QueueDeclare,
        code: u16,
        text: &str,
    ) -> impl Future<Output = ()> {
        let at = Location::caller();
        let text = text.to_owned();
        async move {
            self.send(declare).await;
            let came = self.next(1, &format!("{code} {text}  [{at}]")).await;
            let close = super::close_of_channel(code, &text, (50, 10));
            if came != Item::Method(close) {
                self.fail(&format!("channel.close {code} {text}  [{at}]"), &came.to_string());
            }
            self.send(channel_close_ok()).await;
            self.open_channel(1).await;
        }
    }
}

/// The text of a refused argument.
pub fn invalid(queue: &str, key: &str, why: &str) -> String {
    format!("PRECONDITION_FAILED - invalid arg '{key}' for queue '{queue}' in vhost '/': {why}")
}

/// The text of a declaration that differs from the queue that is there.
pub fn inequivalent(queue: &str, key: &str, received: &str, current: &str) -> String {
    format!(
        "PRECONDITION_FAILED - inequivalent arg '{key}' for queue '{queue}' in vhost '/': \
         received {received} but current is {current}"
    )
}

/// True against warren, false against RabbitMQ 3.10.
pub fn is_warren() -> bool {
    here(true, false)
}
