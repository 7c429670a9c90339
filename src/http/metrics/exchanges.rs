//! What metrics tell of exchanges and virtual hosts.

use super::queues::Which;
use super::series::{Fold, Labelled, Series};
use super::text::{Kind, labels, number};
use crate::broker::Node;
use crate::stats::ExchangeCounts;

/// An exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    counts: ExchangeCounts,
    bindings: u64,
}

/// Asks the exchanges; the labels of the second list have their types.
pub(super) fn collect(
    node: &Node,
    which: &Which<'_>,
) -> (Vec<Labelled<Exchange>>, Vec<Labelled<Exchange>>) {
    let (mut plain, mut typed) = (Vec::new(), Vec::new());
    for vhost in node.vhosts().into_iter().filter(|vhost| which.has_vhost(vhost.name())) {
        for exchange in vhost.exchanges() {
            let counts = exchange.counters().get();
            let bindings = exchange.bindings().len() as u64;
            let (vhost, name) = (&**vhost.name(), &**exchange.name());
            let kind = exchange.spec().kind.name();
            let pairs = [("vhost", vhost), ("exchange", name), ("type", kind)];
            let with_type = labels(&pairs);
            let labels = labels(&[("vhost", vhost), ("exchange", name)]);
            plain.push(Labelled { labels, object: Exchange { counts, bindings } });
            // The default exchange has no name and no bindings of its own.
            if !name.is_empty() {
                let object = Exchange { counts, bindings };
                typed.push(Labelled { labels: with_type, object });
            }
        }
    }
    (plain, typed)
}

/// The virtual hosts that there are.
pub(super) fn vhosts(node: &Node, which: &Which<'_>) -> Vec<Labelled<()>> {
    let found = node.vhosts().into_iter().filter(|vhost| which.has_vhost(vhost.name()));
    let labelled =
        found.map(|vhost| Labelled { labels: labels(&[("vhost", vhost.name())]), object: () });
    labelled.collect()
}

/// What is told of exchanges.
pub(super) static EXCHANGES: &[Series<Exchange>] = &[
    Series {
        family: "exchange_metrics",
        name: "exchange_messages_published_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages published to it",
        value: |x| Some(number(x.counts.publish_in)),
    },
    Series {
        family: "exchange_metrics",
        name: "exchange_messages_unroutable_returned_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages given back, since no queue took them",
        value: |x| Some(number(x.counts.unroutable_returned)),
    },
    Series {
        family: "exchange_metrics",
        name: "exchange_messages_unroutable_dropped_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages dropped, since no queue took them",
        value: |x| Some(number(x.counts.unroutable_dropped)),
    },
];

/// What is told of exchanges under the prefix of the cluster.
pub(super) static CLUSTER: &[Series<Exchange>] = &[
    Series {
        family: "exchange_bindings",
        name: "exchange_bindings",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Bindings that lead from it",
        value: |x| Some(number(x.bindings)),
    },
    Series {
        family: "exchange_names",
        name: "exchange_name",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "1 for each exchange that there is",
        value: |_| Some(1.0),
    },
];

/// What is told of virtual hosts under the prefix of the cluster.
pub(super) static VHOSTS: &[Series<()>] = &[Series {
    family: "vhost_status",
    name: "vhost_status",
    kind: Kind::Gauge,
    fold: Fold::Sum,
    help: "1 for each virtual host that runs",
    value: |()| Some(1.0),
}];
