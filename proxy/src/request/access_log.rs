//! The access log: one line a request.
//!
//! The query stays out: token requests carry accounts there, and careless clients carry worse. So does every header.

use std::net::IpAddr;
use std::time::Instant;

use pingora_proxy::Session;

use crate::request::context::RequestContext;
use crate::request::raw_head::RawHead;

/// Nobody took the answer: the client was gone. nginx's number for it.
const CLIENT_GONE: u16 = 499;

/// Writes the line for a request that is over.
pub(crate) fn write(session: &Session, request: &RequestContext) {
    let header = session.req_header();
    let answer = session.response_written().map(|answer| answer.status);
    AccessLine {
        request_id: &request.id,
        client: request.client(),
        user: request.user.as_deref().unwrap_or("-"),
        method: header.method.as_str(),
        path: header.uri.path(),
        status: answer
            .filter(|status| !status.is_informational())
            .map_or(CLIENT_GONE, |status| status.as_u16()),
        bytes: session.body_bytes_sent(),
        duration_ms: milliseconds(request.began),
        protocol: &format!("{:?}", header.version),
    }
    .write();
}

/// Writes the line for an answer that Pingora had no part in; `head` is `None` where it was refused.
pub(crate) fn write_short(client: IpAddr, head: Option<RawHead<'_>>, status: u16) {
    AccessLine {
        request_id: "-",
        client: client.to_canonical(),
        user: "-",
        method: head.map_or("-", |head| head.method),
        path: head.map_or("-", |head| head.written_path()),
        status,
        bytes: 0,
        duration_ms: 0.0,
        protocol: "HTTP/1.1",
    }
    .write();
}

struct AccessLine<'a> {
    request_id: &'a str,
    client: IpAddr,
    user: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    bytes: usize,
    duration_ms: f64,
    protocol: &'a str,
}

impl AccessLine<'_> {
    fn write(self) {
        let Self {
            method, path, status, ..
        } = self;
        tracing::info!(
            target: "access",
            request_id = self.request_id,
            client = %self.client,
            user = self.user,
            method,
            path,
            status,
            bytes = self.bytes,
            duration_ms = self.duration_ms,
            protocol = self.protocol,
            "{method} {path} {status}",
        );
    }
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
