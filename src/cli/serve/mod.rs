//! `tidegate serve`: the gateway itself.
//!
//! ```text
//! configuration ─▶ state, CA ─▶ ledger, audit, metrics ─▶ gate ─▶ proxy + admin ─▶ until SIGTERM or SIGINT
//!                                                                   ▲ reload: SIGHUP, file change, POST /-/reload
//! ```
//!
//! The log goes to standard error and the banner to standard output. Only this program's own events may be logged below
//! warnings: libraries write host names and paths there, and those belong to messages.

mod banner;

mod log;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::{Answer, Failure, Outcome, ca, origin};
use crate::admin::{self, AdminState};
use crate::audit::Audit;
use crate::config::{Live, Reloaded, Settings};
use crate::diagnostic::Diagnostic;
use crate::gate::Gate;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::proxy::Proxy;
use crate::transfer::Country;

/// How often the files of the configuration are looked at.
const WATCH: Duration = Duration::from_secs(2);

/// Options of the command.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(after_help = "Examples:\n  tidegate serve --from CN\n  \
                        tidegate serve --config /etc/tidegate/tidegate.toml --log json\n\n\
                        The environment variable TIDEGATE_LOG sets the level: `debug`, or `info,tidegate::proxy=debug`")]
pub(super) struct Serve {
    /// Country of the exporter, whatever the file says; without any the law packs are off
    #[arg(long, value_name = "CC", value_parser = super::country)]
    from: Option<Country>,
    /// How the log is written, to standard error
    #[arg(long, value_enum, default_value_t)]
    log: log::Format,
}

/// Runs the gateway until it is told to stop.
pub(super) fn run(serve: &Serve, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    log::start(serve.log)?;
    let live = Live::start(origin(config, serve.from))?;
    let snapshot = live.now();
    prepare(&snapshot.settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let gateway = Gateway::start(live.clone()).await?;
        for warning in &snapshot.warnings {
            tracing::warn!("{}", plain(warning));
        }
        if serve.log == log::Format::Text {
            banner::write(&snapshot, out)?;
            out.flush()?;
        }
        tracing::info!(version = env!("CARGO_PKG_VERSION"), rules = %snapshot.rules_hash, "ready");
        gateway.run().await
    });
    // Whatever still looks something up in a thread of its own (a name, a file) has nobody left to tell.
    runtime.shutdown_background();
    ended.map(|()| Answer::Yes)
}

/// The state directory and, on the first start, the CA in it. A CA at a path somebody chose is never made here: a
/// mistyped path would replace an authority that clients trust by one they do not.
fn prepare(settings: &Settings) -> Result<(), Failure> {
    ca::make_directory(&settings.state)?;
    let interception = &settings.interception;
    let in_use = settings.listeners.iter().any(|listener| listener.intercept);
    let missing = !interception.ca_certificate.exists() && !interception.ca_key.exists();
    if !in_use || !missing {
        return Ok(());
    }
    if interception.ca_certificate != settings.state.join("ca.pem") {
        let file = interception.ca_certificate.display();
        return Err(Failure::unable(format!("{file} is not there: `tidegate ca init` makes a CA")));
    }
    ca::make(interception, ca::NAME)
}

/// Everything that runs.
struct Gateway {
    live: Live,
    metrics: Metrics,
    proxy: Proxy,
    door: TcpListener,
    state: AdminState,
    hang_up: Signal,
    terminate: Signal,
}

impl Gateway {
    async fn start(live: Live) -> io::Result<Gateway> {
        let snapshot = live.now();
        let settings = &snapshot.settings;
        // Signals first: a stop that arrives during the start is not lost.
        let (hang_up, terminate) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
        let ledger = Ledger::start(&settings.ledger, &settings.state).await.map_err(io::Error::other)?;
        let audit = Arc::new(Audit::open(&settings.audit_directory).map_err(|error| {
            io::Error::new(error.kind(), format!("audit log in {}: {error}", settings.audit_directory.display()))
        })?);
        let key = ledger.key();
        let metrics = Metrics::new();
        metrics.reloaded(true);
        let gate = Gate::new(live.clone(), ledger.clone(), Arc::clone(&audit), metrics.clone(), key);
        let proxy = Proxy::bind(gate.clone()).await?;
        let address = settings.admin.address;
        let door = TcpListener::bind(address)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("admin on {address}: {error}")))?;
        let state = AdminState { live: live.clone(), gate, ledger, audit, metrics: metrics.clone() };
        Ok(Gateway { live, metrics, proxy, door, state, hang_up, terminate })
    }

    async fn run(self) -> Result<(), Failure> {
        let Gateway { live, metrics, proxy, door, state, hang_up, mut terminate } = self;
        let (stop, stopped) = watch::channel(false);
        let proxy = tokio::spawn(proxy.run(asked(stopped.clone())));
        let admin = tokio::spawn(admin::serve(door, state, asked(stopped)));
        let counted = metrics.clone();
        tokio::spawn(live.clone().watch(WATCH, move |outcome| tell(outcome, &counted)));
        tokio::spawn(reload_on(hang_up, live, metrics));
        tokio::select! {
            _ = terminate.recv() => {}
            interrupted = tokio::signal::ctrl_c() => interrupted?,
        }
        tracing::info!("stopping");
        // A receiver that is gone has ended already.
        let _ = stop.send(true);
        proxy.await.map_err(io::Error::other)?;
        Ok(admin.await.map_err(io::Error::other)??)
    }
}

async fn asked(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn reload_on(mut signal: Signal, live: Live, metrics: Metrics) {
    while signal.recv().await.is_some() {
        let live = live.clone();
        if let Ok(outcome) = tokio::task::spawn_blocking(move || live.reload()).await {
            tell(&outcome, &metrics);
        }
    }
}

fn tell(outcome: &Result<Reloaded, Vec<Diagnostic>>, metrics: &Metrics) {
    metrics.reloaded(outcome.is_ok());
    match outcome {
        Ok(reloaded) => {
            let changed =
                if reloaded.changed.is_empty() { "nothing".to_owned() } else { reloaded.changed.join(", ") };
            tracing::info!(changed, "configuration reloaded");
            if !reloaded.restart.is_empty() {
                tracing::warn!(waiting = reloaded.restart.join(", "), "a restart is needed for some of the changes");
            }
        }
        Err(problems) => {
            tracing::error!(problems = problems.len(), "configuration not reloaded, the running one stays");
            problems.iter().for_each(|problem| tracing::error!("{}", plain(problem)));
        }
    }
}

/// A diagnostic on one line.
fn plain(problem: &Diagnostic) -> String {
    let place = if problem.line == 0 { String::new() } else { format!(":{}:{}", problem.line, problem.column) };
    let help = problem.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{}{place}: {}{help}", problem.file, problem.message)
}
