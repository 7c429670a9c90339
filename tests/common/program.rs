//! The built program on a data directory, to be killed at any moment and started again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use super::broker::Made;
use super::handshake::Hello;
use super::peer::Peer;
use super::tls::Connector;

/// Longer than a start takes on a busy machine.
const START_MAX: Duration = Duration::from_mins(1);

/// A running program. It is killed when this is dropped.
pub struct Program {
    child: Child,
    /// What is spoken where, in the order in which it told.
    listeners: Vec<(String, SocketAddr)>,
    log: PathBuf,
    made: Arc<Mutex<Made>>,
}

impl Program {
    /// Starts it and waits until it has told where it listens.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &["amqp"], |_| {})
    }

    /// The same, with more arguments or variables and until it has told of these protocols.
    pub fn start_with(data: &Path, speaks: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
        let log = data.join("log.txt");
        command.env_clear().current_dir(data).stdin(Stdio::null()).stdout(Stdio::piped());
        let http = if speaks.contains(&"http") { "127.0.0.1:0" } else { "none" };
        command.args(["--http", http, "--metrics", "none"]);
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.join("data"));
        command.stderr(File::create(&log).expect("a file for the log"));
        change(&mut command);
        let mut child = command.spawn().expect("spawned");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody receives once the addresses are known.
                let _ = sender.send(line);
            }
        });
        let mut listeners = Vec::new();
        for protocol in speaks {
            let line = lines.recv_timeout(START_MAX).expect("told in time");
            let told = line.strip_prefix("listening ").and_then(|told| told.split_once(' '));
            let (spoken, address) = told.expect("the line of a listener");
            assert_eq!(spoken, *protocol, "{line}");
            listeners.push((spoken.to_owned(), address.parse().expect("an address")));
        }
        Self { child, listeners, log, made: Arc::default() }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("sent");
    }

    /// Waits for its end, and gives the exit code.
    pub fn finish(mut self) -> i32 {
        self.child.wait().expect("ended").code().expect("no signal")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log")
    }

    /// Waits until it has logged something.
    pub fn until_logged(&self, what: &str) {
        let until = Instant::now() + START_MAX;
        while !self.log().contains(what) {
            assert!(Instant::now() < until, "`{what}` is not in the log: {}", self.log());
            std::thread::yield_now();
        }
    }

    pub fn address(&self, protocol: &str) -> SocketAddr {
        let found = self.listeners.iter().find(|(spoken, _)| spoken == protocol);
        found.expect("a listener that speaks it").1
    }

    /// A connection on which nothing has been said.
    pub async fn raw(&self) -> Peer {
        Peer::connect(self.address("amqp"), self.made.clone()).await
    }

    /// A scripted client that is logged in, with channel 1 open.
    pub async fn peer(&self) -> Peer {
        self.peer_with(Hello::default()).await
    }

    pub async fn peer_with(&self, hello: Hello) -> Peer {
        let peer = Peer::connect(self.address("amqp"), self.made.clone()).await;
        opened(peer, hello).await
    }

    /// The same over TLS.
    pub async fn tls_peer(&self, connector: &Connector) -> Peer {
        let over = async |stream| connector.over(stream).await.expect("a handshake");
        let peer = Peer::connect_over(self.address("amqps"), self.made.clone(), over).await;
        opened(peer, Hello::default()).await
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

async fn opened(mut peer: Peer, hello: Hello) -> Peer {
    peer.say_hello(hello).await;
    peer.open_channel(1).await;
    peer
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has usually ended, which is an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
