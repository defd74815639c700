//! `http`

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::address::Address;
use super::limits::Limits;
use super::network::Network;
use super::public_url::PublicUrl;
use super::secret::Secret;
use super::section::Section;
use super::sni_name::sni_name;
use super::tls::Tls;

/// `http`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// `http.addr`: the address that clients reach; `:5000` unless set.
    pub addr: Address,
    /// `http.prefix`, starts and ends with `/`; `/` unless set.
    pub prefix: String,
    /// `http.host`: the public URL, wins over every header.
    pub host: Option<PublicUrl>,
    /// `http.secret`: signs upload state across replicas.
    pub secret: Option<Secret>,
    /// `http.relativeurls`
    pub relative_urls: bool,
    /// `http.draintimeout`; 0 in the file means the default, 30 s.
    pub drain_timeout: Duration,
    /// `http.handovertimeout` (extension): how long processes that were replaced may finish what they have; 1 h.
    pub hand_over_timeout: Duration,
    /// `http.tls`; `None` = plain HTTP.
    pub tls: Option<Tls>,
    /// `http.headers`: added to each answer.
    pub headers: HeaderMap,
    /// `http.debug`
    pub debug: Option<DebugServer>,
    /// `http.http2.disabled` negated.
    pub http2: bool,
    /// `http.trustedproxies` (extension): whose forwarded headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// `http.accel` (extension): nginx's internal location for `X-Accel-Redirect`, starts and ends with `/`.
    pub accel: Option<String>,
    /// `http.redirecthttps` (extension): a plain listener that answers 301.
    pub redirect_https: Option<Address>,
    /// `http.aliases` (extension): further host names with a certificate of their own, by SNI.
    pub aliases: Vec<Alias>,
    /// `http.docroot` (extension): files served beside `/v2/`.
    pub docroot: Option<PathBuf>,
    /// `http.limits` (extension)
    pub limits: Limits,
}

/// One entry of `http.aliases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// `name`: the SNI name; `*.example.com` covers one label.
    pub name: String,
    /// `certificate`
    pub certificate: PathBuf,
    /// `key`
    pub key: PathBuf,
}

/// `http.debug`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugServer {
    /// `http.debug.addr`
    pub addr: Address,
    /// `http.debug.prometheus.path` when enabled; `/metrics` unless set.
    pub prometheus: Option<String>,
}

/// Nobody waits for them, and a layer of many gigabytes over a thin line takes its time.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(60 * 60);

impl Http {
    /// `draintimeout` unless it is set.
    pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

    pub(crate) fn read(http: &Section<'_>) -> Self {
        let addr = address(http, "addr").unwrap_or(Address::Tcp {
            host: String::new(),
            port: 5000,
        });
        let host: Option<PublicUrl> = http.parse("host");
        let tls = Tls::read(&http.section("tls"), host.as_ref().map(|url| url.host.as_str()));
        let read = Self {
            prefix: http.parse_with("prefix", prefix).unwrap_or_else(|| "/".into()),
            host,
            secret: http.text("secret").map(Secret::new),
            relative_urls: http.flag("relativeurls").unwrap_or(false),
            drain_timeout: http
                .duration("draintimeout")
                .filter(|time| !time.is_zero())
                .unwrap_or(Self::DEFAULT_DRAIN_TIMEOUT),
            hand_over_timeout: http.duration("handovertimeout").unwrap_or(HAND_OVER_TIMEOUT),
            headers: headers(http),
            debug: DebugServer::read(&http.section("debug")),
            http2: !http.section("http2").flag("disabled").unwrap_or(false),
            trusted_proxies: http.parse_each("trustedproxies", str::parse),
            accel: http.parse_with("accel", accel),
            redirect_https: http.parse("redirecthttps").map(|address| absolute(http, address)),
            aliases: aliases(http),
            docroot: http.path("docroot"),
            limits: Limits::read(&http.section("limits")),
            tls,
            addr,
        };
        read.check(http);
        read
    }

    /// What fits each for itself and not together.
    fn check(&self, http: &Section<'_>) {
        if self.tls.is_none() && !http.section("tls").is_set() {
            for name in ["redirecthttps", "aliases"] {
                if http.has(name) {
                    http.mistake(name, "expected http.tls besides, which it is for");
                }
            }
        }
        if self.trusted_proxies.iter().any(|network| network.prefix() == 0) {
            http.warning(
                "trustedproxies",
                "holds every address: whoever reaches the registry may say that they are another client; list the \
                 proxies alone, such as 172.18.0.0/16",
            );
        }
        if self
            .redirect_https
            .as_ref()
            .is_some_and(|address| address.collides_with(&self.addr))
        {
            http.mistake("redirecthttps", "expected another address than http.addr");
        }
        if let Some(debug) = &self.debug {
            let others = [Some(&self.addr), self.redirect_https.as_ref()];
            if others
                .into_iter()
                .flatten()
                .any(|other| debug.addr.collides_with(other))
            {
                http.section("debug").mistake(
                    "addr",
                    "expected an address that clients do not reach, other than http.addr",
                );
            }
        }
    }
}

impl DebugServer {
    fn read(debug: &Section<'_>) -> Option<Self> {
        let prometheus = debug.section("prometheus");
        let path = prometheus.parse_with("path", |path| match path.starts_with('/') {
            true => Ok(path.to_owned()),
            false => Err("expected a path that starts with /, such as /metrics"),
        });
        let enabled = prometheus.flag("enabled").unwrap_or(false);
        if enabled && !debug.has("addr") {
            prometheus.warning("enabled", "without effect: http.debug.addr is not set");
        }
        let addr = absolute(debug, debug.parse("addr")?);
        if !addr.is_loopback() {
            debug.warning(
                "addr",
                "other machines can reach it, and it asks nobody for a password; 127.0.0.1 keeps it to this one",
            );
        }
        Some(Self {
            addr,
            prometheus: enabled.then(|| path.unwrap_or_else(|| "/metrics".into())),
        })
    }
}

/// `http.addr`, read by `http.net`.
fn address(http: &Section<'_>, name: &str) -> Option<Address> {
    let address = match http.text("net").as_deref() {
        None | Some("tcp") => http.parse(name),
        Some("unix") => {
            http.missing(name, "expected the path of the socket, which http.net: unix speaks of");
            http.text(name)
                .map(|text| Address::Unix(text.strip_prefix("unix:").unwrap_or(&text).into()))
        }
        Some(_) => {
            http.mistake("net", "expected tcp or unix");
            None
        }
    };
    address.map(|address| absolute(http, address))
}

/// A socket's path as seen from the configuration file.
fn absolute(section: &Section<'_>, address: Address) -> Address {
    match address {
        Address::Unix(path) => Address::Unix(section.absolute(path)),
        tcp @ Address::Tcp { .. } => tcp,
    }
}

fn prefix(text: &str) -> Result<String, &'static str> {
    match text.starts_with('/') && text.ends_with('/') && is_plain_path(text) {
        true => Ok(text.to_owned()),
        false => Err("expected a path that starts and ends with /, such as /registry/"),
    }
}

/// Given its `/` at the end when that is missing.
fn accel(text: &str) -> Result<String, &'static str> {
    match text.starts_with('/') && is_plain_path(text) {
        true => Ok(format!("{}/", text.trim_end_matches('/'))),
        false => Err("expected the path of nginx's internal location, which starts with /, such as /blobs/"),
    }
}

fn is_plain_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | '\\' | '"');
    text.chars().all(plain) && !text.contains("//") && text.split('/').all(|part| part != "..")
}

fn aliases(http: &Section<'_>) -> Vec<Alias> {
    let mut aliases: Vec<Alias> = Vec::new();
    for item in http.items("aliases") {
        for name in ["name", "certificate", "key"] {
            item.missing(name, "expected name, certificate and key");
        }
        let (name, certificate, key) = (
            item.parse_with("name", sni_name),
            item.path("certificate"),
            item.path("key"),
        );
        let (Some(name), Some(certificate), Some(key)) = (name, certificate, key) else {
            continue;
        };
        if aliases.iter().any(|alias| alias.name == name) {
            item.mistake("name", "expected each name once");
        }
        aliases.push(Alias { name, certificate, key });
    }
    aliases
}

/// Headers that frame a message are the server's own (RFC 9110 section 7.6.1, RFC 9112 section 6).
const FRAMING: [&str; 7] = [
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn headers(http: &Section<'_>) -> HeaderMap {
    let section = http.section("headers");
    let mut headers = HeaderMap::new();
    for (name, values) in http.lists_by_name("headers") {
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            section.mistake(&name, "expected the name of a header: letters, digits and dashes");
            continue;
        };
        if FRAMING.contains(&header.as_str()) {
            section.mistake(
                &name,
                "expected another header: this one is set by the server for each answer",
            );
        }
        let values: Option<Vec<_>> = values.iter().map(|value| header_value(value)).collect();
        match values {
            Some(values) => values.into_iter().for_each(|value| {
                headers.append(&header, value);
            }),
            None => section.mistake(&name, "expected a value without line breaks and control characters"),
        }
    }
    headers
}

/// Text in any language may stand there: it is sent as UTF-8.
fn header_value(value: &str) -> Option<HeaderValue> {
    let is_plain = !value.chars().any(char::is_control);
    HeaderValue::from_str(value).ok().filter(|_| is_plain)
}
