//! The authority's certificate, for whoever does not trust it yet.

use bytes::Bytes;
use http::Method;
use lockgate_certs::trust::CERTIFICATE_URL_PATH;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

use crate::request::context::RequestContext;
use crate::request::error::ErrorCode;
use crate::request::error_response;
use crate::request::settings::ProxySettings;

/// Answers a request for the certificate, where there is an authority. Returns whether it was one.
pub(crate) async fn answer(session: &mut Session, request: &mut RequestContext) -> Result<bool> {
    let settings = request.settings.clone();
    let header = session.req_header();
    let Some(authority) = settings
        .authority
        .as_ref()
        .filter(|_| header.uri.path() == CERTIFICATE_URL_PATH && matches!(header.method, Method::GET | Method::HEAD))
    else {
        return Ok(false);
    };
    match std::fs::read(authority) {
        Ok(certificate) => send(session, &settings, certificate.into()).await?,
        Err(error) => {
            tracing::error!(path = %authority.display(), %error, "the authority's certificate cannot be read");
            request.answer_error(session, ErrorCode::CertificateUnreadable).await?;
        }
    }
    Ok(true)
}

async fn send(session: &mut Session, settings: &ProxySettings, certificate: Bytes) -> Result<()> {
    let mut header = ResponseHeader::build(200, Some(4))?;
    header.insert_header("Content-Type", "application/x-pem-file")?;
    header.insert_header("Content-Length", certificate.len())?;
    settings.add_headers(&mut header)?;
    error_response::send(session, header, certificate).await
}
