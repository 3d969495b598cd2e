//! A response that waits for its decision: an API here that answers a client abroad exports data too.
//!
//! The response is collected like a request body (memory, then disk) until it is whole, judged, and then written as it
//! came, or replaced by a refusal. Nothing of it, not even its status, is shown before.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use pingora::http::ResponseHeader;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::{Error, ErrorType, Result};

use super::hold::{HeldBody, Holder, Holding};
use super::refusal::{Answer, Reader};
use crate::config::{Application, Snapshot};
use crate::gate::{Body, Envelope, Gate, Verdict};
use crate::transfer::{Direction, Party};

/// Everything a response is judged with.
pub(super) struct ResponseCase {
    pub(super) gate: Gate,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) listener: Arc<str>,
    pub(super) application: Option<Application>,
    pub(super) method: String,
    pub(super) path: String,
    /// The upstream: data leaves it.
    pub(super) exporter: Party,
    /// The client.
    pub(super) importer: Party,
    /// The client is the organisation's own.
    pub(super) comes_home: bool,
    pub(super) reader: Reader,
    pub(super) admin: Arc<str>,
}

/// How far rules speak about a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// Rules speak, but none asks about content: it is judged on its head.
    Head,
    /// It is held whole.
    Content,
}

/// A response being kept back.
pub(super) struct Withheld {
    case: ResponseCase,
    interest: Interest,
    started: Instant,
    head: Option<Box<ResponseHeader>>,
    trailers: Option<Box<HeaderMap>>,
    holder: Option<Holder>,
    over: bool,
}

/// What may be written now.
pub(super) enum Release {
    /// The response as it came.
    Whole { head: Box<ResponseHeader>, holding: Holding, trailers: Option<Box<HeaderMap>> },
    /// These tasks.
    Tasks(Vec<HttpTask>),
}

impl ResponseCase {
    fn envelope<'a>(&'a self, headers: &'a HeaderMap) -> Envelope<'a> {
        Envelope {
            snapshot: &self.snapshot,
            listener: &self.listener,
            application: self.application.as_ref(),
            direction: Direction::Response,
            method: &self.method,
            target: "",
            path: &self.path,
            headers,
            exporter: &self.exporter,
            importer: &self.importer,
            comes_home: self.comes_home,
            facts: None,
        }
    }

    /// The refusal, if the response may not be shown.
    async fn refusal(&self, head: &ResponseHeader, body: &Body) -> Option<Answer> {
        let wanted = !matches!(body, Body::Unread(_));
        match self.gate.decide(&self.envelope(&head.headers), body, wanted).await {
            Verdict::Pass(_) => None,
            Verdict::Refuse(decision) => Some(Answer::Refused(decision)),
        }
    }
}

impl Withheld {
    /// Keeps back the response of `case`.
    pub(super) fn new(case: ResponseCase, interest: Interest) -> Withheld {
        let holder = Holder::new(Arc::clone(&case.snapshot), case.gate.metrics().clone(), Arc::clone(&case.listener));
        let started = Instant::now();
        Withheld { case, interest, started, head: None, trailers: None, holder: Some(holder), over: false }
    }

    /// Whether the decision has fallen and the rest may stream.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Takes what came from upstream; gives what may be written, once it is known.
    pub(super) async fn take(&mut self, tasks: Vec<HttpTask>) -> Result<Option<Release>> {
        let mut tasks = tasks.into_iter();
        while let Some(task) = tasks.next() {
            let end = task.is_end();
            match task {
                // Interim responses carry nothing but their head, and the client may be waiting for them.
                HttpTask::Header(head, false) if head.status.is_informational() => {
                    return Ok(Some(Release::Tasks(vec![HttpTask::Header(head, false)])));
                }
                HttpTask::Header(head, _) => self.head = Some(head),
                HttpTask::Body(Some(bytes), _) | HttpTask::UpgradedBody(Some(bytes), _) => self.hold(bytes)?,
                HttpTask::Body(None, _) | HttpTask::UpgradedBody(None, _) | HttpTask::Done => {}
                HttpTask::Trailer(trailers) => self.trailers = trailers,
                HttpTask::Failed(error) => return Err(error),
            }
            if self.interest == Interest::Head && !end {
                return self.judge_head(tasks.collect()).await.map(Some);
            }
            if self.holder.as_ref().is_some_and(Holder::is_full) {
                return self.judge(false).await.map(Some);
            }
            if end {
                return self.judge(true).await.map(Some);
            }
        }
        if self.started.elapsed() > self.case.snapshot.settings.limits.receive {
            return Err(Error::explain(ErrorType::ReadTimedout, "the response to be judged took too long"));
        }
        Ok(None)
    }

    fn hold(&mut self, bytes: bytes::Bytes) -> Result<()> {
        let holder = self.holder.as_mut().ok_or_else(|| Error::new(ErrorType::InternalError))?;
        holder.take(bytes).map_err(|error| Error::because(ErrorType::InternalError, "holding a response", error))
    }

    /// Judges on the head alone, and lets the rest stream if that is enough.
    async fn judge_head(&mut self, rest: Vec<HttpTask>) -> Result<Release> {
        self.over = true;
        let head = self.head.take().ok_or_else(|| Error::new(ErrorType::InternalError))?;
        let bytes = head.headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        match self.case.refusal(&head, &Body::Unread(bytes.unwrap_or(0))).await {
            Some(answer) => Ok(Release::Tasks(answer.tasks(self.case.reader, &self.case.admin)?)),
            None => {
                let mut tasks = vec![HttpTask::Header(head, false)];
                tasks.extend(rest);
                Ok(Release::Tasks(tasks))
            }
        }
    }

    /// Judges what is held.
    async fn judge(&mut self, complete: bool) -> Result<Release> {
        self.over = true;
        let (Some(head), Some(holder)) = (self.head.take(), self.holder.take()) else {
            return Err(Error::new(ErrorType::InternalError));
        };
        let held = holder.finish(complete);
        let holding = held.map_err(|error| Error::because(ErrorType::InternalError, "holding a response", error))?;
        match self.case.refusal(&head, &holding.as_body()).await {
            Some(answer) => Ok(Release::Tasks(answer.tasks(self.case.reader, &self.case.admin)?)),
            None => Ok(Release::Whole { head, holding, trailers: self.trailers.take() }),
        }
    }
}

impl Release {
    /// Writes it. Returns whether the response is over.
    pub(super) async fn write(self, session: &mut ServerSession) -> Result<bool> {
        match self {
            Release::Tasks(tasks) => session.response_duplex_vec(tasks).await,
            Release::Whole { head, holding, trailers } => {
                let (body, complete, _gauges) = holding.split();
                write_whole(session, head, &body, complete, trailers).await
            }
        }
    }
}

async fn write_whole(
    session: &mut ServerSession,
    head: Box<ResponseHeader>,
    body: &HeldBody,
    complete: bool,
    trailers: Option<Box<HeaderMap>>,
) -> Result<bool> {
    let bodiless = complete && body.len() == 0 && trailers.is_none();
    if session.response_duplex_vec(vec![HttpTask::Header(head, bodiless)]).await? {
        return Ok(true);
    }
    let mut offset = 0;
    while offset < body.len() {
        let bytes = body
            .read_at(offset, usize::MAX)
            .map_err(|error| Error::because(ErrorType::InternalError, "reading back a held response", error))?;
        offset += bytes.len() as u64;
        session.response_duplex_vec(vec![HttpTask::Body(Some(bytes), false)]).await?;
    }
    match (trailers, complete) {
        (Some(trailers), true) => session.response_duplex_vec(vec![HttpTask::Trailer(Some(trailers))]).await,
        (None, true) => session.response_duplex_vec(vec![HttpTask::Done]).await,
        (_, false) => Ok(false),
    }
}
