//! `http.tls`

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::section::Section;
use super::sni_name::sni_name;
use crate::raw::nearest;

/// `http.tls`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where the certificate comes from.
    pub certificate: CertificateSource,
    /// `http.tls.minimumtls`; TLS 1.2 unless set. Older ones are refused.
    pub minimum: TlsVersion,
    /// `http.tls.clientcas`: bundles that client certificates are verified against.
    pub client_cas: Vec<PathBuf>,
    /// `http.tls.clientauth`; with `clientcas`, certificates are required unless it says otherwise.
    pub client_auth: ClientAuth,
}

/// Where the proxy's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// `http.tls.certificate` (may hold the chain) and `http.tls.key`.
    Files {
        /// A PEM file with the leaf, then its intermediates.
        certificate: PathBuf,
        /// A PEM file with the leaf's private key.
        key: PathBuf,
    },
    /// `http.tls.auto` (extension): own CA, the leaf below `<home>/tls`.
    Auto {
        /// `http.tls.auto.hostnames`: names besides the machine's own.
        hostnames: Vec<String>,
    },
    /// `http.tls.letsencrypt`
    Acme(Acme),
}

/// `http.tls.letsencrypt`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// `cachefile`
    pub cache_file: PathBuf,
    /// `email`; empty when it is not set.
    pub email: String,
    /// `hosts`, at least one.
    pub hosts: Vec<String>,
    /// `directoryurl`; Let's Encrypt's production directory unless set.
    pub directory_url: Option<String>,
}

impl Acme {
    /// The directory to order from (RFC 8555 section 7.1.1).
    pub fn directory(&self) -> &str {
        self.directory_url.as_deref().unwrap_or(LETS_ENCRYPT)
    }
}

/// Let's Encrypt's production directory.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// A TLS protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// `http.tls.clientauth`, Go's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Clients are not asked for a certificate.
    None,
    /// `verify-client-cert-if-given`
    VerifyIfGiven,
    /// `require-and-verify-client-cert`
    RequireAndVerify,
}

impl Tls {
    /// What to order, when certificates are ordered.
    pub fn acme(&self) -> Option<&Acme> {
        match &self.certificate {
            CertificateSource::Acme(acme) => Some(acme),
            CertificateSource::Auto { .. } | CertificateSource::Files { .. } => None,
        }
    }

    /// `None` when no certificate is spoken of.
    /// `host`: the host that clients use, from `http.host`.
    pub(crate) fn read(tls: &Section<'_>, host: Option<&str>) -> Option<Self> {
        let minimum = tls.parse_with("minimumtls", version).unwrap_or(TlsVersion::Tls12);
        let client_cas: Vec<_> = tls
            .texts("clientcas")
            .unwrap_or_default()
            .iter()
            .map(|ca| tls.absolute(ca))
            .collect();
        let client_auth = client_auth(tls, !client_cas.is_empty());
        ciphers(tls);
        let certificate = CertificateSource::read(tls, host);
        if certificate.is_none() && !tls.has("certificate") && !tls.has("key") {
            if client_cas.is_empty() {
                for name in ["minimumtls", "clientauth", "ciphersuites"]
                    .iter()
                    .filter(|name| tls.has(name))
                {
                    tls.warning(name, "without effect: there is no certificate, so plain HTTP is spoken");
                }
            } else {
                tls.mistake(
                    "clientcas",
                    "expected a certificate besides: without TLS, nobody's certificate is verified",
                );
            }
        }
        Some(Self {
            certificate: certificate?,
            minimum,
            client_cas,
            client_auth,
        })
    }
}

impl CertificateSource {
    fn read(tls: &Section<'_>, host: Option<&str>) -> Option<Self> {
        for (one, other) in [("certificate", "key"), ("key", "certificate")] {
            if tls.has(one) {
                tls.missing(other, &format!("expected besides http.tls.{one}"));
            }
        }
        let auto = tls.switch("auto");
        let acme = tls.section("letsencrypt");
        if auto && tls.has("certificate") {
            tls.mistake(
                "auto",
                "expected either this or http.tls.certificate: remove http.tls.auto to use the files, or \
                 http.tls.certificate and http.tls.key to have a certificate made",
            );
        }
        if acme.is_set() && (auto || tls.has("certificate")) {
            let other = if auto { "http.tls.auto" } else { "http.tls.certificate" };
            tls.mistake(
                "letsencrypt",
                &format!("expected either this or {other}: remove one of the two"),
            );
        }
        if let (Some(certificate), Some(key)) = (tls.path("certificate"), tls.path("key")) {
            return Some(Self::Files { certificate, key });
        }
        if auto {
            return Some(Self::Auto {
                hostnames: tls.section("auto").parse_each("hostnames", certificate_name),
            });
        }
        if acme.is_set() {
            Acme::read(&acme, host).map(Self::Acme)
        } else {
            None
        }
    }
}

impl Acme {
    fn read(acme: &Section<'_>, host: Option<&str>) -> Option<Self> {
        acme.missing("cachefile", "expected where certificates and the account are kept");
        let directory_url = acme.parse_with("directoryurl", |url| match url.starts_with("https://") {
            true => Ok(url.to_owned()),
            false => Err("expected the https:// URL of an ACME directory"),
        });
        let is_public = !acme.has("directoryurl");
        let mut hosts = acme.parse_each("hosts", |host| acme_name(host, is_public));
        if !acme.has("hosts") {
            match host.map(|host| (host, acme_name(host, is_public))) {
                // Clients check the certificate against this name, so it is one of those that are wanted.
                Some((_, Ok(host))) => hosts.push(host),
                Some((host, Err(expected))) => acme.missing(
                    "hosts",
                    &format!("expected the host names to get certificates for; http.host = {host} is none: {expected}"),
                ),
                None => acme.missing("hosts", "expected the host names to get certificates for, or http.host"),
            }
        }
        let mut seen = BTreeSet::new();
        hosts.retain(|host| seen.insert(host.clone()));
        if acme.has("hosts") && acme.texts("hosts").is_some_and(|hosts| hosts.is_empty()) {
            acme.mistake("hosts", "expected one host name at least");
        }
        if hosts.len() > MOST_HOSTS {
            acme.mistake(
                "hosts",
                "expected at most 100 names, which is what one certificate may hold",
            );
        }
        Some(Self {
            cache_file: acme.path("cachefile")?,
            email: acme.text("email").unwrap_or_default(),
            hosts,
            directory_url,
        })
    }
}

/// What one certificate of Let's Encrypt may hold.
const MOST_HOSTS: usize = 100;

/// A name that can be proven by HTTP-01 or TLS-ALPN-01; `is_public`: to an authority that the world trusts.
fn acme_name(text: &str, is_public: bool) -> Result<String, &'static str> {
    let name = sni_name(text)?;
    let last = name.rsplit('.').next().unwrap_or_default();
    if name.starts_with('*') {
        return Err("expected a full host name: a wildcard needs a DNS challenge, which is not offered");
    }
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Err("expected a host name: certificates for addresses are not ordered");
    }
    if last == "localhost" {
        return Err("expected a host name that leads here from elsewhere");
    }
    // RFC 6761, RFC 6762, RFC 8375, RFC 9476 and what ICANN keeps for private use: nobody else can look these up.
    let private = [
        "test", "invalid", "example", "local", "internal", "lan", "home", "corp", "alt", "onion",
    ];
    if is_public && (!name.contains('.') || private.contains(&last) || name.ends_with(".home.arpa")) {
        return Err("expected a name of the public DNS: Let's Encrypt certifies no other (directoryurl may)");
    }
    Ok(name)
}

/// A name for a certificate of one's own: a host name, a wildcard, or an address.
fn certificate_name(text: &str) -> Result<String, &'static str> {
    match text.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => sni_name(text),
    }
}

fn version(text: &str) -> Result<TlsVersion, &'static str> {
    match text {
        "tls1.2" => Ok(TlsVersion::Tls12),
        "tls1.3" => Ok(TlsVersion::Tls13),
        "tls1.0" | "tls1.1" => Err("expected tls1.2 or tls1.3: older versions are broken (RFC 8996) and not spoken"),
        _ => Err("expected tls1.2 or tls1.3"),
    }
}

fn client_auth(tls: &Section<'_>, has_cas: bool) -> ClientAuth {
    let mode = tls.text("clientauth");
    match mode.as_deref() {
        None if has_cas => ClientAuth::RequireAndVerify,
        None => ClientAuth::None,
        Some("verify-client-cert-if-given" | "require-and-verify-client-cert") if !has_cas => {
            tls.warning(
                "clientauth",
                "without effect, as in distribution: http.tls.clientcas is not set",
            );
            ClientAuth::None
        }
        Some("verify-client-cert-if-given") => ClientAuth::VerifyIfGiven,
        Some("require-and-verify-client-cert") => ClientAuth::RequireAndVerify,
        Some("request-client-cert") => {
            tls.warning(
                "clientauth",
                "without effect: a certificate that nobody verifies is not asked for",
            );
            ClientAuth::None
        }
        Some("require-any-client-cert") => {
            tls.mistake(
                "clientauth",
                "expected require-and-verify-client-cert: any certificate would do here, which keeps nobody out",
            );
            ClientAuth::None
        }
        Some(_) => {
            tls.mistake(
                "clientauth",
                "expected verify-client-cert-if-given or require-and-verify-client-cert",
            );
            ClientAuth::None
        }
    }
}

/// All that the proxy speaks: the forward-secret AEAD suites, which are also distribution's default list.
const OFFERED: [&str; 9] = [
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_256_GCM_SHA384",
];

/// The other suites that distribution knows: CBC, static RSA, RC4.
const LEGACY: [&str; 16] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

/// Names are checked; the proxy's own list stays as it is, since narrowing it protects nobody.
fn ciphers(tls: &Section<'_>) {
    let Some(suites) = tls.texts("ciphersuites").filter(|suites| !suites.is_empty()) else {
        return;
    };
    for (index, suite) in suites.iter().enumerate() {
        if !OFFERED.contains(&suite.as_str()) && !LEGACY.contains(&suite.as_str()) {
            let near = nearest(suite, OFFERED).unwrap_or(OFFERED[0]);
            tls.mistake_at(
                "ciphersuites",
                index,
                suite,
                &format!("expected a suite that exists, such as {near}"),
            );
        }
    }
    if suites.iter().all(|suite| LEGACY.contains(&suite.as_str())) {
        tls.mistake(
            "ciphersuites",
            &format!(
                "expected a suite with forward secrecy, such as {}: these are not spoken",
                OFFERED[0]
            ),
        );
    } else {
        tls.warning(
            "ciphersuites",
            "without effect: the suites of distribution's default list are offered, all of them safe",
        );
    }
}
