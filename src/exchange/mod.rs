//! Exchanges: what they are declared with, and their bindings.
//!
//! Knows no messages' bodies and no delivery. Which destinations a key selects is in the matchers,
//! one file per type; how a message travels from exchange to exchange is in `route.rs`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use self::arguments::Arguments;
use self::history::History;
use crate::amqp::table::{Table, TableView};
use crate::error::{Error, Result};
use crate::message::{Message, Seq};
use crate::outbox::Wakes;
use crate::queue::{EffectivePolicy, Shelf};
use crate::stats::{ExchangeCounters, ExchangeCounts, Rates};

mod arguments;
mod bindings;
mod chance;
mod consistent_hash;
mod delay;
mod destination;
mod direct;
mod fanout;
mod hash_on;
mod headers;
mod history;
mod kind;
mod matcher;
mod one_of;
mod route;
mod seen;
mod stable_hash;
mod topic;

pub use consistent_hash::{ConsistentHash, WEIGHT_MAX};
pub use destination::{Destination, Lasting};
pub use direct::Direct;
pub use fanout::Fanout;
pub use hash_on::HashOn;
pub use headers::Headers;
pub use kind::ExchangeKind;
pub use matcher::Matcher;
pub use one_of::OneOf;
pub use route::{Names, Routed, Subject, route};
pub use topic::Topic;

/// What an exchange is declared with.
#[derive(Clone, Debug)]
pub struct ExchangeSpec {
    /// Its name in its virtual host.
    pub name: Arc<str>,
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Its type.
    pub kind: ExchangeKind,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
}

/// An exchange.
pub struct Exchange {
    spec: ExchangeSpec,
    arguments: Arguments,
    /// Whether each message has to come here, whatever was found out for another with its keys.
    varies: bool,
    history: Option<History>,
    /// What it holds back, if it delays messages.
    shelf: OnceLock<Arc<Shelf>>,
    /// Set while anything is bound to it, for somebody who looks often.
    bound: OnceLock<Arc<AtomicBool>>,
    policy: RwLock<InForce>,
    bindings: RwLock<Matcher<Destination>>,
    counters: ExchangeCounters,
    rates: Rates<{ ExchangeCounts::RATED }>,
}

/// What a policy asks of an exchange.
#[derive(Debug, Default)]
struct InForce {
    alternate: Option<Arc<str>>,
    shown: Option<Arc<EffectivePolicy>>,
}

impl Exchange {
    /// An exchange without bindings.
    pub fn new(spec: ExchangeSpec) -> Result<Self> {
        let arguments = Arguments::parse(&spec)?;
        let routes_as = arguments.routes_as;
        let goes_by_keys = routes_as.goes_by_keys(&arguments);
        let varies = !goes_by_keys || spec.kind == ExchangeKind::Delayed;
        let history = arguments.history_length.map(History::new);
        let bindings = RwLock::new(routes_as.matcher(&arguments));
        let (policy, shelf, bound) = (RwLock::default(), OnceLock::new(), OnceLock::new());
        let (counters, rates) = (ExchangeCounters::default(), Rates::default());
        Ok(Self {
            spec,
            arguments,
            varies,
            history,
            shelf,
            bound,
            policy,
            bindings,
            counters,
            rates,
        })
    }

    /// What it was declared with.
    pub fn spec(&self) -> &ExchangeSpec {
        &self.spec
    }

    /// Its name in its virtual host.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    /// What has gone through it, for whoever publishes to add to.
    pub fn counters(&self) -> &ExchangeCounters {
        &self.counters
    }

    /// How fast that grows: in and out, a second.
    pub fn rates(&self) -> [f64; ExchangeCounts::RATED] {
        self.rates.get()
    }

    /// Takes a sample, from which rates are made with the next one; or lets go of the last one.
    pub fn sample(&self, now_ms: Option<u64>) {
        let counts = self.counters.get();
        self.rates.update(now_ms.map(|now_ms| (now_ms, [counts.publish_in, counts.publish_out])));
    }

    /// Where it holds messages back.
    pub fn shelf(&self) -> Option<&Arc<Shelf>> {
        self.shelf.get()
    }

    /// Holds a message back for so long. Only for what [`route`] has found. Gives what a confirm
    /// has to wait for.
    pub fn hold(&self, message: &Message, delay_ms: u64, wakes: &mut Wakes) -> Seq {
        self.shelf.get().map_or(Seq::NONE, |shelf| shelf.hold(message, delay_ms, wakes))
    }

    /// Gives it a place to hold messages back, once.
    pub fn set_shelf(&self, place: Arc<Shelf>) {
        if self.shelf.set(place).is_err() {
            tracing::error!(exchange = %self, "has a place to hold messages back already");
        }
    }

    /// Where messages go that no binding takes: the argument counts before the policy.
    fn alternate(&self) -> Option<Arc<str>> {
        self.arguments.alternate.clone().or_else(|| self.policy.read().alternate.clone())
    }

    /// The policy that is in force, for people.
    pub fn effective_policy(&self) -> Option<Arc<EffectivePolicy>> {
        self.policy.read().shown.clone()
    }

    /// Puts another policy in force. True if messages may go elsewhere now.
    pub fn set_policy(
        &self,
        alternate: Option<Arc<str>>,
        shown: Option<Arc<EffectivePolicy>>,
    ) -> bool {
        let before = self.alternate();
        *self.policy.write() = InForce { alternate, shown };
        before != self.alternate()
    }

    /// Adds a binding. False if it is there already.
    pub fn bind(&self, key: &[u8], arguments: &Table, to: Destination) -> Result<bool> {
        self.check_binding(key, arguments, &to).map_err(Error::precondition_failed)?;
        let mut bindings = self.bindings.write();
        let is_new = bindings.bind(key, arguments, to);
        self.tell_bound(&bindings);
        Ok(is_new)
    }

    /// Whether its type allows a binding with that key and these arguments, wherever it leads. If
    /// not, says why.
    pub fn check_key(&self, key: &[u8], arguments: &Table) -> std::result::Result<(), String> {
        match self.arguments.routes_as {
            ExchangeKind::Headers => headers::validate(arguments),
            ExchangeKind::ConsistentHash => consistent_hash::weight(key).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Whether its type allows such a binding. If not, says why, in the words that clients know.
    fn check_binding(
        &self,
        key: &[u8],
        arguments: &Table,
        to: &Destination,
    ) -> std::result::Result<(), String> {
        match self.arguments.routes_as {
            ExchangeKind::LocalRandom => to.check_local(key),
            _ => self.check_key(key, arguments),
        }
    }

    /// Removes a binding. False if there is none.
    pub fn unbind(&self, key: &[u8], arguments: &Table, to: &Destination) -> bool {
        let mut bindings = self.bindings.write();
        let was_there = bindings.unbind(key, arguments, to);
        self.tell_bound(&bindings);
        was_there
    }

    /// Sets that flag while anything is bound to this exchange, from now on. Once.
    pub fn tell_whether_bound(&self, flag: Arc<AtomicBool>) {
        let bindings = self.bindings.write();
        if self.bound.set(flag).is_err() {
            tracing::error!(exchange = %self, "tells somebody already whether it is bound");
        }
        self.tell_bound(&bindings);
    }

    /// Under the lock of the bindings, so that the last to tell is right.
    fn tell_bound(&self, bindings: &Matcher<Destination>) {
        if let Some(bound) = self.bound.get() {
            bound.store(!bindings.is_empty(), Ordering::Relaxed);
        }
    }

    /// Whether any binding leads from here.
    pub fn has_bindings(&self) -> bool {
        !self.bindings.read().is_empty()
    }

    /// Whether messages may be held here before they are routed on.
    pub fn is_delayed(&self) -> bool {
        self.spec.kind == ExchangeKind::Delayed
    }

    /// For how long a message with these headers is held, if this is a delayed exchange.
    pub fn delay_ms(&self, headers: Option<TableView<'_>>) -> Option<u64> {
        if self.is_delayed() { delay::delay_ms(headers) } else { None }
    }

    /// Keeps a message for bindings that are made later. Only for what [`route`] has found:
    /// exchanges of other types forget it at once.
    pub fn remember(&self, message: &Message) {
        if let Some(history) = &self.history {
            history.push(message.clone());
        }
    }

    /// What it remembers, oldest first.
    pub fn remembered(&self) -> Vec<Message> {
        self.history.as_ref().map(History::messages).unwrap_or_default()
    }

    /// All bindings: key, arguments, destination.
    pub fn bindings(&self) -> Vec<(Vec<u8>, Table, Destination)> {
        let bindings = self.bindings.read();
        bindings.iter().map(|b| (b.key.to_vec(), b.arguments.clone(), b.to.clone())).collect()
    }
}

/// `exchange 'NAME' in vhost 'VHOST'`, as reply texts say it.
pub fn describe(name: &str, vhost: &str) -> String {
    format!("exchange '{name}' in vhost '{vhost}'")
}

impl std::fmt::Display for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&describe(&self.spec.name, &self.spec.vhost))
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("spec", &self.spec).finish_non_exhaustive()
    }
}
