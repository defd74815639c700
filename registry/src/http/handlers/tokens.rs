//! The token server: distribution's token specification ("token.md", "oauth.md"), and the keys to verify with (RFC 7517).

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::request_body;
use crate::auth::{AccessController, Principal, TokenRequest};
use crate::http::error::ApiError;

/// A form with fifty scopes of the longest names fits.
const MAX_FORM_SIZE: u64 = 64 * 1024;

/// What is at `path`, when tokens are issued there.
pub(crate) enum TokenEndpoint {
    /// `auth.issuer.path`
    Token,
    /// Beside it, `jwks`.
    Keys,
}

/// Whether the token server answers at `path`.
pub(crate) fn endpoint(access: &AccessController, path: &str) -> Option<TokenEndpoint> {
    let tokens = access.token_path()?;
    let beside = tokens.rsplit_once('/').map_or("", |(directory, _)| directory);
    match path {
        path if path == tokens => Some(TokenEndpoint::Token),
        path if path.strip_prefix(beside) == Some("/jwks") => Some(TokenEndpoint::Keys),
        _ => None,
    }
}
pub(crate) async fn respond(
    endpoint: TokenEndpoint,
    access: &AccessController,
    request: &HttpRequest,
    payload: Payload,
    client: IpAddr,
    within: Duration,
    sender: &mut Principal,
) -> Result<HttpResponse, ApiError> {
    let query = request.uri().query().unwrap_or_default();
    let authorization = request
        .headers()
        .get(AUTHORIZATION)
        .map(|value| value.to_str().unwrap_or_default());
    let token_request = match (endpoint, request.method()) {
        (TokenEndpoint::Keys, &Method::GET | &Method::HEAD) => return Ok(json(access.jwks().unwrap_or_default())),
        (TokenEndpoint::Token, &Method::GET) => TokenRequest::from_query(query),
        (TokenEndpoint::Token, &Method::POST) => {
            let form = request_body::read_whole(payload, within, check_form_size).await?;
            TokenRequest::from_post(query, &form, authorization.is_some_and(is_basic))
        }
        (TokenEndpoint::Keys, _) => return Ok(not_allowed("GET, HEAD")),
        (TokenEndpoint::Token, _) => return Ok(not_allowed("GET, POST")),
    };
    let refused = |refusal| ApiError::refused(refusal, |_| vec![access.token_challenge()]);
    let token = access
        .token(
            token_request.map_err(|error| refused(error.into()))?,
            authorization,
            client,
        )
        .await
        .map_err(refused)?;
    *sender = token.principal();
    Ok(json(token.to_json()))
}

fn check_form_size(length: u64) -> Result<(), ApiError> {
    match length {
        0..=MAX_FORM_SIZE => Ok(()),
        _ => Err(ApiError::form_too_large(MAX_FORM_SIZE)),
    }
}

fn is_basic(authorization: &str) -> bool {
    authorization
        .split_once(' ')
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
}

/// A token is for one client, and for a short time.
fn json(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body)
}

fn not_allowed(methods: &'static str) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, methods))
        .finish()
}
