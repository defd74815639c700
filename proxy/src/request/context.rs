//! What is known of one request.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use lockgate_admission::{Caller, Permit};

use crate::request::body::BodyMode;
use crate::request::connection_info::ConnectionInfo;
use crate::request::headers::Forwarded;
use crate::request::in_flight::InFlightGuard;
use crate::request::settings::ProxySettings;
use crate::upstream::ask::UpstreamResponse;
use crate::upstream::resume::ReplayBuffer;

/// One request on its way.
pub(crate) struct RequestContext {
    /// Also in the registry's log lines.
    pub(crate) id: String,
    /// When its head was complete.
    pub(crate) began: Instant,
    /// The account that the registry named.
    pub(crate) user: Option<String>,
    pub(crate) settings: Arc<ProxySettings>,
    pub(crate) peer: Option<Arc<ConnectionInfo>>,
    pub(crate) forwarded: Option<Forwarded>,
    /// Set at the first failure: until then it may be sent again.
    pub(crate) deadline: Option<tokio::time::Instant>,
    /// How often it was sent again.
    pub(crate) repeats: u32,
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
    pub(crate) _in_flight: InFlightGuard,
}

impl RequestContext {
    /// The client's address.
    pub(crate) fn client(&self) -> IpAddr {
        self.forwarded
            .as_ref()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Forwarded::client)
    }
}
