//! The open connections: who they belong to, how many there may be, and how to reach them.
//!
//! A connection is let in and counted in one step, so that no limit is passed and nobody slips in
//! while the user or the virtual host is deleted. Knows no sockets.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::Node;
use crate::access::User;
use crate::error::{Error, Reason, ReplyCode, Result};
use crate::outbox::{Outbox, Outgoing, Wakes};
use crate::queue::ConnectionId;
use crate::vhost::VirtualHost;

/// The open connections.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    all: HashMap<ConnectionId, Connection>,
    per_vhost: HashMap<Arc<str>, usize>,
    per_user: HashMap<Arc<str>, Counts>,
}

#[derive(Debug)]
struct Connection {
    outbox: Arc<Outbox>,
    user: Arc<str>,
    vhost: Arc<str>,
    channels: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    connections: usize,
    channels: usize,
}

impl Open {
    fn insert(&mut self, id: ConnectionId, connection: Connection) {
        *self.per_vhost.entry(connection.vhost.clone()).or_default() += 1;
        self.per_user.entry(connection.user.clone()).or_default().connections += 1;
        self.all.insert(id, connection);
    }

    fn remove(&mut self, id: ConnectionId) {
        self.set_channels(id, 0);
        let Some(Connection { user, vhost, .. }) = self.all.remove(&id) else { return };
        if let Some(count) = self.per_vhost.get_mut(&vhost) {
            *count -= 1;
            if *count == 0 {
                self.per_vhost.remove(&vhost);
            }
        }
        if let Some(counts) = self.per_user.get_mut(&user) {
            counts.connections -= 1;
            if counts.connections == 0 {
                self.per_user.remove(&user);
            }
        }
    }

    fn set_channels(&mut self, id: ConnectionId, channels: usize) {
        let Some(connection) = self.all.get_mut(&id) else { return };
        let before = std::mem::replace(&mut connection.channels, channels);
        if let Some(counts) = self.per_user.get_mut(&connection.user) {
            counts.channels = counts.channels - before + channels;
        }
    }

    fn of_user(&self, user: &str) -> Counts {
        self.per_user.get(user).copied().unwrap_or_default()
    }
}

impl Node {
    /// Lets a connection in, or says why not (530). From now on it is told of alarms and of the
    /// end, until it [is removed](Self::remove_connection).
    pub fn admit(
        &self,
        id: ConnectionId,
        outbox: &Arc<Outbox>,
        user: &User,
        vhost: &str,
    ) -> Result<Arc<VirtualHost>> {
        let user = &*user.name;
        let mut open = self.connections.0.lock();
        let found = self.vhost(vhost)?;
        let name = found.name();
        let limit = found.settings().limits.max_connections;
        let count = open.per_vhost.get(name).copied().unwrap_or_default();
        if let Some(limit) = reached(limit, count) {
            return Err(Error::not_allowed(format!(
                "access to vhost '{name}' refused for user '{user}': connection limit ({limit}) \
                 is reached"
            )));
        }
        let refused =
            || Error::not_allowed(format!("access to vhost '{name}' refused for user '{user}'"));
        // Since the login the user may have been deleted.
        let current = self.access.user(user).ok_or_else(refused)?;
        let count = open.of_user(user).connections;
        if let Some(limit) = reached(current.limits.max_connections, count) {
            return Err(Error::not_allowed(format!(
                "connection refused for user '{user}': user connection limit ({limit}) is reached"
            )));
        }
        self.access.permission(name, user).ok_or_else(refused)?;
        let (user, vhost) = (current.name.clone(), name.clone());
        open.insert(id, Connection { outbox: outbox.clone(), user, vhost, channels: 0 });
        Ok(found)
    }

    /// A connection wants another channel, and has so many. 530 if its user has too many.
    pub fn admit_channel(&self, id: ConnectionId, user: &str, channels: usize) -> Result<()> {
        let limit = self.access.user(user).and_then(|user| user.limits.max_channels);
        let mut open = self.connections.0.lock();
        if let Some(limit) = reached(limit, open.of_user(user).channels) {
            return Err(Error::not_allowed(format!(
                "number of channels opened for user '{user}' has reached the maximum allowed user \
                 limit of ({limit})"
            )));
        }
        open.set_channels(id, channels + 1);
        Ok(())
    }

    /// A connection has so many channels left.
    pub fn set_channels(&self, id: ConnectionId, channels: usize) {
        self.connections.0.lock().set_channels(id, channels);
    }

    /// A connection has ended.
    pub fn remove_connection(&self, id: ConnectionId) {
        self.connections.0.lock().remove(id);
    }

    /// How many connections are open.
    pub fn connection_count(&self) -> usize {
        self.connections.0.lock().all.len()
    }

    /// How many connections there are to a virtual host.
    pub fn connections_to(&self, vhost: &str) -> usize {
        self.connections.0.lock().per_vhost.get(vhost).copied().unwrap_or_default()
    }

    /// How many connections and channels a user has.
    pub fn connections_of(&self, user: &str) -> (usize, usize) {
        let counts = self.connections.0.lock().of_user(user);
        (counts.connections, counts.channels)
    }

    /// Asks every connection to close.
    pub fn close_connections(&self, reason: &Reason) {
        self.close_those(reason, |_, _| true);
    }

    /// Asks the connections of a user to close.
    pub fn close_connections_of(&self, user: &str, text: &str) {
        let reason = Reason::new(ReplyCode::ConnectionForced, text);
        self.close_those(&reason, |its, _| its == user);
    }

    /// Asks the connections to a virtual host to close.
    pub(super) fn close_connections_to(&self, vhost: &str, text: &str) {
        let reason = Reason::new(ReplyCode::ConnectionForced, text);
        self.close_those(&reason, |_, its| its == vhost);
    }

    fn close_those(&self, reason: &Reason, those: impl Fn(&str, &str) -> bool) {
        self.tell(those, |outbox, wakes| outbox.push(Outgoing::Close(reason.clone()), wakes));
    }

    /// Has the connections of a user look again at what they may do; all of them, or those to a
    /// virtual host.
    pub(super) fn tell_of_access(&self, user: &str, vhost: Option<&str>) {
        let those = |its: &str, to: &str| its == user && vhost.is_none_or(|vhost| vhost == to);
        self.tell(those, |outbox, wakes| outbox.push(Outgoing::AccessChanged, wakes));
    }

    /// Tells the connections for which `those` says so, by their user and virtual host.
    pub(super) fn tell(
        &self,
        those: impl Fn(&str, &str) -> bool,
        tell: impl Fn(&Arc<Outbox>, &mut Wakes),
    ) {
        let mut wakes = Wakes::default();
        let open = self.connections.0.lock();
        for connection in open.all.values().filter(|it| those(&it.user, &it.vhost)) {
            tell(&connection.outbox, &mut wakes);
        }
        drop(open);
    }
}

/// The limit, if there is one and so many are there already.
fn reached(limit: Option<i64>, count: usize) -> Option<usize> {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok())?;
    (count >= limit).then_some(limit)
}
