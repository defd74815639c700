//! The phases of a request. Each calls into the module that knows how.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Method, StatusCode};
use lockgate_admission::Overloaded;
use lockgate_certs::trust::CERTIFICATE_URL_PATH;
use lockgate_files::BufferPool;
use lockgate_wire::headers::BLOB;
use lockgate_wire::{Handoff, is_probe};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tokio::sync::watch;

use crate::blob::file_body::{FileBody, OpenError};
use crate::request::body::{self, BodyMode};
use crate::request::connection_info::ConnectionInfo;
use crate::request::context::RequestContext;
use crate::request::error_response::{self, ErrorResponse};
use crate::request::head_error::HeadError;
use crate::request::headers::{self, Forwarded};
use crate::request::in_flight::InFlight;
use crate::request::limits::{LINGER_TIMEOUT, MAX_FIELDS, MAX_URI_SIZE};
use crate::request::settings::ProxySettings;
use crate::request::shutdown::Shutdown;
use crate::request::target::check_target;
use crate::request::{access_log, docroot, failure};
use crate::upstream::ask::{self, UpstreamResponse};
use crate::upstream::connect::Upstream;
use crate::upstream::limits::{MAX_RETRIES, RESUME_TIMEOUT};
use crate::upstream::resume::{self, ReplayBuffer};
use crate::upstream::retry::{self, RequestBody, may_repeat};

/// The proxy as Pingora drives it.
pub(crate) struct Service {
    /// Of requests that begin now.
    pub(crate) settings: Arc<ArcSwap<ProxySettings>>,
    /// Where they go.
    pub(crate) upstream: Upstream,
    /// How many there are.
    pub(crate) requests: InFlight,
    /// For bodies that the proxy sends itself.
    pub(crate) buffers: BufferPool,
    /// Whether further requests are wanted.
    pub(crate) shutdown: watch::Sender<Shutdown>,
}

impl RequestContext {
    /// Waits for its turn among the requests in flight.
    async fn enter(&mut self, session: &Session) -> std::result::Result<(), Overloaded> {
        let authorization = session.get_header(AUTHORIZATION).map(HeaderValue::as_bytes);
        let admission = &self.settings.admission;
        let caller = admission.caller(self.client(), authorization);
        self.permit = Some(admission.acquire(&caller).await?);
        self.caller = Some(caller);
        Ok(())
    }

    async fn refuse(&mut self, session: &mut Session, page: ErrorResponse<'_>) -> Result<()> {
        self.is_answered = true;
        close_if_unread(session);
        page.send(session, &self.settings).await
    }

    /// Ends the request with `answer`, which came before its body: Pingora would go on to wait for that, over h2 for ever.
    fn end_with(&mut self, session: &mut Session, answer: &mut ResponseHeader, is_empty: bool) -> Result<()> {
        let headers = answer.headers.iter();
        self.refusal = Some(UpstreamResponse {
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

    /// Answers as the registry did.
    async fn pass_on(&mut self, session: &mut Session, answer: UpstreamResponse) -> Result<()> {
        self.is_answered = true;
        close_if_unread(session);
        let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len()))?;
        for (name, value) in answer.headers {
            if name != CONNECTION && name != TRANSFER_ENCODING {
                header.append_header(name, value)?;
            }
        }
        self.user = headers::take_internal(&mut header).or(self.user.take());
        header.insert_header("Content-Length", answer.body.len())?;
        self.settings.add_headers(&mut header)?;
        error_response::send(session, header, answer.body.freeze()).await
    }
}

#[async_trait]
impl ProxyHttp for Service {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext {
            id: uuid::Uuid::new_v4().simple().to_string(),
            began: Instant::now(),
            user: None,
            settings: self.settings.load_full(),
            peer: None,
            forwarded: None,
            deadline: None,
            repeats: 0,
            upload: None,
            body_mode: BodyMode::Buffered,
            refusal: None,
            is_answered: false,
            caller: None,
            permit: None,
            _in_flight: self.requests.enter(),
        }
    }

    async fn early_request_filter(&self, session: &mut Session, request: &mut RequestContext) -> Result<()> {
        let idle = request.settings.limits.idle_timeout;
        session.set_read_timeout(Some(idle));
        session.set_write_timeout(Some(idle));
        session.set_total_drain_timeout(Some(LINGER_TIMEOUT));
        if session.get_header("expect").is_some() {
            // Pingora would take `100 Continue` for an early answer and close the connection after the final one.
            session.set_close_on_response_before_downstream_finish(false);
        }
        request.peer = peer(session);
        let header = session.req_header_mut();
        // Nothing here speaks another protocol; left in, it would change how Pingora reads the body.
        header.remove_header("upgrade");
        let target = header.raw_path();
        check(header).map_err(HeadError::into_error)?;
        if !target.starts_with(b"/") && target != b"*" {
            // The absolute form of RFC 9112 section 3.2.2; its host was compared with Host already.
            header.set_uri(header.uri.clone());
        }
        let peer = request.peer.as_deref();
        request.forwarded =
            peer.map(|peer| Forwarded::new(session.req_header(), peer, &request.settings.trusted_proxies));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, request: &mut RequestContext) -> Result<bool> {
        let header = session.req_header();
        let is_probe = is_probe(header.method.as_str(), header.uri.path());
        if request.peer.as_ref().is_none_or(|peer| peer.refused) {
            session.set_keepalive(None);
            if !is_probe {
                request
                    .refuse(session, ErrorResponse::new(503, "too many connections, try again"))
                    .await?;
                return Ok(true);
            }
        }
        if !is_probe && let Err(overloaded) = request.enter(session).await {
            request
                .refuse(session, ErrorResponse::new(503, &overloaded.to_string()))
                .await?;
            return Ok(true);
        }
        let settings = request.settings.clone();
        if let Some(authority) = &settings.authority
            && session.req_header().uri.path() == CERTIFICATE_URL_PATH
            && matches!(session.req_header().method, Method::GET | Method::HEAD)
        {
            match std::fs::read(authority) {
                Ok(certificate) => send_certificate(session, &settings, certificate.into()).await?,
                Err(error) => {
                    tracing::error!(path = %authority.display(), %error, "the authority's certificate cannot be read");
                    request
                        .refuse(session, ErrorResponse::new(500, "the certificate cannot be read"))
                        .await?;
                }
            }
            return Ok(true);
        }
        if let Some(file) = docroot::find(session, &settings) {
            file.send(session, &settings, &self.buffers).await?;
            return Ok(true);
        }
        request.body_mode = body::receive(session.as_downstream_mut(), settings.limits.body_timeout).await?;
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, request: &mut RequestContext) -> Result<Box<HttpPeer>> {
        let wait = request.settings.limits.backend_wait;
        let deadline = request.deadline.unwrap_or_else(|| tokio::time::Instant::now() + wait);
        self.upstream.peer(deadline, request.repeats > 0)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        request: &mut RequestContext,
    ) -> Result<()> {
        match &request.forwarded {
            Some(forwarded) => forwarded.write(upstream, &request.id)?,
            None => return Err(Error::new_in(ErrorType::InternalError)),
        }
        if request.upload.is_some() {
            self.resume_upload(session, upstream, request).await
        } else {
            match request.body_mode {
                // It was answered `100 Continue` here.
                BodyMode::Buffered => drop(upstream.remove_header("expect")),
                BodyMode::Streamed => self.ask_first(upstream, request).await?,
            }
            if resume::appends(&upstream.method, upstream.uri.path()) && !session.is_body_empty() {
                let deadline = tokio::time::Instant::now() + request.settings.limits.backend_wait;
                request.upload = ReplayBuffer::begin(&self.upstream, upstream, deadline).await;
            }
            Ok(())
        }
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        piece: &mut Option<Bytes>,
        is_end: bool,
        request: &mut RequestContext,
    ) -> Result<()> {
        if request.is_answered {
            // The rest of the body is nobody's any more; the connection reads a bounded part of it when it closes.
            return Err(Error::new_down(ErrorType::ConnectionClosed));
        }
        if is_end && piece.as_ref().is_some_and(Bytes::is_empty) {
            // An h2 body may end with an empty DATA frame (RFC 9113 section 8.1). Pingora writes it as a chunk of length
            // zero, which is the end already, and then the end: the registry would take the second for a request.
            *piece = None;
        }
        if let Some(upload) = &mut request.upload
            && let Some(bytes) = piece
        {
            if std::mem::take(&mut upload.drops_repeat) {
                *piece = (!is_end).then(Bytes::new);
            } else {
                upload.pass(bytes);
            }
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        answer: &mut ResponseHeader,
        _: &mut RequestContext,
    ) -> Result<()> {
        if retry::hangs_up(answer) {
            // With an error the connection is not used again.
            let status = ErrorType::HTTPStatus(answer.status.as_u16());
            return Error::e_explain(status, "the registry cannot read this request").map_err(Error::into_down);
        }
        Ok(())
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
        let handoff = answer
            .headers
            .get(BLOB)
            .map(|value| value.to_str().unwrap_or_default().to_owned());
        request.user = headers::take_internal(answer).or(request.user.take());
        if let (Some(_), Some(caller)) = (&request.user, &request.caller) {
            request.settings.admission.remember(caller);
        }
        request.settings.add_headers(answer)?;
        let is_empty = answer.headers.get("content-length").is_some_and(|length| length == "0");
        if is_empty || matches!(answer.status.as_u16(), 204 | 304) {
            request.is_answered = true;
        }
        if request.body_mode == BodyMode::Streamed && answer.status.as_u16() >= 300 && !session.is_body_done() {
            return request.end_with(session, answer, is_empty);
        }
        if let Some(handoff) = handoff.filter(|_| answer.status.is_success()) {
            self.hand_off(&handoff, session, answer, request).await?;
            // Everything is sent. Pingora would warn of a second final header; an interim one it drops in silence.
            session.set_ignore_info_resp(true);
            answer.set_status(StatusCode::EARLY_HINTS)?;
        }
        Ok(())
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
            refusal.body.extend_from_slice(&piece.take().unwrap_or_default());
            if is_end {
                return Err(refused(refusal.status));
            }
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
        let is_cut = *error.esource() == ErrorSource::Upstream
            && !matches!(
                error.etype(),
                ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::InvalidHTTPHeader
            );
        let body = RequestBody::of(session);
        let header = session.req_header();
        let now = tokio::time::Instant::now();
        if request.upload.as_mut().is_some_and(ReplayBuffer::failed) {
            // It got further since the last time: it may be sent again as if this were the first.
            (request.deadline, request.repeats) = (None, 0);
        }
        let deadline = *request
            .deadline
            .get_or_insert(now + request.settings.limits.backend_wait);
        let repeat = is_cut
            && session
                .response_written()
                .is_none_or(|answer| answer.status.is_informational())
            && (request.upload.is_some()
                || may_repeat(&header.method, header.uri.path(), body)
                || (retry::was_never_read(&error) && body.is_harmless_with(&header.method)))
            && request.repeats < MAX_RETRIES
            && now < deadline;
        error.set_retry(repeat);
        if repeat {
            request.repeats += 1;
            tracing::debug!(request_id = %request.id, %error, "the registry went away, asking again");
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, request: &mut RequestContext) -> FailToProxy {
        let mut failed = FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
        let is_begun = session
            .response_written()
            .is_some_and(|answer| !answer.status.is_informational());
        if let Some(refusal) = request.refusal.take().filter(|_| !is_begun) {
            failed.error_code = refusal.status.as_u16();
            if let Err(error) = request.pass_on(session, refusal).await {
                tracing::debug!(request_id = %request.id, %error, "the client left before it was answered");
            }
            return failed;
        }
        let is_complete = session.is_body_done();
        let Some((status, message)) = failure::answer(error, is_complete).filter(|_| !is_begun) else {
            tracing::debug!(request_id = %request.id, %error, "the request ended early");
            return failed;
        };
        if status >= 500 {
            tracing::warn!(request_id = %request.id, %error, status, "{message}");
        } else {
            tracing::debug!(request_id = %request.id, %error, status, "{message}");
        }
        failed.error_code = status;
        session.set_keepalive(None);
        if let Err(error) = request.refuse(session, ErrorResponse::new(status, &message)).await {
            tracing::debug!(request_id = %request.id, %error, "the client left before it was answered");
        }
        failed
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, request: &mut RequestContext) {
        if let Some(peer) = &request.peer
            && !session.is_http2()
            && !session.is_body_done()
        {
            peer.answered_early.store(true, Ordering::Relaxed);
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

impl Service {
    /// Asks the registry whether it wants the body before anything of it is sent.
    async fn ask_first(&self, upstream: &RequestHeader, request: &mut RequestContext) -> Result<()> {
        let deadline = tokio::time::Instant::now() + request.settings.limits.backend_wait;
        match ask::accepts_body(&self.upstream, upstream, deadline).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) => {
                let status = refusal.status;
                request.refusal = Some(refusal);
                Err(refused(status))
            }
            Err(error) => Error::e_because(ErrorType::ConnectError, "asking whether a body is wanted", error)
                .map_err(Error::into_up),
        }
    }

    /// Makes `upstream`, whose body was on its way to a registry that went away, a request for the rest of it.
    async fn resume_upload(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        request: &mut RequestContext,
    ) -> Result<()> {
        let Some(upload) = &mut request.upload else {
            return Ok(());
        };
        let deadline = tokio::time::Instant::now() + RESUME_TIMEOUT;
        // A body that was read whole before is done when it has set out as well.
        let is_done = session.is_body_done() && (upload.has_passed() || session.is_body_empty());
        if let Err(error) = upload.catch_up(&self.upstream, upstream, is_done, deadline).await {
            return Error::e_because(ErrorType::ConnectionClosed, "going on", error).map_err(Error::into_up);
        }
        upload.drops_repeat = !session.retry_buffer_truncated() && !session.is_body_empty() && upload.has_passed();
        tracing::info!(request_id = %request.id, "the registry went away during an upload, which goes on");
        Ok(())
    }

    /// Sends the file that the registry named, header and all.
    async fn hand_off(
        &self,
        handoff: &str,
        session: &mut Session,
        answer: &mut ResponseHeader,
        request: &mut RequestContext,
    ) -> Result<()> {
        let opened = handoff
            .parse::<Handoff>()
            .map_err(|error| error.to_string())
            .map(|handoff| {
                let length = handoff.length();
                (length, FileBody::open(handoff, &request.settings.blobs))
            });
        let (length, opened) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(request_id = %request.id, error, "the registry's hand-off cannot be read");
                return request
                    .refuse(session, ErrorResponse::new(500, "the blob cannot be read"))
                    .await;
            }
        };
        let blob = match opened {
            Ok(blob) => blob,
            Err(error @ OpenError::Missing(_)) => {
                tracing::error!(request_id = %request.id, %error, "a blob that the registry knows is missing");
                let page = ErrorResponse {
                    code: "BLOB_UNKNOWN",
                    ..ErrorResponse::new(404, "blob unknown to registry")
                };
                return request.refuse(session, page).await;
            }
            Err(error) => {
                tracing::error!(request_id = %request.id, %error, "a blob cannot be read");
                return request
                    .refuse(session, ErrorResponse::new(500, "the blob cannot be read"))
                    .await;
            }
        };
        answer.remove_header("transfer-encoding");
        answer.insert_header("Content-Length", length)?;
        request.is_answered = true;
        let has_body = length > 0 && session.req_header().method == Method::GET;
        session
            .write_response_header(Box::new(answer.clone()), !has_body)
            .await
            .map_err(Error::into_down)?;
        if has_body {
            blob.send(session, &self.buffers).await
        } else {
            session.write_response_body(None, true).await.map_err(Error::into_down)
        }
    }
}

/// The request is over with what the registry answered.
fn refused(status: StatusCode) -> Box<Error> {
    Error::new_down(ErrorType::HTTPStatus(status.as_u16()))
}

/// What of a head is refused that Pingora understood, over HTTP/1.1 or h2.
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

/// After an answer that came before the request's end the connection cannot be used again (RFC 9112 section 9.3).
fn close_if_unread(session: &mut Session) {
    if !session.is_body_done() {
        session.set_keepalive(None);
    }
}

async fn send_certificate(session: &mut Session, settings: &ProxySettings, certificate: Bytes) -> Result<()> {
    let mut header = ResponseHeader::build(200, Some(4))?;
    header.insert_header("Content-Type", "application/x-pem-file")?;
    header.insert_header("Content-Length", certificate.len())?;
    settings.add_headers(&mut header)?;
    error_response::send(session, header, certificate).await
}

fn peer(session: &Session) -> Option<Arc<ConnectionInfo>> {
    let digest = session.digest()?.proxy_digest.as_ref()?;
    digest
        .user_data
        .as_ref()?
        .downcast_ref::<Arc<ConnectionInfo>>()
        .cloned()
}
