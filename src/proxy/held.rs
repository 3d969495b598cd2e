//! A client session whose request body is already here, and whose response may have to wait.
//!
//! The framework sends the request head upstream before it shows the first byte of the body, so a body is read before
//! and served again from here. Wrapping the session is the framework's own door for that: it lets any type stand in for
//! the client. Everything is passed on to the real session except what reads the request body (served from what is held,
//! anew for every attempt) and what writes the response (kept back until judged, if a rule asks about responses).
//!
//! The real session is put back when the wrapper goes, so the connection can carry the next request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::custom::CustomMessageWrite;
use pingora::protocols::http::custom::server::Session as CustomSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::hold::{HeldBody, Holding};
use super::response::Withheld;

/// Bytes served at once.
const SLICE: usize = 64 * 1024;

/// Where the real session goes when the wrapper is dropped.
pub(super) type Slot = Arc<Mutex<Option<Box<ServerSession>>>>;

/// The wrapper.
struct Held {
    /// Always there until the drop.
    session: Option<Box<ServerSession>>,
    slot: Slot,
    body: HeldBody,
    /// Whether nothing follows what is held.
    complete: bool,
    cursor: u64,
    /// Bytes beyond what is held have been served: they cannot be served again.
    beyond: bool,
    response: Option<Box<Withheld>>,
    /// Between two reads of a body that is still coming; HTTP/2 has no such limit of its own.
    patience: Duration,
    _gauges: Box<dyn Send + Sync>,
}

/// Puts the wrapper around the client's session. The slot gives it back, see [`restore`].
pub(super) fn install(
    session: &mut Box<ServerSession>,
    holding: Holding,
    response: Option<Box<Withheld>>,
    patience: Duration,
) -> Slot {
    let stand_in = Box::new(ServerSession::new_custom(Box::new(())));
    let real = std::mem::replace(session, stand_in);
    let (wrapped, slot) = wrap(real, holding, response, patience);
    **session = wrapped;
    slot
}

/// A session with the wrapper around it, and the slot that gives it back.
pub(super) fn wrap(
    real: Box<ServerSession>,
    holding: Holding,
    response: Option<Box<Withheld>>,
    patience: Duration,
) -> (ServerSession, Slot) {
    let slot = Slot::default();
    let (body, complete, gauges) = holding.split();
    let held = Held {
        session: Some(real),
        slot: Arc::clone(&slot),
        body,
        complete,
        cursor: 0,
        beyond: false,
        response,
        patience,
        _gauges: Box::new(gauges),
    };
    (ServerSession::new_custom(Box::new(held)), slot)
}

/// Puts the real session back.
pub(super) fn restore(session: &mut Session, slot: &Slot) {
    *session.downstream_session = ServerSession::new_custom(Box::new(()));
    let real = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(real) = real {
        session.downstream_session = real;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = self.session.take();
    }
}

impl Held {
    #[expect(clippy::expect_used, reason = "the session is taken by the drop alone, after which nobody can call")]
    fn real(&self) -> &ServerSession {
        self.session.as_deref().expect("present until dropped")
    }

    #[expect(clippy::expect_used, reason = "the session is taken by the drop alone, after which nobody can call")]
    fn real_mut(&mut self) -> &mut ServerSession {
        self.session.as_deref_mut().expect("present until dropped")
    }

    /// The next held bytes, none when all are served.
    fn next_held(&mut self) -> Result<Option<Bytes>> {
        if self.cursor >= self.body.len() {
            return Ok(None);
        }
        let bytes = self
            .body
            .read_at(self.cursor, SLICE)
            .map_err(|error| Error::because(ErrorType::InternalError, "reading back a held message", error))?;
        self.cursor += bytes.len() as u64;
        Ok(Some(bytes))
    }

    /// Hands the tasks to what keeps the response back, and writes what it releases.
    async fn keep_back(&mut self, mut withheld: Box<Withheld>, tasks: Vec<HttpTask>) -> Result<bool> {
        let released = withheld.take(tasks).await?;
        if !withheld.is_over() {
            self.response = Some(withheld);
        }
        match released {
            Some(release) => release.write(self.real_mut()).await,
            None => Ok(false),
        }
    }

    fn all_held_served(&self) -> bool {
        self.cursor >= self.body.len()
    }
}

#[async_trait]
impl CustomSession for Held {
    fn req_header(&self) -> &RequestHeader {
        self.real().req_header()
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        self.real_mut().req_header_mut()
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        if let Some(bytes) = self.next_held()? {
            return Ok(Some(bytes));
        }
        if self.complete {
            return Ok(None);
        }
        self.beyond = true;
        self.real_mut().read_request_body().await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.cursor = self.body.len();
        self.real_mut().drain_request_body().await
    }

    async fn write_response_header(&mut self, resp: Box<ResponseHeader>, _end: bool) -> Result<()> {
        self.real_mut().write_response_header(resp).await
    }

    async fn write_response_header_ref(&mut self, resp: &ResponseHeader, _end: bool) -> Result<()> {
        self.real_mut().write_response_header_ref(resp).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.real_mut().write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.real_mut().write_response_trailers(trailers).await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        match self.response.take() {
            None => self.real_mut().response_duplex_vec(tasks).await,
            // Boxed, so that a response nobody waits for does not carry the room for this around.
            Some(withheld) => Box::pin(self.keep_back(withheld, tasks)).await,
        }
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.real_mut().set_read_timeout(timeout);
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.real().get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.real_mut().set_write_timeout(timeout);
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.real().get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.real_mut().set_total_drain_timeout(timeout);
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.real().get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        // The real one carries the URL.
        String::new()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.real().response_written()
    }

    async fn shutdown(&mut self, _code: u32, _ctx: &str) {
        self.real_mut().shutdown().await;
    }

    fn is_body_done(&mut self) -> bool {
        self.all_held_served() && (self.complete || self.real_mut().is_body_done())
    }

    async fn finish(&mut self) -> Result<()> {
        self.real_mut().finish_body().await
    }

    fn is_body_empty(&mut self) -> bool {
        self.complete && self.body.len() == 0
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if !no_body_expected && let Some(bytes) = self.next_held()? {
            return Ok(Some(bytes));
        }
        if no_body_expected || self.complete {
            return self.real_mut().read_body_or_idle(true).await;
        }
        self.beyond = true;
        let patience = self.patience;
        match tokio::time::timeout(patience, self.real_mut().read_body_or_idle(false)).await {
            Ok(read) => read,
            Err(_) => Error::e_explain(ErrorType::ReadTimedout, "the body stopped coming").map_err(Error::into_down),
        }
    }

    fn body_bytes_sent(&self) -> usize {
        self.real().body_bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.real().body_bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        self.real().digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.real_mut().digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.real().client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.real().server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.real().to_h1_raw()
    }

    /// Called once for every attempt upstream: each begins at the first byte.
    fn enable_retry_buffering(&mut self) {
        self.cursor = 0;
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.beyond
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        None
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }

    fn is_upgrade_req(&self) -> bool {
        self.real().is_upgrade_req()
    }

    fn was_upgraded(&self) -> bool {
        self.real().was_upgraded()
    }
}
