//! The head of an HTTP/1.1 request, read before Pingora sees it: in time, in bounds, and without ambiguity.
//!
//! Pingora's own parser forgives what two parsers in a row may read differently (a lone LF, Content-Length beside
//! Transfer-Encoding), has one 400 for every fault and no deadline for a head that drips in. RFC 9112 sections 2.2,
//! 5.2 and 6.3 allow to refuse all of it.

use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::downstream::connection::Connection;
use crate::downstream::limits::HEAD_TIMEOUT;
use crate::request::head_error::HeadError;
use crate::request::shutdown::Shutdown;

mod scan;

use scan::{Progress, Scan};

/// What a connection brings next.
#[derive(Debug)]
pub(crate) enum ReceivedHead {
    /// A whole head, with the empty line that ends it.
    Complete(BytesMut),
    /// The client left, or stayed silent for too long.
    Gone,
    /// A head that is not passed on.
    Refused(HeadError),
}

/// Reads the next head from `connection`. `idle` is how long a connection may rest before its next request;
/// `shutdown` says when no further requests are wanted.
pub(crate) async fn read(
    connection: &mut Connection,
    idle: Duration,
    shutdown: &mut watch::Receiver<Shutdown>,
) -> ReceivedHead {
    let mut scan = Scan::default();
    let mut began = (!connection.ahead().is_empty()).then(Instant::now);
    let rests_since = Instant::now();
    loop {
        match scan.advance(connection.ahead()) {
            Progress::Complete(length) => return ReceivedHead::Complete(connection.ahead().split_to(length)),
            Progress::Refused(error) => return ReceivedHead::Refused(error),
            Progress::Partial => {}
        }
        let grace = shutdown.borrow_and_update().grace();
        let deadline = match (began, grace) {
            (Some(began), _) => began + HEAD_TIMEOUT.min(idle),
            (None, Some(grace)) => Instant::now() + grace.min(idle),
            (None, None) => rests_since + idle,
        };
        let read = tokio::select! {
            read = timeout_at(deadline, connection.read_ahead()) => read,
            // A new deadline; nothing was read.
            Ok(()) = shutdown.changed() => continue,
        };
        match read {
            Ok(Ok(0)) | Ok(Err(_)) => return ReceivedHead::Gone,
            Ok(Ok(_)) => began = began.or_else(|| Some(Instant::now())),
            Err(_) if began.is_some() => return ReceivedHead::Refused(HeadError::TooSlow),
            Err(_) => return ReceivedHead::Gone,
        }
    }
}
