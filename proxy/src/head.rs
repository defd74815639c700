//! The head of an HTTP/1.1 request, read before Pingora sees it: in time, in bounds, and without ambiguity.
//!
//! Pingora's own parser forgives what two parsers in a row may read differently (a lone LF, Content-Length beside
//! Transfer-Encoding), has one 400 for every fault and no deadline for a head that drips in. RFC 9112 sections 2.2,
//! 5.2 and 6.3 allow to refuse all of it.

use std::time::Duration;

use bytes::BytesMut;
use pingora::{Error, ErrorType};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::ending::Ending;
use crate::limits::HEAD_TIME;

mod scan;

pub(crate) use scan::check_target;
use scan::{Progress, Scan};

/// What came.
#[derive(Debug)]
pub(crate) enum Head {
    /// A whole head, with the empty line that ends it.
    Request(BytesMut),
    /// The client left, or stayed silent for too long.
    Gone,
    /// A head that is not passed on.
    Refused(Fault),
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 400, with what is wrong.
    Malformed(&'static str),
    /// 405: this is no forward proxy.
    Connect,
    /// 408
    TooSlow,
    /// 413, of what is neither a blob nor a manifest.
    BodyTooLarge,
    /// 414
    UriTooLong,
    /// 431, too many bytes.
    TooLarge,
    /// 431, too many fields.
    TooManyFields,
}

impl Fault {
    /// The status to answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Connect => 405,
            Self::TooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            Self::TooLarge | Self::TooManyFields => 431,
        }
    }

    /// What to tell the client.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Malformed(reason) => reason,
            Self::Connect => "CONNECT is not supported: this is a registry, not a forward proxy",
            Self::TooSlow => "the request's header did not arrive in time",
            Self::BodyTooLarge => "the request's body is too large, 64 KiB are the most here",
            Self::UriTooLong => "the request's URI is too long",
            Self::TooLarge => "the request's header is too large",
            Self::TooManyFields => "the request's header has too many fields, 88 are the most",
        }
    }

    /// As an error of Pingora, for requests whose head it has read.
    pub(crate) fn into_error(self) -> Box<Error> {
        Error::explain(ErrorType::HTTPStatus(self.status()), self.message()).into_down()
    }
}

/// Reads the next head from `connection`. `idle` is how long a connection may rest before its next request;
/// `ending` says when no further requests are wanted.
pub(crate) async fn read(connection: &mut Connection, idle: Duration, ending: &mut watch::Receiver<Ending>) -> Head {
    let mut scan = Scan::default();
    let mut began = (!connection.ahead().is_empty()).then(Instant::now);
    let rests_since = Instant::now();
    loop {
        match scan.advance(connection.ahead()) {
            Progress::Complete(length) => return Head::Request(connection.ahead().split_to(length)),
            Progress::Refused(fault) => return Head::Refused(fault),
            Progress::Partial => {}
        }
        let grace = ending.borrow_and_update().grace();
        let deadline = match (began, grace) {
            (Some(began), _) => began + HEAD_TIME.min(idle),
            (None, Some(grace)) => Instant::now() + grace.min(idle),
            (None, None) => rests_since + idle,
        };
        let read = tokio::select! {
            read = timeout_at(deadline, connection.read_ahead()) => read,
            // A new deadline; nothing was read.
            Ok(()) = ending.changed() => continue,
        };
        match read {
            Ok(Ok(0)) | Ok(Err(_)) => return Head::Gone,
            Ok(Ok(_)) => began = began.or_else(|| Some(Instant::now())),
            Err(_) if began.is_some() => return Head::Refused(Fault::TooSlow),
            Err(_) => return Head::Gone,
        }
    }
}
