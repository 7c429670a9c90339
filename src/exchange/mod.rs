//! Exchanges: what they are declared with, and their bindings.
//!
//! Knows no messages' bodies and no delivery. Which destinations a key selects is in the matchers,
//! one file per type; how a message travels from exchange to exchange is in `route.rs`.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::amqp::table::{Table, Value};
use crate::error::{Error, Result};
use crate::queue::{EffectivePolicy, Queue};

mod bindings;
mod direct;
mod fanout;
mod headers;
mod matcher;
mod route;
mod seen;
mod topic;

pub use direct::Direct;
pub use fanout::Fanout;
pub use headers::Headers;
pub use matcher::Matcher;
pub use route::{Names, Routed, route};
pub use topic::Topic;

/// The exchange types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExchangeKind {
    /// Keys are equal.
    Direct,
    /// Every binding.
    Fanout,
    /// Keys match patterns of words.
    Topic,
    /// Headers match arguments.
    Headers,
}

impl ExchangeKind {
    /// All of them, as clients name them.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Fanout, Self::Topic, Self::Headers];

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn matcher(self) -> Matcher<Destination> {
        match self {
            Self::Direct => Matcher::Direct(Direct::default()),
            Self::Fanout => Matcher::Fanout(Fanout::default()),
            Self::Topic => Matcher::Topic(Topic::default()),
            Self::Headers => Matcher::Headers(Box::default()),
        }
    }

    /// As in `exchange.declare`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
        }
    }
}

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

/// Where a binding leads.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Into a queue.
    Queue(Arc<Queue>),
    /// To another exchange's bindings.
    Exchange(Arc<Exchange>),
}

/// An exchange.
pub struct Exchange {
    spec: ExchangeSpec,
    alternate: Option<Arc<str>>,
    policy: RwLock<InForce>,
    bindings: RwLock<Matcher<Destination>>,
}

/// What a policy asks of an exchange.
#[derive(Debug, Default)]
struct InForce {
    alternate: Option<Arc<str>>,
    shown: Option<Arc<EffectivePolicy>>,
}

/// The key of the argument that names an alternate exchange.
const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

impl Exchange {
    /// An exchange without bindings.
    pub fn new(spec: ExchangeSpec) -> Result<Self> {
        let alternate = match spec.arguments.view().get(ALTERNATE_EXCHANGE) {
            None => None,
            Some(Value::LongString(name)) => Some(String::from_utf8_lossy(name).as_ref().into()),
            Some(other) => {
                return Err(Error::precondition_failed(format!(
                    "invalid type '{}' for arg '{ALTERNATE_EXCHANGE}' in {}",
                    other.type_name(),
                    describe(&spec.name, &spec.vhost)
                )));
            }
        };
        let bindings = RwLock::new(spec.kind.matcher());
        Ok(Self { spec, alternate, policy: RwLock::default(), bindings })
    }

    /// What it was declared with.
    pub fn spec(&self) -> &ExchangeSpec {
        &self.spec
    }

    /// Its name in its virtual host.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    /// Where messages go that no binding takes: the argument counts before the policy.
    fn alternate(&self) -> Option<Arc<str>> {
        self.alternate.clone().or_else(|| self.policy.read().alternate.clone())
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
        if self.spec.kind == ExchangeKind::Headers {
            headers::validate(arguments).map_err(Error::precondition_failed)?;
        }
        Ok(self.bindings.write().bind(key, arguments, to))
    }

    /// Removes a binding. False if there is none.
    pub fn unbind(&self, key: &[u8], arguments: &Table, to: &Destination) -> bool {
        self.bindings.write().unbind(key, arguments, to)
    }

    /// Whether any binding leads from here.
    pub fn has_bindings(&self) -> bool {
        !self.bindings.read().is_empty()
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

impl Destination {
    /// Whether it survives a restart.
    pub fn is_durable(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.spec().durable,
            Self::Exchange(exchange) => exchange.spec().durable,
        }
    }

    fn address(&self) -> usize {
        match self {
            Self::Queue(queue) => Arc::as_ptr(queue).addr(),
            Self::Exchange(exchange) => Arc::as_ptr(exchange).addr(),
        }
    }
}

/// Destinations are the same if they are the same object: a name that was deleted and declared
/// again is another destination.
impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Destination {}

impl std::hash::Hash for Destination {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}
