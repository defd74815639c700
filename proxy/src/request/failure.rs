//! What a client is told when a request fails on the way.

use std::borrow::Cow;

use pingora::{Error, ErrorSource, ErrorType};

/// The answer for `error`: status and message. `None`: nobody is left to answer.
pub(crate) fn answer(error: &Error, request_is_complete: bool) -> Option<(u16, Cow<'static, str>)> {
    let (status, message) = match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(status)) => {
            let reason = error.context.as_ref().map(|reason| reason.as_str().to_owned().into());
            return Some((*status, reason.unwrap_or("the request cannot be served".into())));
        }
        (ErrorSource::Upstream, kind) => upstream(kind, request_is_complete),
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => (408, "the request's body stopped arriving"),
        (
            ErrorSource::Downstream,
            ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::WriteTimedout
            | ErrorType::ConnectionClosed
            | ErrorType::H2Error,
        ) => return None,
        (ErrorSource::Downstream, _) => (400, "the request is malformed"),
        (ErrorSource::Internal | ErrorSource::Unset, _) => (500, "the proxy failed; its log says why"),
    };
    Some((status, message.into()))
}

fn upstream(kind: &ErrorType, request_is_complete: bool) -> (u16, &'static str) {
    match kind {
        // Both sides were silent; it is the client's turn while its body is incomplete.
        ErrorType::ReadTimedout if !request_is_complete => (408, "the request's body stopped arriving"),
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => (504, "the registry did not answer in time"),
        ErrorType::InvalidHTTPHeader => (502, "the registry's answer could not be read"),
        // Refused, or cut: clients retry a 503.
        _ => (503, "the registry is restarting, try again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_status() {
        let status = |error: Box<Error>, complete| answer(&error, complete).map(|(status, _)| status);
        assert_eq!(status(Error::new_up(ErrorType::ConnectTimedout), true), Some(503));
        assert_eq!(status(Error::new_up(ErrorType::ConnectionClosed), false), Some(503));
        assert_eq!(status(Error::new_up(ErrorType::ReadError), true), Some(503));
        assert_eq!(status(Error::new_up(ErrorType::ReadTimedout), true), Some(504));
        assert_eq!(status(Error::new_up(ErrorType::ReadTimedout), false), Some(408));
        assert_eq!(status(Error::new_up(ErrorType::InvalidHTTPHeader), true), Some(502));
        assert_eq!(status(Error::new_down(ErrorType::ReadTimedout), false), Some(408));
        assert_eq!(status(Error::new_down(ErrorType::ConnectionClosed), false), None);
        assert_eq!(status(Error::new_down(ErrorType::InvalidHTTPHeader), false), Some(400));
        assert_eq!(status(Error::new_in(ErrorType::FileReadError), true), Some(500));
        assert_eq!(status(Error::new_down(ErrorType::HTTPStatus(414)), true), Some(414));
        let explained = Error::explain(ErrorType::HTTPStatus(431), "too many fields");
        assert_eq!(answer(&explained, true), Some((431, "too many fields".into())));
    }
}
