//! What a request is about: which virtual hosts, and on whose behalf.

use std::sync::Arc;

use crate::broker::Actor;
use crate::http::app::Call;
use crate::http::reply::Failure;
use crate::queue::ConnectionId;
use crate::vhost::VirtualHost;

/// A name travels as a short string.
const NAME_MAX_BYTES: usize = 255;

/// The caller in the virtual host of the path.
pub(in crate::http) struct Scoped {
    pub(in crate::http) actor: Actor,
    pub(in crate::http) vhost: Arc<VirtualHost>,
}

/// The caller in the virtual host of the path, or 404.
pub(in crate::http) fn scoped(call: &Call) -> Result<Scoped, Failure> {
    let vhost = call.node().vhost(call.parameter("vhost"));
    let vhost = vhost.map_err(|_| Failure::missing("vhost_not_found"))?;
    let user = call.caller()?.user.clone();
    let actor = Actor::new(call.node(), user, vhost.clone(), ConnectionId::NOBODY);
    Ok(Scoped { actor, vhost })
}

/// The virtual host of the path, or all that the caller sees.
pub(in crate::http) fn vhosts(call: &Call) -> Result<Vec<Arc<VirtualHost>>, Failure> {
    if call.route.has_vhost() {
        return Ok(vec![call.vhost()?]);
    }
    let all = call.node().vhosts().into_iter();
    Ok(all.filter(|vhost| call.sees(vhost.name())).collect())
}

/// Refuses what AMQP could not carry.
pub(in crate::http) fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    if name.len() <= NAME_MAX_BYTES {
        return Ok(());
    }
    Err(Failure::bad_request(format!("{what} has more than {NAME_MAX_BYTES} octets")))
}
