//! Whether a request may be served now, by the bounds of connections and of requests in flight.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use lockgate_admission::Overloaded;
use lockgate_wire::is_probe;
use pingora::Result;
use pingora_proxy::Session;

use crate::request::context::RequestContext;
use crate::request::error::ErrorCode;

/// Waits until `request` may be served; answers 503 when that takes too long. Returns whether it was answered.
pub(crate) async fn admit(session: &mut Session, request: &mut RequestContext) -> Result<bool> {
    let header = session.req_header();
    let is_probe = is_probe(header.method.as_str(), header.uri.path());
    let is_refused = request.connection.as_ref().is_none_or(|connection| connection.refused);
    if is_refused {
        session.set_keepalive(None);
    }
    if is_probe {
        return Ok(false);
    }
    if is_refused {
        request.answer_error(session, ErrorCode::TooManyConnections).await?;
        return Ok(true);
    }
    match acquire_permit(session, request).await {
        Ok(()) => Ok(false),
        Err(overloaded) => request.answer_error(session, overloaded).await.map(|()| true),
    }
}

async fn acquire_permit(session: &Session, request: &mut RequestContext) -> std::result::Result<(), Overloaded> {
    let authorization = session.get_header(AUTHORIZATION).map(HeaderValue::as_bytes);
    let admission = &request.settings.admission;
    let caller = admission.caller(request.client(), authorization);
    request.permit = Some(admission.acquire(&caller).await?);
    request.caller = Some(caller);
    Ok(())
}
