//! The client's side of a connection: bytes can be looked at before they are consumed, and reading stops at a fence.
//!
//! The head of every HTTP/1 request is read here first, whole and bounded, and only then handed to the framework. The
//! fence marks the end of that request: the framework cannot read into a pipelined next one, so that one is looked at
//! like every other. Past the fence the socket is still watched, so that a client that leaves is noticed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How much is read ahead of the fence at most: a full head and some body.
const AHEAD_BYTES: usize = 64 * 1024;

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
    /// How many more bytes may be consumed; none means no fence.
    fence: Option<u64>,
    ended: bool,
    context: Arc<ProxyDigest>,
}

impl ClientStream {
    /// Wraps a connection; `context` is what filters find in the session's digest.
    pub(super) fn new(inner: Stream, context: Arc<ProxyDigest>) -> ClientStream {
        ClientStream { inner, ahead: BytesMut::new(), behind: BytesMut::new(), fence: None, ended: false, context }
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
        self.ahead.reserve(4096);
        match tokio::time::timeout(within, self.inner.read_buf(&mut self.ahead)).await {
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

    /// Lets the reader have this many bytes and no more, until the next fence.
    pub(super) fn set_fence(&mut self, fence: Option<u64>) {
        self.fence = fence;
    }

    fn allowed(&self) -> usize {
        self.fence.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn passed(&mut self, bytes: usize) {
        if let Some(left) = &mut self.fence {
            *left = left.saturating_sub(bytes as u64);
        }
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
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ended && self.ahead.len() < AHEAD_BYTES {
            let mut chunk = [0u8; 4096];
            let mut buffer = ReadBuf::new(&mut chunk);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.ended = true,
                Poll::Ready(Ok(())) => self.ahead.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        // A client that sent its next request and closed still wants both answers.
        if self.ended && self.ahead.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let allowed = self.allowed().min(buf.remaining());
        if allowed == 0 {
            return if buf.remaining() == 0 { Poll::Ready(Ok(())) } else { self.poll_watch(cx) };
        }
        if !self.ahead.is_empty() {
            let take = allowed.min(self.ahead.len());
            let bytes = self.ahead.split_to(take);
            buf.put_slice(&bytes);
            self.passed(bytes.len());
            return Poll::Ready(Ok(()));
        }
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        if allowed == buf.remaining() {
            let before = buf.filled().len();
            let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
            self.passed(buf.filled().len() - before);
            return polled;
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowed));
        let polled = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        let filled = part.filled().len();
        buf.advance(filled);
        self.passed(filled);
        polled
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
