//! `auth.token` and `auth.issuer`: who issues tokens.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use crate::raw::nearest;

/// `auth.token`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalTokens {
    /// `realm`: the URL of the token server.
    pub realm: String,
    /// `service`
    pub service: String,
    /// `issuer`
    pub issuer: String,
    /// `rootcertbundle`; this or `jwks` is set.
    pub root_cert_bundle: Option<PathBuf>,
    /// `jwks`
    pub jwks: Option<PathBuf>,
    /// `signingalgorithms`; empty = distribution's default set.
    pub signing_algorithms: Vec<String>,
    /// `autoredirect`
    pub auto_redirect: bool,
    /// `autoredirectpath`; `/auth/token` unless set.
    pub auto_redirect_path: String,
}

/// `auth.issuer` (extension)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// `issuer`: the `iss` claim; `lockgate` unless set.
    pub issuer: String,
    /// `service`: the `aud` claim; `lockgate` unless set.
    pub service: String,
    /// `realm`: a fixed URL; `None` = derived from the request.
    pub realm: Option<String>,
    /// `path`: where tokens are issued; `/auth/token` unless set.
    pub path: String,
    /// `expiration`; 300 s unless set, 60 s at least.
    pub expiration: Duration,
    /// `key`: EC P-256 private key, PEM; made at set-up. `auth/token.key` unless set.
    pub key: PathBuf,
}

const TOKEN_PATH: &str = "/auth/token";

const EXPIRATION: Duration = Duration::from_secs(300);
/// Clients take less for a clock that is wrong: docker assumes 60 s when told nothing.
const LEAST_EXPIRATION: Duration = Duration::from_secs(60);

impl ExternalTokens {
    pub(super) fn read(token: &Section<'_>) -> Self {
        for name in ["realm", "service", "issuer"] {
            token.missing(name, "expected realm, service and issuer, as the token server has them");
        }
        token.missing_one_of(
            ["rootcertbundle", "jwks"],
            "expected this or jwks: what tokens are verified with",
        );
        Self {
            realm: token.text("realm").unwrap_or_default(),
            service: token.text("service").unwrap_or_default(),
            issuer: token.text("issuer").unwrap_or_default(),
            root_cert_bundle: token.path("rootcertbundle"),
            jwks: token.path("jwks"),
            signing_algorithms: token.parse_each("signingalgorithms", algorithm),
            auto_redirect: token.flag("autoredirect").unwrap_or(false),
            auto_redirect_path: path(token, "autoredirectpath"),
        }
    }
}

impl Issuer {
    pub(super) fn read(issuer: &Section<'_>) -> Self {
        let expiration = issuer.duration("expiration").unwrap_or(EXPIRATION);
        if expiration < LEAST_EXPIRATION {
            issuer.mistake(
                "expiration",
                "expected at least 60s, with its unit: clients cannot use a token that is shorter-lived",
            );
        }
        Self {
            issuer: issuer.text("issuer").unwrap_or_else(|| "lockgate".into()),
            service: issuer.text("service").unwrap_or_else(|| "lockgate".into()),
            realm: issuer.parse_with("realm", |realm| {
                match realm.starts_with("https://") || realm.starts_with("http://") {
                    true => Ok(realm.to_owned()),
                    false => Err("expected the whole URL that clients ask for tokens at, such as https://registry.example.com/auth/token"),
                }
            }),
            path: path(issuer, "path"),
            expiration,
            key: issuer.path("key").unwrap_or_else(|| issuer.absolute("auth/token.key")),
        }
    }
}

/// A path of this server that is not the registry's.
fn path(section: &Section<'_>, name: &str) -> String {
    let path = section.parse_with(name, |path| {
        let plain = path
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"'));
        match path.starts_with('/') && plain && path != "/" && path != "/v2" && !path.starts_with("/v2/") {
            true => Ok(path.to_owned()),
            false => Err("expected a path that starts with / and is not below /v2/, such as /auth/token"),
        }
    });
    path.unwrap_or_else(|| TOKEN_PATH.into())
}

/// The algorithms that distribution knows.
const ALGORITHMS: [&str; 13] = [
    "EdDSA", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
];

fn algorithm(name: &str) -> Result<String, String> {
    if ALGORITHMS.contains(&name) {
        return Ok(name.to_owned());
    }
    let near = nearest(name, ALGORITHMS)
        .map(|near| format!(", such as {near}"))
        .unwrap_or_default();
    Err(format!("expected a signing algorithm that exists{near}"))
}
