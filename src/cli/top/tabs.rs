//! What can be looked at: queues, connections, channels, exchanges, and the columns of each.

use crate::cli::output::{Column, Kind};

/// One of the lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(super) enum Tab {
    #[default]
    Queues,
    Connections,
    Channels,
    Exchanges,
}

/// All of them, in the order they are shown.
pub(super) const TABS: [Tab; 4] = [Tab::Queues, Tab::Connections, Tab::Channels, Tab::Exchanges];

/// A column of a list on the screen.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) column: Column,
    pub(super) width: Width,
}

/// How much room a column takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Width {
    /// So many characters.
    Fixed(u16),
    /// A share of what is left.
    Share(u16),
}

const fn number(name: &'static str, path: &'static str, width: u16) -> Shown {
    Shown { column: Column::named(name, path, Kind::Number), width: Width::Fixed(width) }
}

const fn rate(name: &'static str, path: &'static str) -> Shown {
    Shown { column: Column::named(name, path, Kind::Rate), width: Width::Fixed(7) }
}

const fn bytes(name: &'static str, path: &'static str) -> Shown {
    Shown { column: Column::named(name, path, Kind::Bytes), width: Width::Fixed(7) }
}

const fn text(name: &'static str, path: &'static str, width: Width) -> Shown {
    Shown { column: Column::named(name, path, Kind::Text), width }
}

static QUEUES: [Shown; 9] = [
    text("name", "name", Width::Share(3)),
    text("vhost", "vhost", Width::Share(1)),
    number("ready", "messages_ready", 7),
    number("unacked", "messages_unacknowledged", 8),
    rate("in/s", "message_stats.publish_details.rate"),
    rate("out/s", "message_stats.deliver_get_details.rate"),
    // Ours alone; another broker leaves it empty.
    Shown {
        column: Column::named("oldest", "oldest_message_age_ms", Kind::Duration),
        width: Width::Fixed(7),
    },
    number("cons", "consumers", 5),
    bytes("memory", "memory"),
];

static CONNECTIONS: [Shown; 7] = [
    text("name", "name", Width::Share(3)),
    text("user", "user", Width::Share(1)),
    text("vhost", "vhost", Width::Share(1)),
    text("state", "state", Width::Fixed(8)),
    number("chans", "channels", 6),
    bytes("in B/s", "recv_oct_details.rate"),
    bytes("out B/s", "send_oct_details.rate"),
];

static CHANNELS: [Shown; 8] = [
    text("name", "name", Width::Share(3)),
    text("user", "user", Width::Share(1)),
    number("unacked", "messages_unacknowledged", 8),
    number("unconf", "messages_unconfirmed", 7),
    number("prefetch", "prefetch_count", 9),
    number("cons", "consumer_count", 5),
    rate("pub/s", "message_stats.publish_details.rate"),
    rate("out/s", "message_stats.deliver_get_details.rate"),
];

static EXCHANGES: [Shown; 5] = [
    text("name", "name", Width::Share(3)),
    text("vhost", "vhost", Width::Share(1)),
    text("type", "type", Width::Fixed(18)),
    rate("in/s", "message_stats.publish_in_details.rate"),
    rate("out/s", "message_stats.publish_out_details.rate"),
];

impl Tab {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Queues => "Queues",
            Self::Connections => "Connections",
            Self::Channels => "Channels",
            Self::Exchanges => "Exchanges",
        }
    }

    /// The part of the path.
    pub(super) fn part(self) -> &'static str {
        match self {
            Self::Queues => "queues",
            Self::Connections => "connections",
            Self::Channels => "channels",
            Self::Exchanges => "exchanges",
        }
    }

    pub(super) fn columns(self) -> &'static [Shown] {
        match self {
            Self::Queues => &QUEUES,
            Self::Connections => &CONNECTIONS,
            Self::Channels => &CHANNELS,
            Self::Exchanges => &EXCHANGES,
        }
    }
}
