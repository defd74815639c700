//! What is known of one request on its way through the proxy.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use lockgate_admission::{Caller, Permit};
use pingora::Result;
use pingora_proxy::Session;

use crate::request::active_count::ActiveGuard;
use crate::request::body::BodyMode;
use crate::request::connection_info::ConnectionInfo;
use crate::request::error::ProxyError;
use crate::request::error_response;
use crate::request::headers::Forwarded;
use crate::request::settings::ProxySettings;
use crate::upstream::ask::UpstreamResponse;
use crate::upstream::resume::ReplayBuffer;

/// The context that Pingora hands from phase to phase.
pub(crate) struct RequestContext {
    /// Also in the registry's log lines.
    pub(crate) id: String,
    /// When its head was complete.
    pub(crate) began: Instant,
    /// The account that the registry named.
    pub(crate) user: Option<String>,
    /// Those of its beginning, whatever is reloaded meanwhile.
    pub(crate) settings: Arc<ProxySettings>,
    pub(crate) connection: Option<Arc<ConnectionInfo>>,
    pub(crate) forwarded: Option<Forwarded>,
    /// Set at the first failure: until then it may be sent again.
    pub(crate) retry_deadline: Option<tokio::time::Instant>,
    /// How often it was sent again.
    pub(crate) retries: u32,
    /// The upload that its body goes to.
    pub(crate) upload: Option<ReplayBuffer>,
    /// How its body gets to the registry.
    pub(crate) body_mode: BodyMode,
    /// What the registry answered before it had the body, and does not want it.
    pub(crate) refusal: Option<UpstreamResponse>,
    /// The answer is complete, whatever of the request is still to come.
    pub(crate) is_answered: bool,
    pub(crate) caller: Option<Caller>,
    pub(crate) permit: Option<Permit>,
    _active: ActiveGuard,
}

impl RequestContext {
    /// A request whose head is not looked at yet.
    pub(crate) fn new(settings: Arc<ProxySettings>, active: ActiveGuard) -> Self {
        Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            began: Instant::now(),
            user: None,
            settings,
            connection: None,
            forwarded: None,
            retry_deadline: None,
            retries: 0,
            upload: None,
            body_mode: BodyMode::Buffered,
            refusal: None,
            is_answered: false,
            caller: None,
            permit: None,
            _active: active,
        }
    }

    /// The address of the client, behind all proxies that are trusted.
    pub(crate) fn client(&self) -> IpAddr {
        self.forwarded
            .as_ref()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Forwarded::client)
    }

    /// When the registry has been waited for long enough, counted from now.
    pub(crate) fn backend_deadline(&self) -> tokio::time::Instant {
        tokio::time::Instant::now() + self.settings.limits.backend_wait
    }

    /// Answers with `error` in the registry's place.
    pub(crate) async fn answer_error(&mut self, session: &mut Session, error: impl Into<ProxyError>) -> Result<()> {
        self.end_before_body(session);
        error_response::send_error(session, &error.into(), &self.settings).await
    }

    /// The answer that comes next is the last. When it comes before the request's end, the connection cannot be used again
    /// (RFC 9112 section 9.3).
    pub(crate) fn end_before_body(&mut self, session: &mut Session) {
        self.is_answered = true;
        if !session.is_body_done() {
            session.set_keepalive(None);
        }
    }
}
