//! The file that the registry hands off, as the body of its answer.

use http::Method;
use lockgate_files::BufferPool;
use lockgate_wire::Handoff;
use pingora::http::ResponseHeader;
use pingora::{Error, Result};
use pingora_proxy::Session;

use crate::blob::file_body::{FileBody, OpenError};
use crate::request::context::RequestContext;
use crate::request::error::ProxyError;

/// Sends the file that `header` names, after the head of `answer`; an error answer when it cannot be opened.
pub(crate) async fn send(
    header: &str,
    session: &mut Session,
    answer: &mut ResponseHeader,
    request: &mut RequestContext,
    buffers: &BufferPool,
) -> Result<()> {
    let (length, body) = match open(header, request) {
        Ok(opened) => opened,
        Err(error) => return request.answer_error(session, error).await,
    };
    answer.remove_header("transfer-encoding");
    answer.insert_header("Content-Length", length)?;
    request.is_answered = true;
    let has_body = length > 0 && session.req_header().method == Method::GET;
    session
        .write_response_header(Box::new(answer.clone()), !has_body)
        .await
        .map_err(Error::into_down)?;
    if has_body {
        body.send(session, buffers).await
    } else {
        session.write_response_body(None, true).await.map_err(Error::into_down)
    }
}

/// The bytes that will be sent, and the open file.
fn open(header: &str, request: &RequestContext) -> std::result::Result<(u64, FileBody), ProxyError> {
    let request_id = &request.id;
    let handoff: Handoff = header.parse().map_err(|error| {
        tracing::error!(%request_id, %error, "the registry's hand-off cannot be read");
        ProxyError::from(&error)
    })?;
    let length = handoff.length();
    match FileBody::open(handoff, &request.settings.blobs) {
        Ok(body) => Ok((length, body)),
        Err(error) => {
            match error {
                OpenError::Missing(_) => {
                    tracing::error!(%request_id, %error, "a blob that the registry knows is missing");
                }
                OpenError::TooShort { .. } | OpenError::Io { .. } => {
                    tracing::error!(%request_id, %error, "a blob cannot be read");
                }
            }
            Err(ProxyError::from(&error))
        }
    }
}
