//! Error answers of the proxy itself, in the registry's own form.
//!
//! The body is the distribution specification's ("Error Codes"): docker shows its message, and a client that knows
//! the codes acts on them.

use bytes::Bytes;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

use crate::request::limits::RETRY_AFTER;
use crate::request::settings::ProxySettings;

/// An answer that is not the registry's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorResponse<'a> {
    /// 4xx or 5xx.
    pub(crate) status: u16,
    /// One of the specification's codes.
    pub(crate) code: &'static str,
    /// What a person can act on.
    pub(crate) message: &'a str,
}

impl<'a> ErrorResponse<'a> {
    /// The answer for `status`, with the code that fits it best.
    pub(crate) fn new(status: u16, message: &'a str) -> Self {
        let code = match status {
            408 | 503 | 504 => "UNAVAILABLE",
            429 => "TOOMANYREQUESTS",
            400..500 => "UNSUPPORTED",
            _ => "UNKNOWN",
        };
        Self { status, code, message }
    }

    fn body(&self) -> Bytes {
        let body = serde_json::json!({"errors": [{"code": self.code, "message": self.message}]});
        Bytes::from(body.to_string())
    }

    /// The whole answer for a request that Pingora never saw; the connection ends with it.
    pub(crate) fn to_http1(self) -> Vec<u8> {
        let fields = "content-type: application/json\r\ndocker-distribution-api-version: registry/2.0\r\n";
        self.whole(fields, &self.body())
    }

    /// The same for who is no client of the registry: the message alone.
    pub(crate) fn to_http1_text(self) -> Vec<u8> {
        let fields = "content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n";
        self.whole(fields, format!("{}\n", self.message).as_bytes())
    }

    fn whole(&self, fields: &str, body: &[u8]) -> Vec<u8> {
        let reason = http::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason());
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n",
            self.status,
            reason.unwrap_or("Error"),
            body.len(),
        )
        .into_bytes();
        answer.extend_from_slice(body);
        answer
    }

    /// Sends the answer.
    pub(crate) async fn send(self, session: &mut Session, settings: &ProxySettings) -> Result<()> {
        let body = self.body();
        let mut header = ResponseHeader::build(self.status, Some(8))?;
        header.insert_header("Content-Type", "application/json")?;
        header.insert_header("Content-Length", body.len())?;
        header.insert_header("Docker-Distribution-Api-Version", "registry/2.0")?;
        header.insert_header("X-Content-Type-Options", "nosniff")?;
        if self.status == 503 {
            header.insert_header("Retry-After", RETRY_AFTER)?;
        }
        settings.add_headers(&mut header)?;
        send(session, header, body).await
    }
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

    #[test]
    fn the_whole_answer_is_well_formed() {
        let answer = String::from_utf8(ErrorResponse::new(431, "too \"large\"").to_http1()).unwrap();
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
