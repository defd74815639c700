//! The registry's answer on its way to the client.

use http::StatusCode;
use lockgate_files::BufferPool;
use lockgate_wire::headers::BLOB;
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use crate::request::body::BodyMode;
use crate::request::context::RequestContext;
use crate::request::{early_answer, hand_off, headers};
use crate::upstream::retry;

/// Fails where the registry has closed the connection with this answer: with an error, Pingora does not use it again.
pub(crate) fn check(answer: &ResponseHeader) -> Result<()> {
    if retry::hangs_up(answer) {
        let status = ErrorType::HTTPStatus(answer.status.as_u16());
        return Error::e_explain(status, "the registry cannot read this request").map_err(Error::into_down);
    }
    Ok(())
}

/// Passes the head on, or sends the file that it hands off.
pub(crate) async fn pass(
    session: &mut Session,
    answer: &mut ResponseHeader,
    request: &mut RequestContext,
    buffers: &BufferPool,
) -> Result<()> {
    let handoff = answer
        .headers
        .get(BLOB)
        .map(|value| value.to_str().unwrap_or_default().to_owned());
    request.user = headers::take_internal(answer).or(request.user.take());
    if let (Some(_), Some(caller)) = (&request.user, &request.caller) {
        request.settings.admission.remember(caller);
    }
    request.settings.add_headers(answer)?;
    let is_empty = answer.headers.get("content-length").is_some_and(|length| length == "0");
    if is_empty || matches!(answer.status.as_u16(), 204 | 304) {
        request.is_answered = true;
    }
    if request.body_mode == BodyMode::Streamed && answer.status.as_u16() >= 300 && !session.is_body_done() {
        return early_answer::begin(session, answer, request, is_empty);
    }
    if let Some(handoff) = handoff.filter(|_| answer.status.is_success()) {
        hand_off::send(&handoff, session, answer, request, buffers).await?;
        // Everything is sent. Pingora would warn of a second final header; an interim one it drops in silence.
        session.set_ignore_info_resp(true);
        answer.set_status(StatusCode::EARLY_HINTS)?;
    }
    Ok(())
}
