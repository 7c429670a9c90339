//! The binary: configuration, log, runtime, the broker until a signal comes, and the exit code.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;
use tracing::{info, warn};

use warren::cli::Line;
use warren::config::{Command, Config, Dump, Options};
use warren::notify::{self, Progress};
use warren::signals::{Signals, Wish};
use warren::store::DumpOptions;
use warren::{Broker, StartError, descriptors, logging, store};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let options = match Line::parse() {
        Line::Broker(options) => options,
        Line::Management(command) => return ExitCode::from(command.run()),
    };
    match run(&options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("warren: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(options: &Options) -> Result<u8, StartError> {
    let config = options.check()?;
    logging::init(&config).map_err(StartError::internal)?;
    for variable in options.unknown_variables() {
        warn!(variable, "the environment has a variable that means nothing to warren");
    }
    let mut out = io::stdout().lock();
    match options.command(&config) {
        Command::Serve => drop(out),
        Command::Check { data_dir } => return told(store::check(&data_dir, &mut out)),
        Command::Dump { data_dir, what: Dump { records, messages, queue } } => {
            let options = DumpOptions { records, messages, queue };
            return told(store::dump(&data_dir, &options, &mut out));
        }
    }
    descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(StartError::internal)?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<u8, StartError> {
    let mut signals = Signals::new().map_err(StartError::internal)?;
    let broker = match signals.unless(Broker::builder().config(config).start()).await {
        Ok(started) => started?,
        Err(signal) => std::process::exit(signal.exit_code().into()),
    };
    announce("amqp", broker.amqp_addresses());
    announce("amqps", broker.amqps_addresses());
    announce("http", broker.http_addresses());
    announce("https", broker.https_addresses());
    announce("metrics", broker.metrics_addresses());
    notify::tell(Progress::Ready);
    let signal = loop {
        match signals.next().await {
            // What is wrong is in the log, and all goes on as it was.
            Wish::Reload => drop(broker.reload_tls()),
            Wish::End(signal) => break signal,
        }
    };
    notify::tell(Progress::Stopping);
    info!(?signal, "stopping; a second signal ends at once");
    match signals.unless(broker.stop()).await {
        Ok(()) => Ok(0),
        Err(signal) => std::process::exit(signal.exit_code().into()),
    }
}

/// The exit code of a command that writes, also if nobody wants to read all of it.
fn told(outcome: io::Result<u8>) -> Result<u8, StartError> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(store::EXIT_SOUND),
        outcome => outcome.map_err(StartError::internal),
    }
}

fn announce(protocol: &str, addresses: &[SocketAddr]) {
    let mut out = std::io::stdout().lock();
    for address in addresses {
        // Whoever started us may not want to know and have closed it.
        let _ = writeln!(out, "listening {protocol} {address}").and_then(|()| out.flush());
    }
}
