//! Holding a request body until it is decided: in memory up to a limit, then on disk, under a deadline.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::protocols::http::ServerSession;

use super::refusal::Complaint;
use super::spool::{Spool, Spooler};
use crate::config::{Limits, Snapshot};
use crate::gate::Body;
use crate::metrics::{Held, Metrics};
use crate::transfer::Category;

/// A body that is held.
#[derive(Clone)]
pub(super) enum HeldBody {
    /// In memory.
    Memory(Bytes),
    /// On disk.
    Spool(Arc<Spool>),
}

/// What holding a body came to.
pub(super) struct Holding {
    /// What is held.
    pub(super) body: HeldBody,
    /// Whether the client has sent all of it. False when it is larger than `limits.body`.
    pub(super) complete: bool,
    /// Keeps the gauges up as long as the body is held.
    gauges: Option<Gauges>,
}

struct Gauges {
    _held: Held,
    _spooled: Option<Held>,
}

/// Takes bytes one by one and puts them where they belong.
pub(super) struct Holder {
    snapshot: Arc<Snapshot>,
    metrics: Metrics,
    listener: Arc<str>,
    memory: Vec<Bytes>,
    bytes: u64,
    spooler: Option<Box<Spooler>>,
    held: Held,
    spooled: Option<Held>,
}

impl HeldBody {
    /// The bytes from `offset` on, at most `limit`; empty at the end.
    pub(super) fn read_at(&self, offset: u64, limit: usize) -> std::io::Result<Bytes> {
        let mut bytes = match self {
            HeldBody::Memory(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(from..)
            }
            HeldBody::Spool(spool) => spool.read_at(offset)?,
        };
        bytes.truncate(limit);
        Ok(bytes)
    }

    /// Size in bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            HeldBody::Memory(bytes) => bytes.len() as u64,
            HeldBody::Spool(spool) => crate::gate::Stored::len(&**spool),
        }
    }
}

impl Holding {
    /// Nothing held, for a session that is wrapped for its response or for the pace of its body.
    pub(super) fn nothing(complete: bool) -> Holding {
        Holding { body: HeldBody::Memory(Bytes::new()), complete, gauges: None }
    }

    /// The body as the gate wants it.
    pub(super) fn as_body(&self) -> Body {
        match &self.body {
            body if !self.complete => Body::Opaque(Category::oversize(), body.len()),
            HeldBody::Memory(bytes) => Body::Memory(bytes.clone()),
            HeldBody::Spool(spool) => Body::Stored(Arc::clone(spool) as Arc<dyn crate::gate::Stored>),
        }
    }

    /// All of it, if it is in memory.
    pub(super) fn in_memory(&self) -> Option<&Bytes> {
        match &self.body {
            HeldBody::Memory(bytes) if self.complete => Some(bytes),
            _ => None,
        }
    }

    /// What is held, and what keeps it counted.
    pub(super) fn split(self) -> (HeldBody, bool, impl Send + Sync + 'static) {
        (self.body, self.complete, self.gauges)
    }
}

impl Holder {
    /// Nothing held yet.
    pub(super) fn new(snapshot: Arc<Snapshot>, metrics: Metrics, listener: Arc<str>) -> Holder {
        let held = metrics.held(&listener, 0);
        Holder { snapshot, metrics, listener, memory: Vec::new(), bytes: 0, spooler: None, held, spooled: None }
    }

    fn limits(&self) -> &Limits {
        &self.snapshot.settings.limits
    }

    /// Whether one more byte would be more than `limits.body`.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.limits().body
    }

    /// Takes bytes, which may go to disk.
    pub(super) fn take(&mut self, bytes: Bytes) -> std::io::Result<()> {
        self.bytes += bytes.len() as u64;
        if self.spooler.is_none() && self.bytes > self.limits().hold {
            self.spill()?;
        }
        match &mut self.spooler {
            Some(spooler) => {
                if let Some(spooled) = &mut self.spooled {
                    spooled.add(bytes.len() as u64);
                }
                spooler.write(&bytes)
            }
            None => {
                self.held.add(bytes.len() as u64);
                self.memory.push(bytes);
                Ok(())
            }
        }
    }

    /// Everything came, or as much as may.
    pub(super) fn finish(self, complete: bool) -> std::io::Result<Holding> {
        let body = match self.spooler {
            Some(spooler) => HeldBody::Spool(Arc::new(spooler.finish()?)),
            None => HeldBody::Memory(join(self.memory)),
        };
        Ok(Holding { body, complete, gauges: Some(Gauges { _held: self.held, _spooled: self.spooled }) })
    }

    fn spill(&mut self) -> std::io::Result<()> {
        let mut spooler = Box::new(Spooler::create(&self.snapshot.settings.state)?);
        let mut spooled = self.metrics.spooled(&self.listener, 0);
        for part in self.memory.drain(..) {
            spooled.add(part.len() as u64);
            spooler.write(&part)?;
        }
        self.held = self.metrics.held(&self.listener, 0);
        (self.spooler, self.spooled) = (Some(spooler), Some(spooled));
        Ok(())
    }
}

/// One piece without a copy when the body came in one.
fn join(mut parts: Vec<Bytes>) -> Bytes {
    if parts.len() <= 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    parts.iter().for_each(|part| joined.extend_from_slice(part));
    joined.freeze()
}

/// Reads a request body whole, or up to `limits.body`.
pub(super) async fn request(session: &mut ServerSession, mut holder: Holder) -> Result<Holding, Complaint> {
    let deadline = tokio::time::Instant::now() + holder.limits().receive;
    loop {
        if holder.is_full() {
            return holder.finish(session.is_body_done()).map_err(|error| cannot_spool(&error));
        }
        let read = tokio::time::timeout_at(deadline, session.read_request_body());
        match read.await {
            Err(_) => return Err(Complaint::timed_out()),
            Ok(Err(_)) => return Err(Complaint::bad_request("The body ended before it was complete.")),
            Ok(Ok(None)) => return holder.finish(true).map_err(|error| cannot_spool(&error)),
            Ok(Ok(Some(bytes))) => holder.take(bytes).map_err(|error| cannot_spool(&error))?,
        }
    }
}

/// Tells the client to send the body it announced with `Expect: 100-continue`.
///
/// The framework would close the connection after a response written before the body was read, and would take the
/// interim one for such a response; hence the bracket.
pub(super) async fn invite(session: &mut ServerSession, patience: Duration) {
    let expects =
        session.get_header("expect").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects {
        session.set_close_on_response_before_downstream_finish(false);
        // A client that does not read its invitation is noticed when its body does not come.
        let _ = tokio::time::timeout(patience, session.write_continue_response()).await;
        session.set_close_on_response_before_downstream_finish(true);
    }
}

fn cannot_spool(error: &std::io::Error) -> Complaint {
    tracing::error!(%error, "a message cannot be spooled");
    Complaint::internal("The gateway cannot hold a message of this size at the moment.")
}

impl std::fmt::Debug for HeldBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeldBody({} bytes)", self.len())
    }
}
