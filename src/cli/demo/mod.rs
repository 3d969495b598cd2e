//! `tidegate demo`: a gateway in one country, importers in four, and a minute of traffic on its real path.
//!
//! Nothing leaves the machine: the importers are servers on loopback, and their names resolve in the demo's own
//! configuration. State lives in a temporary directory that is gone afterwards. Proxy, gate, ledger, audit log and admin
//! door are those of `serve`, with the packs that come with the gateway.

mod client;

mod line;

mod origin;

mod script;

mod world;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::admin::{self, AdminState};
use crate::audit::Audit;
use crate::config::Live;
use crate::diagnostic::Diagnostic;
use crate::gate::Gate;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::proxy::Proxy;
use line::Printer;
use script::{Script, Step};
use world::{PASSWORD, World};

/// Between two messages, so that a reader can follow and the whole takes a minute.
const PAUSE: Duration = Duration::from_millis(3_400);

/// Options of the command.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(after_help = "Example:\n  tidegate demo            # a minute of traffic, then the console stays open\n  \
                        tidegate demo --once --fast")]
pub struct Demo {
    /// End after the script instead of leaving the console open
    #[arg(long)]
    once: bool,
    /// Send without pauses
    #[arg(long)]
    fast: bool,
}

/// Runs the demo.
///
/// # Errors
/// No free port, no temporary directory, or the gateway does not start.
pub fn run(demo: Demo) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(play(demo))
}

async fn play(demo: Demo) -> io::Result<()> {
    let script = Script::read()?;
    let world = World::build(&script)?;
    let live = Live::start(world.origin()).map_err(|problems| unsound(&problems))?;
    let audit = Arc::new(Audit::open(&live.now().settings.audit_directory)?);
    let gateway = Gateway::start(live, Arc::clone(&audit), &world).await?;
    let printer = Printer::new();
    printer.banner(&world)?;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let told = tokio::select! {
        told = tell(demo, &script, &world, &audit, &printer) => told,
        _ = &mut interrupted => return gateway.stop().await,
    };
    if told.is_ok() && !demo.once {
        printer.farewell(&world)?;
        interrupted.await?;
    }
    gateway.stop().await?;
    told
}

/// The proxy and the admin door, running.
struct Gateway {
    stop: watch::Sender<bool>,
    proxy: tokio::task::JoinHandle<()>,
    admin: tokio::task::JoinHandle<io::Result<()>>,
}

impl Gateway {
    async fn start(live: Live, audit: Arc<Audit>, world: &World) -> io::Result<Gateway> {
        let state = live.now().settings.state.clone();
        let ledger = Ledger::open(&state).map_err(io::Error::other)?;
        let key = ledger.key();
        let metrics = Metrics::new();
        metrics.reloaded(true);
        let gate = Gate::new(live.clone(), ledger.clone(), Arc::clone(&audit), metrics.clone(), key);
        let proxy = Proxy::bind(gate.clone()).await?;
        let door = tokio::net::TcpListener::bind(world.admin).await?;
        let (stop, stopped) = watch::channel(false);
        let state = AdminState { live, gate, ledger, audit, metrics };
        Ok(Gateway {
            proxy: tokio::spawn(proxy.run(asked(stopped.clone()))),
            admin: tokio::spawn(admin::serve(door, state, asked(stopped))),
            stop,
        })
    }

    async fn stop(self) -> io::Result<()> {
        // Both are told together; a receiver that is gone has ended already.
        let _ = self.stop.send(true);
        self.proxy.await.map_err(io::Error::other)?;
        self.admin.await.map_err(io::Error::other)?
    }
}

async fn asked(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn tell(demo: Demo, script: &Script, world: &World, audit: &Audit, printer: &Printer) -> io::Result<()> {
    let mut seen = 0;
    for step in &script.steps {
        if !demo.fast {
            tokio::time::sleep(PAUSE).await;
        }
        let status = send(world, step, script.content(step)).await?;
        printer.step(step, status)?;
        let records = audit.recent(usize::MAX);
        let fresh = records.len().saturating_sub(seen);
        for record in records.iter().take(fresh).rev() {
            printer.decision(record)?;
        }
        seen = records.len();
    }
    Ok(())
}

async fn send(world: &World, step: &Step, (content_type, body): (String, Vec<u8>)) -> io::Result<u16> {
    let (proxy, url) = (world.proxy, world.url(step)?);
    let (method, user) = (step.method().to_owned(), step.application.clone());
    let sending = move || {
        let request = client::Request {
            method: &method,
            url: &url,
            user: &user,
            password: PASSWORD,
            content_type: &content_type,
            body: &body,
        };
        client::send(proxy, &request)
    };
    tokio::task::spawn_blocking(sending).await.map_err(io::Error::other)?
}

fn unsound(problems: &[Diagnostic]) -> io::Error {
    io::Error::other(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}
