//! The one place that writes a refusal, whatever the door and whoever asks.
//!
//! A machine gets `application/problem+json` (RFC 9457), a browser a page, a gRPC client `PERMISSION_DENIED`; all carry
//! `Proxy-Status` (RFC 9209), and a legal refusal is 451 with a link to what blocks it (RFC 7725). The texts come from
//! the decision: rule ids, citations, counts and locations. Never a value.

mod page;

mod words;

use http::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::{HttpTask, ServerSession};
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use uuid::Uuid;

use crate::transfer::{Action, Cause, Counted, Decision, Direction, Found, Listed, Open, Party, Reason, Route};
use words::Language;

/// What is escaped in a `grpc-message` (gRPC over HTTP/2: everything outside printable ASCII, and `%`).
const GRPC_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Something is wrong with the request or the way to its upstream, before or apart from any decision.
#[derive(Debug, Clone)]
pub(super) struct Complaint {
    status: StatusCode,
    detail: String,
    /// The error type of RFC 9209 section 2.3.
    error: &'static str,
    /// A challenge for credentials belongs to it.
    challenge: bool,
}

/// Why a request is not answered by its upstream.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// It was decided.
    Refused(std::sync::Arc<Decision>),
    /// It did not get that far.
    Complaint(Complaint),
}

/// What the asker wants to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    language: Language,
    html: bool,
    grpc: bool,
}

/// A whole response.
struct Reply {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Complaint {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Complaint {
        Complaint { status, detail: detail.into(), error: "http_request_error", challenge: false }
    }

    pub(super) fn bad_request(detail: &str) -> Complaint {
        Complaint::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn timed_out() -> Complaint {
        Complaint::new(StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time.")
    }

    pub(super) fn credentials() -> Complaint {
        Complaint {
            status: StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            detail: "The proxy credentials are not those of any application.".to_owned(),
            error: "http_request_denied",
            challenge: true,
        }
    }

    /// The upstream could not be reached or did not answer; `error` is a type of RFC 9209.
    pub(super) fn upstream(status: StatusCode, error: &'static str, detail: impl Into<String>) -> Complaint {
        Complaint { status, detail: detail.into(), error, challenge: false }
    }

    /// The gateway failed.
    pub(super) fn internal(detail: &str) -> Complaint {
        Complaint {
            status: StatusCode::SERVICE_UNAVAILABLE,
            detail: detail.to_owned(),
            error: "proxy_internal_error",
            challenge: false,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl Reader {
    /// What the headers of a request ask for.
    pub(super) fn of(headers: &HeaderMap) -> Reader {
        let text = |name: http::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        Reader {
            language: Language::preferred(text(http::header::ACCEPT_LANGUAGE)),
            html: text(http::header::ACCEPT).split(',').any(|kind| kind.trim().starts_with("text/html")),
            grpc: text(http::header::CONTENT_TYPE).starts_with("application/grpc"),
        }
    }
}

impl Answer {
    /// Answers on a session. `admin` is where packs can be read about.
    pub(super) async fn write(&self, session: &mut ServerSession, reader: Reader, admin: &str) -> Result<()> {
        if reader.grpc {
            return self.write_grpc(session, reader).await;
        }
        let mut tasks = self.tasks(reader, admin)?;
        if session.req_header().method == http::Method::HEAD {
            tasks.truncate(1);
            if let Some(HttpTask::Header(_, end)) = tasks.first_mut() {
                *end = true;
            }
        }
        session.response_duplex_vec(tasks).await?;
        Ok(())
    }

    /// The whole answer as tasks.
    pub(super) fn tasks(&self, reader: Reader, admin: &str) -> Result<Vec<HttpTask>> {
        let reply = self.reply(reader, admin);
        let mut head = ResponseHeader::build(reply.status, Some(reply.headers.len() + 2))?;
        for (name, value) in reply.headers {
            head.insert_header(name, value)?;
        }
        head.insert_header("content-length", reply.body.len())?;
        Ok(vec![HttpTask::Header(Box::new(head), false), HttpTask::Body(Some(reply.body.into()), true)])
    }

    /// Answers on a bare HTTP/1 connection, which is closed afterwards.
    pub(super) async fn write_raw(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        reader: Reader,
        admin: &str,
    ) -> std::io::Result<()> {
        let reply = self.reply(reader, admin);
        let mut text = format!("HTTP/1.1 {}\r\n", reply.status);
        for (name, value) in &reply.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", reply.body.len()));
        text.push_str(&reply.body);
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await
    }

    /// A trailers-only response: the one form of refusal every gRPC client understands.
    async fn write_grpc(&self, session: &mut ServerSession, reader: Reader) -> Result<()> {
        let detail = self.whole(reader.language);
        let mut head = ResponseHeader::build(StatusCode::OK, Some(5))?;
        head.insert_header("content-type", "application/grpc")?;
        head.insert_header("grpc-status", self.grpc_status())?;
        head.insert_header("grpc-message", utf8_percent_encode(&detail, GRPC_MESSAGE).to_string())?;
        head.insert_header("proxy-status", self.proxy_status())?;
        session.response_duplex_vec(vec![HttpTask::Header(Box::new(head), true)]).await?;
        Ok(())
    }

    fn reply(&self, reader: Reader, admin: &str) -> Reply {
        let problem = self.problem(reader.language, admin);
        let mut headers = vec![
            ("proxy-status", self.proxy_status()),
            ("cache-control", "no-store".to_owned()),
            ("vary", "accept, accept-language".to_owned()),
            ("content-language", reader.language.tag().to_owned()),
        ];
        if let Answer::Refused(decision) = self
            && let Some(reason) = blocking(decision)
            && decision.cause == Some(Cause::Law)
        {
            headers.push(("link", format!("<{admin}/packs/{}>; rel=\"blocked-by\"", reason.pack)));
        }
        if matches!(self, Answer::Complaint(complaint) if complaint.challenge) {
            headers.push(("proxy-authenticate", "Basic realm=\"tidegate\", charset=\"UTF-8\"".to_owned()));
        }
        let (kind, body) = if reader.html {
            (
                "text/html; charset=utf-8",
                page::render(&serde_json::to_value(&problem).unwrap_or_default(), reader.language),
            )
        } else {
            ("application/problem+json", serde_json::to_string_pretty(&problem).unwrap_or_default() + "\n")
        };
        headers.push(("content-type", kind.to_owned()));
        Reply { status: self.status(), headers, body }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Answer::Complaint(complaint) => complaint.status,
            Answer::Refused(decision) => match decision.cause {
                Some(Cause::Law) => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
                Some(Cause::Undecodable) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Some(Cause::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
                Some(Cause::Failure) => StatusCode::SERVICE_UNAVAILABLE,
                Some(Cause::Policy) | None => StatusCode::FORBIDDEN,
            },
        }
    }

    fn grpc_status(&self) -> &'static str {
        match self {
            Answer::Refused(decision) if decision.cause != Some(Cause::Failure) => "7",
            Answer::Complaint(complaint) if complaint.status.is_client_error() => "3",
            _ => "14",
        }
    }

    fn proxy_status(&self) -> String {
        match self {
            Answer::Complaint(complaint) => format!("tidegate; error={}", complaint.error),
            Answer::Refused(decision) => {
                let error = match decision.cause {
                    Some(Cause::Failure) => "proxy_internal_error",
                    _ => "http_request_denied",
                };
                let rule = blocking(decision).map(|reason| format!(" rule={}/{}", reason.pack, reason.rule));
                format!("tidegate; error={error}; details=\"decision={}{}\"", decision.id, rule.unwrap_or_default())
            }
        }
    }

    fn detail(&self, language: Language) -> String {
        match self {
            Answer::Complaint(complaint) => complaint.detail.clone(),
            Answer::Refused(decision) => language.detail(decision, blocking(decision)),
        }
    }

    /// The detail with what would let it pass, for a client that reads one line.
    fn whole(&self, language: Language) -> String {
        let mut text = self.detail(language);
        if let Answer::Refused(decision) = self {
            for (index, way) in language.ways(decision).iter().enumerate() {
                let heading = if index == 0 { language.heading("passes_if") } else { language.or() };
                text.push_str(&format!(" {heading}: {way}"));
            }
        }
        text
    }

    fn problem(&self, language: Language, admin: &str) -> Problem<'_> {
        let status = self.status();
        let plain = Problem {
            kind: "about:blank".to_owned(),
            title: language.title(status),
            status: status.as_u16(),
            detail: self.detail(language),
            decided: None,
        };
        let Answer::Refused(decision) = self else { return plain };
        let kind = blocking(decision)
            .filter(|reason| &*reason.pack != "gateway")
            .map_or(plain.kind, |reason| format!("{admin}/packs/{}#{}", reason.pack, reason.rule));
        let mut exporter = decision.exporter.clone();
        // Whoever is refused an answer does not learn where it would have come from.
        exporter.address = exporter.address.filter(|_| decision.direction == Direction::Request);
        let decided = Decided {
            decision: decision.id,
            action: decision.action,
            exporter,
            importer: &decision.importer,
            reasons: &decision.reasons,
            found: &decision.found,
            counters: &decision.counters,
            lists: &decision.lists,
            unanswered: &decision.unanswered,
            passes_if: language.ways(decision),
            routes: &decision.routes,
        };
        Problem { kind, decided: Some(decided), ..plain }
    }
}

/// The members of a problem document, in the order a reader wants them.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(flatten)]
    decided: Option<Decided<'a>>,
}

/// What a decision adds to it.
#[derive(Serialize)]
struct Decided<'a> {
    decision: Uuid,
    action: Action,
    exporter: Party,
    importer: &'a Party,
    reasons: &'a [Reason],
    found: &'a [Found],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    counters: &'a [Counted],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    lists: &'a [Listed],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unanswered: &'a [Open],
    passes_if: Vec<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    routes: &'a [Route],
}

/// The rule to name first: the first enforced one that blocks.
fn blocking(decision: &Decision) -> Option<&Reason> {
    decision
        .reasons
        .iter()
        .find(|reason| reason.enforced && reason.action == decision.action)
        .or_else(|| decision.reasons.first())
}
