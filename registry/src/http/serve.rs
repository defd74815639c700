//! The way of one request through the registry, and what every answer carries.

use std::time::Instant;

use actix_web::body::MessageBody as _;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use lockgate_wire::{HEALTH_PATH, READY_PATH, headers};
use tracing::Instrument as _;

use super::admission;
use super::before_login;
use super::connection::{ReadableBody, refused};
use super::context::app::App;
use super::context::origin::RequestOrigin;
use super::context::request_context::RequestContext;
use super::context::settings::HttpSettings;
use super::error::ApiError;
use super::handlers::{blobs, health, listings, manifests, tokens, uploads};
use super::method::{for_router, is_read};
use super::routing::route::{self, BeginUpload, Route};
use crate::auth::{ChallengeError, Principal};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The proxy asks whether a request would be accepted, before the client sends its body; no client's crosses the proxy.
const CHECK: HeaderName = HeaderName::from_static(headers::CHECK);
/// For the proxy's access log; the proxy strips it.
const USER: HeaderName = HeaderName::from_static(headers::USER);

/// Answers any request, and never fails: an error is an answer too.
pub(crate) async fn serve(request: HttpRequest, body: ReadableBody, app: Data<App>) -> HttpResponse {
    let began = Instant::now();
    let settings = app.settings.load_full();
    let origin = settings
        .proxies
        .origin(request.headers(), request.peer_addr().map(|peer| peer.ip()));
    let request_id = request_id(&request, origin.trusted);
    let span = tracing::info_span!("request", request_id = %request_id);
    let path = request.uri().path();
    let measured = app.metrics.as_ref().map(|metrics| {
        metrics.begin(
            request.method(),
            path.strip_prefix(settings.prefix.as_str()).unwrap_or(""),
        )
    });

    let mut sender = Principal::ANONYMOUS;
    let (in_flight, answered) = async {
        match admission::admit(&settings, &origin, &request).await {
            Ok(in_flight) => {
                let answered = respond(&app, &settings, &origin, &request, body.0, &mut sender).await;
                (in_flight, answered)
            }
            Err(full) => (None, Err(full)),
        }
    }
    .instrument(span.clone())
    .await;
    let mut response = span.in_scope(|| answered.unwrap_or_else(ApiError::into_response));
    add_headers(&mut response, &settings, &sender);
    if let Some(measured) = measured {
        measured.answered(response.status().as_u16());
    }
    if settings.access_log {
        span.in_scope(|| log_access(&request, &response, &origin, &sender, began));
    }
    match in_flight {
        Some(in_flight) => in_flight.end_with(response, sender.account().is_some()),
        None => response,
    }
}

async fn respond(
    app: &App,
    settings: &HttpSettings,
    origin: &RequestOrigin,
    request: &HttpRequest,
    payload: Payload,
    sender: &mut Principal,
) -> Result<HttpResponse, ApiError> {
    if let Some((status, message)) = refused(request) {
        return Err(ApiError::unreadable(status, message));
    }
    let (whole, method) = (request.uri().path(), request.method());
    let path = whole.strip_prefix(settings.prefix.as_str());
    if let Some(response) = health_of(app, method, path.unwrap_or(whole)).await {
        return Ok(response);
    }
    if let Some(response) = before_login::redirection(settings, request) {
        return Ok(response);
    }
    let Some(path) = path else {
        return Err(ApiError::from(route::RouteError::NotFound));
    };
    if let Some(response) = before_login::preflight(app, settings, request, path) {
        return Ok(response);
    }
    if matches!(path, "" | "/") && is_read(method) {
        return Ok(HttpResponse::Ok().finish());
    }
    if let Some(endpoint) = tokens::endpoint(&app.access, path) {
        return tokens::respond(
            endpoint,
            &app.access,
            request,
            payload,
            origin.client,
            settings.body_timeout,
            sender,
        )
        .await;
    }
    if !app.health.is_healthy() {
        return Err(ApiError::unhealthy());
    }
    *sender = authenticate(app, settings, origin, request).await?;
    let route = route::route(&for_router(method), path, request.uri().query())?;
    let context = RequestContext {
        app,
        settings,
        request,
        origin,
        principal: sender,
    };
    context.require(&route)?;
    if settings.is_behind_own_proxy() && request.headers().contains_key(CHECK) {
        return Ok(HttpResponse::NoContent().finish());
    }
    dispatch(&context, route, payload).await
}

/// Who asks, by the Authorization header; whoever is refused is told how to log in.
async fn authenticate(
    app: &App,
    settings: &HttpSettings,
    origin: &RequestOrigin,
    request: &HttpRequest,
) -> Result<Principal, ApiError> {
    let authorization = request
        .headers()
        .get(AUTHORIZATION)
        .map(|value| value.to_str().unwrap_or_default());
    app.access
        .authenticate(authorization, origin.client)
        .await
        .map_err(|refusal| {
            let base = format!("{}{}", origin.realm_base, settings.prefix);
            ApiError::refused(refusal, |error: ChallengeError| app.access.challenge(&[], &base, error))
        })
}

async fn dispatch(context: &RequestContext<'_>, route: Route, payload: Payload) -> Result<HttpResponse, ApiError> {
    match route {
        Route::Support => Ok(HttpResponse::Ok().json(serde_json::json!({}))),
        Route::Catalog { page } => listings::catalog(context, page.n, page.last.as_deref()).await,
        Route::Tags { repository, page } => listings::tags(context, &repository, page.n, page.last.as_deref()).await,
        Route::GetManifest { repository, reference } => manifests::get(context, &repository, &reference).await,
        Route::PutManifest {
            repository,
            reference,
            tags,
        } => manifests::put(context, &repository, &reference, &tags, payload).await,
        Route::DeleteManifest { repository, reference } => manifests::delete(context, &repository, &reference).await,
        Route::GetBlob { repository, digest } => blobs::get(context, &repository, &digest).await,
        Route::DeleteBlob { repository, digest } => blobs::delete(context, &repository, &digest).await,
        Route::BeginUpload { repository, begin } => match begin {
            BeginUpload { mount: Some(mount), .. } => {
                uploads::mount(context, &repository, &mount.digest, mount.from.as_ref()).await
            }
            BeginUpload {
                digest: Some(digest), ..
            } => uploads::single_post(context, &repository, &digest, payload).await,
            BeginUpload { algorithm, .. } => uploads::begin(context, &repository, algorithm).await,
        },
        Route::UploadStatus { repository, id } => uploads::status(context, &repository, &id).await,
        Route::AppendUpload { repository, id } => uploads::append(context, &repository, &id, payload).await,
        Route::FinishUpload { repository, id, digest } => {
            uploads::finish(context, &repository, &id, &digest, payload).await
        }
        Route::CancelUpload { repository, id } => uploads::cancel(context, &repository, &id).await,
        Route::Referrers {
            repository,
            subject,
            query,
        } => {
            listings::referrers(
                context,
                &repository,
                &subject,
                query.artifact_type.as_deref(),
                query.last.as_ref(),
            )
            .await
        }
    }
}

/// Whether the process lives, and whether it serves: asked without an account, below `http.prefix` and beside it.
async fn health_of(app: &App, method: &Method, path: &str) -> Option<HttpResponse> {
    match path {
        HEALTH_PATH if is_read(method) => Some(HttpResponse::Ok().finish()),
        READY_PATH if is_read(method) => Some(health::ready(app).await),
        _ => None,
    }
}

/// A proxy that is trusted has named the request already.
fn request_id(request: &HttpRequest, trusted: bool) -> String {
    let given = request
        .headers()
        .get(REQUEST_ID)
        .filter(|_| trusted)
        .and_then(|id| id.to_str().ok());
    match given {
        Some(id) if !id.is_empty() && id.len() <= 64 => id.to_owned(),
        Some(_) | None => uuid::Uuid::new_v4().simple().to_string(),
    }
}

fn add_headers(response: &mut HttpResponse, settings: &HttpSettings, sender: &Principal) {
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    for (name, value) in &settings.headers {
        headers.append(name.clone(), value.clone());
    }
    if settings.is_behind_own_proxy()
        && let Some(account) = sender.account()
        && let Ok(account) = HeaderValue::from_str(
            &percent_encoding::utf8_percent_encode(account, percent_encoding::NON_ALPHANUMERIC).to_string(),
        )
    {
        headers.insert(USER, account);
    }
}

fn log_access(
    request: &HttpRequest,
    response: &HttpResponse,
    origin: &RequestOrigin,
    sender: &Principal,
    began: Instant,
) {
    let (method, path, status) = (request.method(), request.uri().path(), response.status().as_u16());
    let bytes = match response.body().size() {
        actix_web::body::BodySize::Sized(bytes) => bytes,
        actix_web::body::BodySize::None | actix_web::body::BodySize::Stream => 0,
    };
    tracing::info!(
        target: "access",
        client = %origin.client,
        user = sender.account().unwrap_or("-"),
        %method,
        path,
        status,
        bytes,
        duration_ms = began.elapsed().as_millis() as u64,
        "{method} {path} {status}"
    );
}
