//! What is checked of a head that Pingora has read, over HTTP/1.1 or h2, before anything else happens.

use std::sync::Arc;

use pingora::Result;
use pingora::http::RequestHeader;
use pingora_proxy::Session;

use crate::request::connection_info::ConnectionInfo;
use crate::request::context::RequestContext;
use crate::request::error::ProxyError;
use crate::request::head_error::HeadError;
use crate::request::headers::{self, Forwarded};
use crate::request::limits::{LINGER_TIMEOUT, MAX_FIELDS, MAX_URI_SIZE};
use crate::request::target::check_target;

/// Sets the bounds of `session`, refuses a head that is not passed on, and finds out who asks.
pub(crate) fn begin(session: &mut Session, request: &mut RequestContext) -> Result<()> {
    set_bounds(session, request);
    request.connection = connection_info(session);
    let header = session.req_header_mut();
    // Nothing here speaks another protocol; left in, it would change how Pingora reads the body.
    header.remove_header("upgrade");
    check(header).map_err(ProxyError::from)?;
    let target = header.raw_path();
    if !target.starts_with(b"/") && target != b"*" {
        // The absolute form of RFC 9112 section 3.2.2; its host was compared with Host already.
        header.set_uri(header.uri.clone());
    }
    let connection = request.connection.as_deref();
    request.forwarded = connection
        .map(|connection| Forwarded::new(session.req_header(), connection, &request.settings.trusted_proxies));
    Ok(())
}

fn set_bounds(session: &mut Session, request: &RequestContext) {
    let idle = request.settings.limits.idle_timeout;
    session.set_read_timeout(Some(idle));
    session.set_write_timeout(Some(idle));
    session.set_total_drain_timeout(Some(LINGER_TIMEOUT));
    if session.get_header("expect").is_some() {
        // Pingora would take `100 Continue` for an early answer and close the connection after the final one.
        session.set_close_on_response_before_downstream_finish(false);
    }
}

fn connection_info(session: &Session) -> Option<Arc<ConnectionInfo>> {
    let digest = session.digest()?.proxy_digest.as_ref()?;
    digest
        .user_data
        .as_ref()?
        .downcast_ref::<Arc<ConnectionInfo>>()
        .cloned()
}

fn check(header: &RequestHeader) -> std::result::Result<(), HeadError> {
    let target = header.raw_path();
    if target.len() > MAX_URI_SIZE {
        return Err(HeadError::UriTooLong);
    }
    if header.headers.len() > MAX_FIELDS {
        return Err(HeadError::TooManyFields);
    }
    if !headers::names_host(header) {
        return Err(HeadError::Malformed(
            "the request's Host is missing, malformed or too long",
        ));
    }
    check_target(target)
}
