//! The phases of a request, in the order in which Pingora goes through them. Each calls the module that knows how.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use lockgate_files::BufferPool;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tokio::sync::watch;

use crate::request::active_count::ActiveCount;
use crate::request::context::RequestContext;
use crate::request::settings::ProxySettings;
use crate::request::shutdown::Shutdown;
use crate::request::{
    access_log, admission, answer, body, certificate, check, docroot, early_answer, failure, forward,
};
use crate::upstream::connect::Upstream;

/// The proxy as Pingora drives it.
pub(crate) struct Service {
    /// For requests that begin now.
    pub(crate) settings: Arc<ArcSwap<ProxySettings>>,
    /// Reaches the registry.
    pub(crate) upstream: Upstream,
    /// Counts the requests that are being served.
    pub(crate) requests: ActiveCount,
    /// For bodies that the proxy sends itself.
    pub(crate) buffers: BufferPool,
    /// Whether further requests are wanted.
    pub(crate) shutdown: watch::Sender<Shutdown>,
}

#[async_trait]
impl ProxyHttp for Service {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext::new(self.settings.load_full(), self.requests.enter())
    }

    async fn early_request_filter(&self, session: &mut Session, request: &mut RequestContext) -> Result<()> {
        check::begin(session, request)
    }

    /// Returns whether the request is answered.
    async fn request_filter(&self, session: &mut Session, request: &mut RequestContext) -> Result<bool> {
        if admission::admit(session, request).await?
            || certificate::answer(session, request).await?
            || docroot::answer(session, request, &self.buffers).await?
        {
            return Ok(true);
        }
        let body_timeout = request.settings.limits.body_timeout;
        request.body_mode = body::receive(session.as_downstream_mut(), body_timeout).await?;
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, request: &mut RequestContext) -> Result<Box<HttpPeer>> {
        let deadline = request.retry_deadline.unwrap_or_else(|| request.backend_deadline());
        self.upstream.peer(deadline, request.retries > 0)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        head: &mut RequestHeader,
        request: &mut RequestContext,
    ) -> Result<()> {
        forward::prepare(&self.upstream, session, head, request).await
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        piece: &mut Option<Bytes>,
        is_end: bool,
        request: &mut RequestContext,
    ) -> Result<()> {
        forward::pass_body(piece, is_end, request)
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        answer: &mut ResponseHeader,
        _: &mut RequestContext,
    ) -> Result<()> {
        answer::check(answer)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        request: &mut RequestContext,
    ) -> Result<()> {
        if answer.status.is_informational() {
            return Ok(());
        }
        if *self.shutdown.borrow() != Shutdown::No {
            // The request began before: Pingora still thinks of another one on this connection.
            session.set_keepalive(None);
        }
        answer::pass(session, answer, request, &self.buffers).await
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        piece: &mut Option<Bytes>,
        is_end: bool,
        request: &mut RequestContext,
    ) -> Result<Option<std::time::Duration>> {
        request.is_answered |= is_end;
        if let Some(refusal) = &mut request.refusal {
            early_answer::collect(refusal, piece, is_end)?;
        }
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        request: &mut RequestContext,
        _: bool,
    ) -> Box<Error> {
        let is_retried = failure::is_retried(session, &error, request);
        error.set_retry(is_retried);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, request: &mut RequestContext) -> FailToProxy {
        FailToProxy {
            error_code: failure::answer(session, error, request).await,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, request: &mut RequestContext) {
        if let Some(connection) = &request.connection
            && !session.is_http2()
            && !session.is_body_done()
        {
            connection.answered_early.store(true, Ordering::Relaxed);
        }
        if request.settings.access_log {
            access_log::write(session, request);
        }
    }

    /// What fails is logged in [`Self::fail_to_proxy`], once.
    fn suppress_error_log(&self, _: &Session, _: &RequestContext, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &RequestContext, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}
