//! Answers that need no login: redirections to the path that is meant, and preflights of browsers.

use actix_web::http::Method;
use actix_web::http::header::{ACCESS_CONTROL_REQUEST_METHOD, LOCATION, ORIGIN};
use actix_web::{HttpRequest, HttpResponse};

use super::context::app::App;
use super::context::settings::HttpSettings;
use super::handlers::tokens;
use super::method::is_read;
use super::routing::route;

/// 301 for a path with odd slashes to the endpoint that is meant, as distribution answers. Always to a path, so never to
/// another host.
pub(crate) fn redirection(settings: &HttpSettings, request: &HttpRequest) -> Option<HttpResponse> {
    let whole = request.uri().path();
    let may_be_odd = whole.contains("//") || whole.ends_with('/');
    if !may_be_odd || !is_read(request.method()) {
        return None;
    }
    let single = route::single_slashes(whole);
    let path = route::clean(single.strip_prefix(settings.prefix.as_str())?)?;
    let mut location = format!("{}{path}", settings.prefix);
    if location == whole {
        return None;
    }
    if let Some(query) = request.uri().query() {
        location.push('?');
        location.push_str(query);
    }
    Some(
        HttpResponse::MovedPermanently()
            .insert_header((LOCATION, location))
            .finish(),
    )
}

/// 204 for a browser that asks whether a page of another origin may send what it wants to (the Fetch standard's
/// "CORS-preflight request"); the configured headers, which are on every answer, say so.
pub(crate) fn preflight(app: &App, settings: &HttpSettings, request: &HttpRequest, path: &str) -> Option<HttpResponse> {
    let headers = request.headers();
    let is_preflight = settings.cors
        && request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let is_served = || path == "/v2" || path.starts_with("/v2/") || tokens::endpoint(&app.access, path).is_some();
    (is_preflight && is_served()).then(|| HttpResponse::NoContent().finish())
}
