//! What the configuration says about HTTP.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use lockgate_admission::{Admission, Bounds, open_file_limit};
use lockgate_config::Config;

use super::origin::TrustedProxies;
use crate::control::Frontend;

/// The `http` section and what else concerns requests; replaced as a whole on reload.
pub(crate) struct HttpSettings {
    pub(crate) proxies: TrustedProxies,
    /// `http.prefix` without its last slash; empty unless set.
    pub(crate) prefix: String,
    pub(crate) delivery: Delivery,
    /// `http.headers`; empty behind Lockgate's proxy, which adds them itself.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// How many requests are served at once; `None` behind Lockgate's proxy, which sees to it.
    pub(crate) admission: Option<Arc<Admission>>,
    /// `http.limits.bodytimeout`
    pub(crate) body_timeout: Duration,
    /// How long the body of an upload may stall; `None` behind Lockgate's proxy, which sees to it.
    pub(crate) stall: Option<Duration>,
    /// Whether pages of other origins are told what they may ask for: `http.headers` has `Access-Control-*`.
    pub(crate) cors: bool,
    /// Whether requests are logged here, one line each. Behind Lockgate's proxy that is the proxy's line.
    pub(crate) access_log: bool,
}

/// How the body of a blob reaches the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Lockgate's proxy streams the file.
    Handoff,
    /// nginx streams the file; the value is its internal location, without the last slash.
    Accel(String),
    /// The registry streams it.
    Stream,
}

impl HttpSettings {
    /// Whether Lockgate's own proxy stands in front: what it asks for in internal headers is done, and it strips them.
    pub(crate) fn is_behind_own_proxy(&self) -> bool {
        self.proxies.frontend == Frontend::Lockgate
    }

    /// These settings, with the requests that are in flight already counted where the bounds are the same.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        if let (Some(new), Some(old)) = (&self.admission, &before.admission)
            && new.bounds() == old.bounds()
        {
            self.admission = Some(old.clone());
        }
        self
    }

    pub(crate) fn new(config: &Config, frontend: Frontend) -> Self {
        let http = &config.http;
        Self {
            proxies: TrustedProxies {
                frontend,
                proxies: http.trusted_proxies.clone(),
                host: http.host.clone(),
                relative_urls: http.relative_urls,
            },
            prefix: http.prefix.trim_end_matches('/').to_owned(),
            delivery: match (frontend, &http.accel) {
                (Frontend::Lockgate, _) => Delivery::Handoff,
                (Frontend::Other, Some(location)) => Delivery::Accel(location.trim_end_matches('/').to_owned()),
                (Frontend::Other, None) => Delivery::Stream,
            },
            headers: if frontend == Frontend::Lockgate {
                Vec::new()
            } else {
                added_headers(config)
            },
            admission: (frontend == Frontend::Other).then(|| Arc::new(Admission::new(bounds(config)))),
            body_timeout: http.limits.body_timeout,
            stall: (frontend == Frontend::Other).then_some(http.limits.idle_timeout),
            cors: http
                .headers
                .keys()
                .any(|name| name.as_str().starts_with("access-control-")),
            access_log: config.log.access && frontend == Frontend::Other,
        }
    }
}

fn bounds(config: &Config) -> Bounds {
    let limits = config.http.limits.within(open_file_limit());
    Bounds {
        requests: limits.max_requests,
        network_requests: limits.max_network_requests,
        wait: limits.request_wait,
        open: config.auth.is_open(),
    }
}

fn added_headers(config: &Config) -> Vec<(HeaderName, HeaderValue)> {
    let name =
        |name: &[u8]| HeaderName::from_bytes(name).expect("a name to one version of the http crate is one to another");
    let value = |value: &[u8]| HeaderValue::from_bytes(value).expect("and so is a value");
    let headers = config.http.headers.iter();
    headers
        .map(|(header, text)| (name(header.as_str().as_bytes()), value(text.as_bytes())))
        .collect()
}
