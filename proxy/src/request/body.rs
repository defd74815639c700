//! The body of a request, before the registry is asked anything.
//!
//! A small one is read whole: one that never comes then costs the registry nothing. A larger one belongs to a blob or a
//! manifest, and the registry says first whether it would take it ([`crate::upstream::ask::accepts_body`]).

use std::time::Duration;

use http::Method;
use http::header::CONTENT_LENGTH;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use crate::request::error::{ErrorCode, ProxyError};
use crate::request::limits::MAX_BUFFERED_BODY;

/// How the body of a request gets to the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyMode {
    /// All of it is here: Pingora has it, and sends it again where that is needed.
    Buffered,
    /// It streams once the registry wants it.
    Streamed,
}

/// Reads the body of `session`'s request if it is small; `within` is how long that may take in all.
pub(crate) async fn receive(session: &mut ServerSession, within: Duration) -> Result<BodyMode> {
    if session.is_body_empty() {
        return Ok(BodyMode::Buffered);
    }
    let length = length(session.req_header());
    let is_small = length.is_some_and(|length| length <= MAX_BUFFERED_BODY as u64);
    // A client that waits for a word gets it from the registry.
    let waits = session.get_header("expect").is_some();
    if (!is_small || waits) && carries_content(session.req_header()) {
        return Ok(BodyMode::Streamed);
    }
    if length.is_some() && !is_small {
        return Err(ProxyError::from(ErrorCode::BodyTooLarge).into());
    }
    session.enable_retry_buffering();
    if waits {
        session.write_continue_response().await.map_err(Error::into_down)?;
    }
    match timeout(within, read(session)).await {
        Ok(read) => read.map(|()| BodyMode::Buffered),
        Err(_) => Err(Error::new_down(ErrorType::ReadTimedout)),
    }
}

async fn read(session: &mut ServerSession) -> Result<()> {
    let mut length = 0;
    while let Some(piece) = session.read_request_body().await.map_err(Error::into_down)? {
        length += piece.len();
        if length > MAX_BUFFERED_BODY {
            return Err(ProxyError::from(ErrorCode::BodyTooLarge).into());
        }
    }
    Ok(())
}

fn length(request: &RequestHeader) -> Option<u64> {
    request.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body is that of a blob or a manifest.
fn carries_content(request: &RequestHeader) -> bool {
    let path = request.uri.path();
    match request.method {
        Method::POST | Method::PATCH => path.contains("/blobs/uploads/"),
        Method::PUT => path.contains("/blobs/uploads/") || path.contains("/manifests/"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_what_blobs_and_manifests_are_made_of() {
        for (method, path, expected) in [
            ("PATCH", "/v2/a/blobs/uploads/1", true),
            ("PUT", "/v2/a/blobs/uploads/1", true),
            ("POST", "/v2/a/blobs/uploads/", true),
            ("PUT", "/v2/a/manifests/b", true),
            ("GET", "/v2/a/manifests/b", false),
            ("DELETE", "/v2/a/blobs/uploads/1", false),
            ("POST", "/auth/token", false),
            ("POST", "/v2/", false),
        ] {
            let request = RequestHeader::build(method, path.as_bytes(), None).unwrap();
            assert_eq!(carries_content(&request), expected, "{method} {path}");
        }
    }
}
