//! What went wrong between the gateway and an upstream, in the words of RFC 9209.

use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType};

use super::refusal::Complaint;
use crate::metrics::UpstreamError;

/// The metric's label.
pub(super) fn kind(error: &Error) -> UpstreamError {
    match error.etype() {
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => UpstreamError::Timeout,
        ErrorType::ConnectRefused | ErrorType::ConnectNoRoute | ErrorType::ConnectError => UpstreamError::Connect,
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError => UpstreamError::Tls,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => UpstreamError::Closed,
        _ => UpstreamError::Protocol,
    }
}

/// What the client is told. None when it is the client that went away.
pub(super) fn complaint(error: &Error) -> Option<Complaint> {
    let gateway = StatusCode::BAD_GATEWAY;
    match (error.esource(), error.etype()) {
        (
            ErrorSource::Downstream | ErrorSource::Unset,
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed,
        ) => None,
        (ErrorSource::Downstream, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => Some(Complaint::timed_out()),
        (ErrorSource::Downstream, _) => Some(Complaint::bad_request("The request could not be read.")),
        (ErrorSource::Upstream, _) => Some(match kind(error) {
            UpstreamError::Timeout if is_connecting(error) => Complaint::upstream(
                StatusCode::GATEWAY_TIMEOUT,
                "connection_timeout",
                "The upstream did not accept the connection in time.",
            ),
            UpstreamError::Timeout => Complaint::upstream(
                StatusCode::GATEWAY_TIMEOUT,
                "connection_read_timeout",
                "The upstream did not answer in time.",
            ),
            UpstreamError::Tls => Complaint::upstream(
                gateway,
                "tls_certificate_error",
                "The upstream's certificate or TLS handshake was not accepted.",
            ),
            UpstreamError::Connect => {
                Complaint::upstream(gateway, "connection_refused", "The upstream cannot be reached.")
            }
            _ => Complaint::upstream(
                gateway,
                "http_protocol_error",
                "The upstream closed the connection or answered in a way that is not HTTP.",
            ),
        }),
        _ => Some(Complaint::internal("The gateway failed while it handled this exchange.")),
    }
}

fn is_connecting(error: &Error) -> bool {
    matches!(error.etype(), ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout)
}
