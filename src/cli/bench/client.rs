//! The AMQP side that all workers share: connecting, and futures that are started before they are
//! waited for.
//!
//! lapin's publish and acknowledge end when the socket has taken the frame. Waiting for each would
//! cost a change of threads a message; started one after the other they go out together, in order.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use lapin::protocol::AMQPErrorKind;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Error, ErrorKind};
use tokio::time::timeout;

use crate::cli::failure::{Exit, Failure};

/// A broker that has not answered by then is taken for unreachable.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long a closing handshake may take. The run is over by then: taking longer is no error.
const CLOSE_WAIT: Duration = Duration::from_secs(3);

/// A future that was begun and may go on.
pub(super) enum Started<T> {
    Done(T),
    Underway(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T: Send> Started<T> {
    /// Goes as far as it can without waiting.
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        let mut future: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(future);
        // Nobody is woken when it may go on: whoever waits for it in the end polls it himself.
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Self::Done(value),
            Poll::Pending => Self::Underway(future),
        }
    }

    pub(super) async fn finish(self) -> T {
        match self {
            Self::Done(value) => value,
            Self::Underway(future) => future.await,
        }
    }
}

/// What a future gives if it is ready. It is asked once; the task is woken when asking again is
/// worth it.
pub(super) async fn if_ready<T>(
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> Poll<T> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// The next item of a stream.
pub(super) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// Opens a connection that is shown under this name.
pub(super) async fn connect(uri: &AMQPUri, name: String) -> Result<Connection, Failure> {
    let place = format!("{}:{}", uri.authority.host, uri.authority.port);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    match timeout(CONNECT_WAIT, Connection::connect_uri(uri.clone(), properties)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            Err(match error.kind() {
                // Also if its code is one that otherwise ends a channel.
                ErrorKind::ProtocolError(error) => {
                    let text = format!("{place}: {} {}", error.get_id(), error.get_message());
                    Failure::new(Exit::NotPermitted, text)
                }
                _ => Failure::new(Exit::Unreachable, format!("{place}: {}", text_of(&error))),
            })
        }
        Err(_) => {
            let text = format!("{place}: no answer within {} seconds", CONNECT_WAIT.as_secs());
            Err(Failure::new(Exit::Unreachable, text))
        }
    }
}

/// Something went wrong with a run that had begun.
pub(super) fn failed(text: impl Into<String>) -> Failure {
    Failure::new(Exit::Refused, text)
}

/// The same, of what a connection or channel was doing.
pub(super) fn failed_at(what: &str, error: &Error) -> Failure {
    failed(format!("{what}: {}", text_of(error)))
}

/// Says goodbye, if the broker still listens.
pub(super) async fn close(connection: &Connection) {
    // Whatever goes wrong now changes nothing: what the run measured is known.
    let _ = timeout(CLOSE_WAIT, connection.close(200, "the run is over".into())).await;
}

/// The broker's words if it said something, the system's otherwise.
fn text_of(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            let code = error.get_id();
            let connection = matches!(error.kind(), AMQPErrorKind::Hard(_));
            let closed = if connection { "connection" } else { "channel" };
            format!("the broker closed the {closed}: {code} {}", error.get_message())
        }
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::InvalidConnectionState(_) => "the connection was lost".to_owned(),
        _ => error.to_string(),
    }
}
