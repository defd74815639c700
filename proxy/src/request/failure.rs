//! A request that failed on its way: whether it is sent again, and what its client is told.

use pingora::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;
use tokio::time::Instant;

use crate::request::context::RequestContext;
use crate::request::early_answer;
use crate::request::error::ProxyError;
use crate::upstream::limits::MAX_RETRIES;
use crate::upstream::resume::ReplayBuffer;
use crate::upstream::retry::{RequestBody, may_repeat, was_never_read};

/// Whether the request is sent to the registry once more after `error`, and counts it then.
pub(crate) fn is_retried(session: &mut Session, error: &Error, request: &mut RequestContext) -> bool {
    let now = Instant::now();
    if request.upload.as_mut().is_some_and(ReplayBuffer::failed) {
        // It got further since the last time: it may be sent again as if this were the first.
        (request.retry_deadline, request.retries) = (None, 0);
    }
    let backend_deadline = request.backend_deadline();
    let deadline = *request.retry_deadline.get_or_insert(backend_deadline);
    let is_retried = is_cut(error)
        && !is_answer_begun(session)
        && is_repeatable(session, error, request)
        && request.retries < MAX_RETRIES
        && now < deadline;
    if is_retried {
        request.retries += 1;
        tracing::debug!(request_id = %request.id, %error, "the registry went away, asking again");
    }
    is_retried
}

/// Whether the registry went away, rather than being silent or answering nonsense.
fn is_cut(error: &Error) -> bool {
    *error.esource() == ErrorSource::Upstream
        && !matches!(
            error.etype(),
            ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::InvalidHTTPHeader
        )
}

fn is_answer_begun(session: &Session) -> bool {
    session
        .response_written()
        .is_some_and(|answer| !answer.status.is_informational())
}

fn is_repeatable(session: &mut Session, error: &Error, request: &RequestContext) -> bool {
    let body = RequestBody::of(session);
    let header = session.req_header();
    request.upload.is_some()
        || may_repeat(&header.method, header.uri.path(), body)
        || (was_never_read(error) && body.is_harmless_with(&header.method))
}

/// Tells the client of `error`, unless its answer has begun. Returns the status, 0 where nobody was told.
pub(crate) async fn answer(session: &mut Session, error: &Error, request: &mut RequestContext) -> u16 {
    let is_begun = is_answer_begun(session);
    if let Some(refusal) = request.refusal.take().filter(|_| !is_begun) {
        let status = refusal.status.as_u16();
        if let Err(error) = early_answer::send(session, refusal, request).await {
            tracing::debug!(request_id = %request.id, %error, "the client left before it was answered");
        }
        return status;
    }
    let is_complete = session.is_body_done();
    let Some(failure) = ProxyError::of_failure(error, is_complete).filter(|_| !is_begun) else {
        tracing::debug!(request_id = %request.id, %error, "the request ended early");
        return 0;
    };
    let (status, message) = (failure.status(), failure.message());
    if status >= 500 {
        tracing::warn!(request_id = %request.id, %error, status, "{message}");
    } else {
        tracing::debug!(request_id = %request.id, %error, status, "{message}");
    }
    session.set_keepalive(None);
    if let Err(error) = request.answer_error(session, failure).await {
        tracing::debug!(request_id = %request.id, %error, "the client left before it was answered");
    }
    status
}
