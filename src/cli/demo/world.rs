//! Where the demo plays: a temporary directory with a configuration, free ports, and an importer for each host.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tempfile::TempDir;

use super::origin;
use super::script::{Script, Step};
use crate::config::Origin;

/// Proves the applications of the demo to its own proxy, on loopback, for a minute.
pub(super) const PASSWORD: &str = "demo";

const CONFIGURATION: &str = include_str!("tidegate.toml");

/// The stage.
pub(super) struct World {
    pub(super) proxy: SocketAddr,
    pub(super) admin: SocketAddr,
    directory: TempDir,
    ports: BTreeMap<String, u16>,
}

impl World {
    pub(super) fn build(script: &Script) -> io::Result<World> {
        let directory = TempDir::with_prefix("tidegate-demo-")?;
        let mut ports = BTreeMap::new();
        for step in &script.steps {
            if !ports.contains_key(step.host()) {
                ports.insert(step.host().to_owned(), origin::start()?);
            }
        }
        let [proxy, admin] = free()?;
        let world = World { proxy, admin, directory, ports };
        std::fs::write(world.directory.path().join("password"), PASSWORD)?;
        std::fs::write(world.directory.path().join("tidegate.toml"), world.configuration())?;
        Ok(world)
    }

    /// Where the gateway reads its configuration.
    pub(super) fn origin(&self) -> Origin {
        Origin { file: Some(self.directory.path().join("tidegate.toml")), ..Origin::default() }
    }

    /// The address a step sends to.
    pub(super) fn url(&self, step: &Step) -> io::Result<String> {
        let port = self.ports.get(step.host()).ok_or(io::ErrorKind::NotFound)?;
        Ok(format!("http://{}:{port}/{}", step.host(), step.path()))
    }

    /// The contract of the demo began a year ago, whenever that is.
    fn configuration(&self) -> String {
        let year = TimeZone::UTC.to_datetime(Timestamp::now()).year() - 1;
        CONFIGURATION
            .replace("@state@", &self.directory.path().join("state").display().to_string())
            .replace("@proxy@", &self.proxy.to_string())
            .replace("@admin@", &self.admin.to_string())
            .replace("@year@", &year.to_string())
            .replace("@later@", &(year + 3).to_string())
    }
}

/// Two free ports. Both are held before either is let go, so that they differ.
fn free() -> io::Result<[SocketAddr; 2]> {
    let (one, two) = (TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?);
    Ok([one.local_addr()?, two.local_addr()?])
}
