//! The client's side of a connection: bytes can be looked at before they are consumed, and reading stops at a fence.
//!
//! The head of every HTTP/1 request is read here first, whole and bounded, and only then handed to the framework. The
//! fence marks the end of that request: the framework cannot read into a pipelined next one, so that one is looked at
//! like every other. Past the fence the socket is still watched, so that a client that leaves is noticed.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use pingora::time::timeout;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::fence::Fence;

/// How much is read ahead of the fence at most: a full head and some body.
const AHEAD_BYTES: usize = 64 * 1024;
/// How much is asked for at once. A read that is filled to the brim costs another one that finds nothing.
const READ_BYTES: usize = 16 * 1024;

/// How much is kept back at most until the writer asks for it to leave.
const BEHIND_BYTES: usize = 8 * 1024;
/// How long and how often a client may go on sending after its last answer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_READS: usize = 256;

/// A connection from a client, plain or over TLS.
#[derive(Debug)]
pub(super) struct ClientStream {
    inner: Stream,
    /// Bytes read from `inner` and not yet consumed.
    ahead: BytesMut,
    /// Bytes written and not yet passed on: the head of a response leaves together with the beginning of its body.
    behind: BytesMut,
    fence: Fence,
    ended: bool,
    context: Arc<ProxyDigest>,
}

impl ClientStream {
    /// Wraps a connection; `context` is what filters find in the session's digest.
    pub(super) fn new(inner: Stream, context: Arc<ProxyDigest>) -> ClientStream {
        ClientStream {
            inner,
            ahead: BytesMut::new(),
            behind: BytesMut::new(),
            fence: Fence::Open,
            ended: false,
            context,
        }
    }

    /// What was read and not yet consumed.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Drops bytes that were dealt with here.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.ahead.advance(bytes.min(self.ahead.len()));
    }

    /// Reads more to look at. Returns how many bytes came; 0 at the end of the stream or when the limit is reached.
    pub(super) async fn fill(&mut self, limit: usize, within: Duration) -> io::Result<usize> {
        if self.ahead.len() >= limit {
            return Ok(0);
        }
        self.ahead.reserve(READ_BYTES);
        match timeout(within, self.inner.read_buf(&mut self.ahead)).await {
            Ok(read) => read,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Waits for the first byte. None when there is none.
    pub(super) async fn fill_first(&mut self, within: Duration) -> Option<()> {
        if self.ahead.is_empty() && self.fill(AHEAD_BYTES, within).await.ok()? == 0 {
            return None;
        }
        Some(())
    }

    /// Another context, once more is known about the connection.
    pub(super) fn set_context(&mut self, context: Arc<ProxyDigest>) {
        self.context = context;
    }

    /// Lets the client read a last answer: closing with unread bytes would reset the connection under it.
    pub(super) async fn linger(&mut self) {
        let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
        for _ in 0..LINGER_READS {
            self.ahead.clear();
            if !matches!(self.fill(AHEAD_BYTES, LINGER).await, Ok(1..)) {
                return;
            }
        }
    }

    /// Lets the reader have what is before the fence and no more, until the next one.
    pub(super) fn set_fence(&mut self, fence: Fence) {
        self.fence = fence;
    }

    /// Reads into the read-ahead. Ready with 0 at the end of the stream.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.ahead.reserve(READ_BYTES);
        let read = pin!(self.inner.read_buf(&mut self.ahead)).poll(cx);
        self.ended |= matches!(read, Poll::Ready(Ok(0)));
        read
    }

    /// Gives the reader as much of the read-ahead as it wants and may have.
    fn pass(&mut self, allowed: usize, buf: &mut ReadBuf<'_>) {
        let bytes = self.ahead.get(..allowed.min(buf.remaining())).unwrap_or(&self.ahead);
        buf.put_slice(bytes);
        self.fence.passed(bytes);
        let passed = bytes.len();
        self.ahead.advance(passed);
    }

    /// Passes on what was written.
    fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.behind.is_empty() {
            match Pin::new(&mut self.inner).poll_write(cx, &self.behind) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.behind.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// At the fence: notices the end of the stream, keeps what arrives for later, and gives nothing.
    ///
    /// Whoever waits for the client has said what there is to say for now: the head of a response does not wait for a body
    /// that is slow to come.
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.behind.is_empty()
            && let Poll::Ready(Err(error)) = Pin::new(&mut *self).poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        while !self.ended && self.ahead.len() < AHEAD_BYTES {
            ready!(self.poll_ahead(cx))?;
        }
        // A client that sent its next request and closed still wants both answers.
        if self.ended && self.ahead.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.ahead.is_empty() && !this.ended && this.fence.has_to_see() {
            ready!(this.poll_ahead(cx))?;
        }
        match this.fence.allows(&this.ahead) {
            Some(0) if !this.fence.has_to_see() => return this.poll_watch(cx),
            allowed if !this.ahead.is_empty() => this.pass(allowed.unwrap_or(usize::MAX), buf),
            _ if this.ended => {}
            Some(allowed) if allowed < buf.remaining() => {
                // A read beyond the fence is kept for the next request.
                ready!(this.poll_ahead(cx))?;
                this.pass(allowed, buf);
            }
            _ => {
                let before = buf.filled().len();
                ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
                this.fence.passed(buf.filled().get(before..).unwrap_or_default());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.behind.len() + buf.len() <= BEHIND_BYTES {
            self.behind.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        match self.poll_pass_on(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.inner).poll_write(cx, buf),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_pass_on(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.inner).poll_flush(cx),
            other => other,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_pass_on(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.inner).poll_shutdown(cx),
            other => other,
        }
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        // A client that is gone misses nothing.
        let _ = std::future::poll_fn(|cx| self.poll_pass_on(cx)).await;
        self.inner.shutdown().await;
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for ClientStream {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.context))
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl Peek for ClientStream {}
