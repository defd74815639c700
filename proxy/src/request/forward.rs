//! The request to the registry: its head, and the pieces of its body.

use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use tokio::time::Instant;

use crate::request::body::BodyMode;
use crate::request::context::RequestContext;
use crate::request::early_answer;
use crate::upstream::ask;
use crate::upstream::connect::Upstream;
use crate::upstream::limits::RESUME_TIMEOUT;
use crate::upstream::resume::{self, ReplayBuffer};

/// Makes `head` what the registry is sent, at the first time or again.
pub(crate) async fn prepare(
    upstream: &Upstream,
    session: &mut Session,
    head: &mut RequestHeader,
    request: &mut RequestContext,
) -> Result<()> {
    match &request.forwarded {
        Some(forwarded) => forwarded.write(head, &request.id)?,
        None => return Err(Error::new_in(ErrorType::InternalError)),
    }
    if request.upload.is_some() {
        return resume_upload(upstream, session, head, request).await;
    }
    match request.body_mode {
        // It was answered `100 Continue` here.
        BodyMode::Buffered => drop(head.remove_header("expect")),
        BodyMode::Streamed => ask_first(upstream, head, request).await?,
    }
    if resume::appends(&head.method, head.uri.path()) && !session.is_body_empty() {
        request.upload = ReplayBuffer::begin(upstream, head, request.backend_deadline()).await;
    }
    Ok(())
}

/// Asks the registry whether it wants the body before anything of it is sent.
async fn ask_first(upstream: &Upstream, head: &RequestHeader, request: &mut RequestContext) -> Result<()> {
    match ask::accepts_body(upstream, head, request.backend_deadline()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(refusal)) => {
            let status = refusal.status;
            request.refusal = Some(refusal);
            Err(early_answer::refused(status))
        }
        Err(error) => {
            Error::e_because(ErrorType::ConnectError, "asking whether a body is wanted", error).map_err(Error::into_up)
        }
    }
}

/// Makes `head`, whose body was on its way to a registry that went away, a request for the rest of it.
async fn resume_upload(
    upstream: &Upstream,
    session: &mut Session,
    head: &mut RequestHeader,
    request: &mut RequestContext,
) -> Result<()> {
    let Some(upload) = &mut request.upload else {
        return Ok(());
    };
    let deadline = Instant::now() + RESUME_TIMEOUT;
    // A body that was read whole before is done when it has set out as well.
    let is_done = session.is_body_done() && (upload.has_passed() || session.is_body_empty());
    if let Err(error) = upload.catch_up(upstream, head, is_done, deadline).await {
        return Error::e_because(ErrorType::ConnectionClosed, "resuming an upload", error).map_err(Error::into_up);
    }
    upload.drops_repeat = !session.retry_buffer_truncated() && !session.is_body_empty() && upload.has_passed();
    tracing::info!(request_id = %request.id, "the registry went away during an upload, which goes on");
    Ok(())
}

/// A piece of the body, before it is sent to the registry.
pub(crate) fn pass_body(piece: &mut Option<Bytes>, is_end: bool, request: &mut RequestContext) -> Result<()> {
    if request.is_answered {
        // The rest of the body is nobody's any more; the connection reads a bounded part of it when it closes.
        return Err(Error::new_down(ErrorType::ConnectionClosed));
    }
    if is_end && piece.as_ref().is_some_and(Bytes::is_empty) {
        // An h2 body may end with an empty DATA frame (RFC 9113 section 8.1). Pingora writes it as a chunk of length
        // zero, which is the end already, and then the end: the registry would take the second for a request.
        *piece = None;
    }
    if let Some(upload) = &mut request.upload
        && let Some(bytes) = piece
    {
        if std::mem::take(&mut upload.drops_repeat) {
            *piece = (!is_end).then(Bytes::new);
        } else {
            upload.pass(bytes);
        }
    }
    Ok(())
}
