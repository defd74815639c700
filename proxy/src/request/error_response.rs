//! How an error answer of the proxy is written, in the registry's own form.

use bytes::Bytes;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

use crate::request::error::ProxyError;
use crate::request::limits::RETRY_AFTER;
use crate::request::settings::ProxySettings;

/// The whole answer to a request that Pingora never saw; the connection ends with it.
pub(crate) fn to_http1(error: &ProxyError) -> Vec<u8> {
    let fields = "content-type: application/json\r\ndocker-distribution-api-version: registry/2.0\r\n";
    whole(error.status(), fields, &json(error))
}

/// The same for who is no client of the registry: the message alone.
pub(crate) fn to_http1_text(error: &ProxyError) -> Vec<u8> {
    let fields = "content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n";
    whole(error.status(), fields, format!("{}\n", error.message()).as_bytes())
}

fn whole(status: u16, fields: &str, body: &[u8]) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let mut answer = format!(
        "HTTP/1.1 {status} {}\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n",
        reason.unwrap_or("Error"),
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn json(error: &ProxyError) -> Bytes {
    let body = serde_json::json!({"errors": [{"code": error.spec_code(), "message": error.message()}]});
    Bytes::from(body.to_string())
}

/// Sends the answer to a request that Pingora has read.
pub(crate) async fn send_error(session: &mut Session, error: &ProxyError, settings: &ProxySettings) -> Result<()> {
    let body = json(error);
    let mut header = ResponseHeader::build(error.status(), Some(8))?;
    header.insert_header("Content-Type", "application/json")?;
    header.insert_header("Content-Length", body.len())?;
    header.insert_header("Docker-Distribution-Api-Version", "registry/2.0")?;
    header.insert_header("X-Content-Type-Options", "nosniff")?;
    if error.status() == 503 {
        header.insert_header("Retry-After", RETRY_AFTER)?;
    }
    settings.add_headers(&mut header)?;
    send(session, header, body).await
}

/// Sends a whole answer with a short body; none with HEAD.
pub(crate) async fn send(session: &mut Session, header: ResponseHeader, body: Bytes) -> Result<()> {
    let is_head = session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(header), is_head).await?;
    let body = if is_head { Bytes::new() } else { body };
    session.write_response_body(Some(body), true).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::error::ErrorCode;

    #[test]
    fn the_whole_answer_is_well_formed() {
        let error = ProxyError::new(ErrorCode::HeadTooLarge, "too \"large\"");
        let answer = String::from_utf8(to_http1(&error)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"),
            "{head}"
        );
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["errors"][0]["code"], "UNSUPPORTED");
        assert_eq!(body["errors"][0]["message"], "too \"large\"");
    }
}
