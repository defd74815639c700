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
use crate::downstream::limits::HEAD_TIME;
use crate::request::head_error::Fault;
use crate::request::shutdown::Ending;

mod scan;

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
