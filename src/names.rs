//! Names and numbers that the broker gives out.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Clients and their test suites branch on the version of RabbitMQ that they think they talk to,
/// and take a strange one for an old server. So this names the RabbitMQ whose behaviour is copied:
/// 4.2, the last series in which `basic.qos` with global=1 is on, as it is here.
pub(crate) const COMPATIBLE_VERSION: &str = "4.2.0";

/// Random octets in a generated name: nobody can guess one.
const RANDOM_BYTES: usize = 16;

/// What names of server-named queues start with.
pub(crate) const QUEUE_PREFIX: &str = "amq.gen-";
/// What generated consumer tags start with.
pub(crate) const CONSUMER_TAG_PREFIX: &str = "amq.ctag-";

/// A name that starts so and that nobody can guess.
pub(crate) fn generate(prefix: &str) -> String {
    let mut random = [0; RANDOM_BYTES];
    if let Err(error) = getrandom::fill(&mut random) {
        // Without randomness a name is still unique in this process.
        tracing::error!(%error, "the system gives no random octets");
        if let Some(first) = random.first_chunk_mut() {
            *first = next_number().to_be_bytes();
        }
    }
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random))
}

/// A number that nothing else in this process has: identities of connections and consumers.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A name as `queue.declare` and its kin take it: without line breaks.
pub(crate) fn without_line_breaks(name: &str) -> String {
    name.replace(['\r', '\n'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_differ_and_have_rabbitmqs_length() {
        let (a, b) = (generate(QUEUE_PREFIX), generate(QUEUE_PREFIX));
        assert_ne!(a, b);
        assert_eq!(a.len(), QUEUE_PREFIX.len() + 22);
    }
}
