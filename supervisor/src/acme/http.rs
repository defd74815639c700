//! HTTPS to the ACME server, with a bound on each request.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;

use super::error_chain::explain;
use super::roots::roots;

/// One request and the head of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// RFC 8555 section 6.1 wants to know who asks.
const USER_AGENT_VALUE: HeaderValue =
    HeaderValue::from_static(concat!("lockgate/", env!("CARGO_PKG_VERSION"), " instant-acme"));

/// The client of one order.
#[derive(Clone)]
pub(super) struct AcmeHttpClient {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    /// What the last refusal said.
    retry_after: Arc<Mutex<Option<SystemTime>>>,
}

impl AcmeHttpClient {
    /// Trusts the system's authorities.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let tls = ClientConfig::builder_with_provider(lockgate_certs::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots())
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            retry_after: Arc::default(),
        })
    }

    /// When the server wants to be asked again, if it refused something and said so (RFC 8555 section 6.6).
    pub(super) fn retry_after(&self) -> Option<SystemTime> {
        *self.retry_after.lock().expect("no code panics while it holds the lock")
    }
}

impl HttpClient for AcmeHttpClient {
    fn request(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        request.headers_mut().insert(USER_AGENT, USER_AGENT_VALUE);
        let uri = request.uri().clone();
        let (asked, told) = (self.client.request(request), self.retry_after.clone());
        Box::pin(async move {
            let answer = tokio::time::timeout(REQUEST_TIMEOUT, asked)
                .await
                .map_err(|_| other(format!("{uri}: no answer within {} s", REQUEST_TIMEOUT.as_secs())))?
                .map_err(|error| other(format!("{uri}: {}", explain(&error))))?;
            if !answer.status().is_success() {
                *told.lock().expect("no code panics while it holds the lock") =
                    retry_after(answer.headers(), SystemTime::now());
            }
            Ok(BytesResponse::from(answer))
        })
    }
}

fn other(text: String) -> Error {
    Error::Other(text.into())
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<SystemTime> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => now.checked_add(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_when_in_seconds_or_by_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_000);
        let told = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            retry_after(&headers, now)
        };
        assert_eq!(told("120"), Some(now + Duration::from_secs(120)));
        assert_eq!(
            told("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(now + Duration::from_secs(777))
        );
        assert_eq!(told("soon"), None);
        assert_eq!(told("99999999999999999999"), None);
    }
}
