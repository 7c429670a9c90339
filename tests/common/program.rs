//! The built program on a data directory, to be killed at any moment and started again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;

use super::broker::Made;
use super::handshake::Hello;
use super::peer::Peer;

/// Longer than a start takes on a busy machine.
const START_MAX: Duration = Duration::from_mins(1);

/// A running program. It is killed when this is dropped.
pub struct Program {
    child: Child,
    address: SocketAddr,
    made: Arc<Mutex<Made>>,
}

impl Program {
    /// Starts it and waits until it has told where it listens.
    pub fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
        command.env_clear().current_dir(data).stdin(Stdio::null()).stdout(Stdio::piped());
        command.args(["--http", "none", "--metrics", "none"]);
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.join("data"));
        let mut child = command.stderr(Stdio::null()).spawn().expect("spawned");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody receives once the address is known.
                let _ = sender.send(line);
            }
        });
        let line = lines.recv_timeout(START_MAX).expect("told in time");
        let address = line.strip_prefix("listening amqp ").expect("the line of a listener");
        Self { child, address: address.parse().expect("an address"), made: Arc::default() }
    }

    /// A scripted client that is logged in, with channel 1 open.
    pub async fn peer(&self) -> Peer {
        let mut peer = Peer::connect(self.address, self.made.clone()).await;
        peer.say_hello(Hello::default()).await;
        peer.open_channel(1).await;
        peer
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has usually ended, which is an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
