//! An answer of the registry's that came before the request's body, which it does not want. Pingora would go on to wait for
//! the body, over h2 for ever; so the answer is collected, the exchange ended, and the answer sent then.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use crate::request::context::RequestContext;
use crate::request::{error_response, headers};
use crate::upstream::ask::UpstreamResponse;

/// The request is over with what the registry answered.
pub(crate) fn refused(status: StatusCode) -> Box<Error> {
    Error::new_down(ErrorType::HTTPStatus(status.as_u16()))
}

/// Begins to collect `answer`; fails at once when its head is all of it.
pub(crate) fn begin(
    session: &mut Session,
    answer: &mut ResponseHeader,
    request: &mut RequestContext,
    is_empty: bool,
) -> Result<()> {
    let headers = answer.headers.iter();
    request.refusal = Some(UpstreamResponse {
        status: answer.status,
        headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
        body: BytesMut::new(),
    });
    if is_empty || session.req_header().method == Method::HEAD {
        return Err(refused(answer.status));
    }
    // The body of the answer is still to come; until then nothing is sent. An interim header is dropped in silence.
    session.set_ignore_info_resp(true);
    answer.set_status(StatusCode::EARLY_HINTS)
}

/// Keeps a piece of the answer's body; fails with the last one.
pub(crate) fn collect(refusal: &mut UpstreamResponse, piece: &mut Option<Bytes>, is_end: bool) -> Result<()> {
    refusal.body.extend_from_slice(&piece.take().unwrap_or_default());
    match is_end {
        true => Err(refused(refusal.status)),
        false => Ok(()),
    }
}

/// Sends the collected answer to the client.
pub(crate) async fn send(session: &mut Session, answer: UpstreamResponse, request: &mut RequestContext) -> Result<()> {
    request.end_before_body(session);
    let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len()))?;
    for (name, value) in answer.headers {
        if name != CONNECTION && name != TRANSFER_ENCODING {
            header.append_header(name, value)?;
        }
    }
    request.user = headers::take_internal(&mut header).or(request.user.take());
    header.insert_header("Content-Length", answer.body.len())?;
    request.settings.add_headers(&mut header)?;
    error_response::send(session, header, answer.body.freeze()).await
}
