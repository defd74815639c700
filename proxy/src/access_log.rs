//! One line a request.
//!
//! The query stays out: token requests carry accounts there, and careless clients carry worse. So does every header.

use std::time::Instant;

use pingora_proxy::Session;

use crate::service::Request;

/// Nobody took the answer: the client was gone. nginx's number for it.
const CLIENT_GONE: u16 = 499;

/// Writes the line for a request that is over.
pub(crate) fn write(session: &Session, request: &Request) {
    let header = session.req_header();
    let path = header.uri.path();
    let status = session
        .response_written()
        .map_or(CLIENT_GONE, |answer| answer.status.as_u16());
    tracing::info!(
        target: "access",
        request_id = %request.id,
        client = %request.client(),
        user = request.user.as_deref().unwrap_or("-"),
        method = %header.method,
        path,
        status,
        bytes = session.body_bytes_sent(),
        duration_ms = milliseconds(request.began),
        protocol = ?header.version,
        "{} {path} {status}",
        header.method,
    );
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
