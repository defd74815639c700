//! The rustls configuration of a server: TLS 1.2 and 1.3 on aws-lc-rs, with resumption.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ResolvesServerCert, ServerSessionMemoryCache, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::x509::load::{self, LoadError};
use crate::x509::provider;

/// Sessions kept for clients that resume by session id instead of by ticket; a few hundred bytes each.
const SESSION_CACHE: usize = 1024;

/// What the proxy asks of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The versions that are spoken.
    pub versions: &'static [&'static SupportedProtocolVersion],
    /// Whether clients show certificates of their own.
    pub client_auth: ClientVerification,
    /// Whether ALPN offers `h2` before `http/1.1`.
    pub http2: bool,
}

/// TLS 1.2 and 1.3.
pub const TLS12_AND_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
/// TLS 1.3 alone.
pub const TLS13_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

impl Default for ServerOptions {
    /// TLS 1.2 and 1.3 for clients without certificates, and HTTP/1.1.
    fn default() -> Self {
        Self {
            versions: TLS12_AND_13,
            client_auth: ClientVerification::None,
            http2: false,
        }
    }
}

/// Client certificates, verified against PEM bundles of authorities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ClientVerification {
    /// Clients are not asked for a certificate.
    #[default]
    None,
    /// One is asked for; a client without goes on, a client with a wrong one is refused.
    IfGiven(Vec<PathBuf>),
    /// A client without one is refused.
    Required(Vec<PathBuf>),
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ServerConfigError {
    /// A bundle of client authorities.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A certificate in a bundle that cannot be a trust anchor.
    #[error("{path}: certificate {position} in the file cannot be trusted as an authority: {source}")]
    Authority {
        /// The bundle of authorities.
        path: PathBuf,
        /// Which certificate of the bundle, counted from 1.
        position: usize,
        /// Why it cannot be a trust anchor.
        #[source]
        source: rustls::Error,
    },
    /// The bundles hold nothing to verify with.
    #[error("client certificates cannot be verified: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// rustls refuses the configuration.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Builds the configuration. Tickets are encrypted with keys of this configuration alone and live 12 hours at most, so
/// a new configuration (after a reload of `clientcas`, say) starts sessions afresh.
pub fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    options: &ServerOptions,
) -> Result<Arc<ServerConfig>, ServerConfigError> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(options.versions)?;
    let mut config = match client_verifier(&options.client_auth)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    }
    .with_cert_resolver(resolver);
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    config.session_storage = ServerSessionMemoryCache::new(SESSION_CACHE);
    config.alpn_protocols = match options.http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    Ok(Arc::new(config))
}

/// Whether the bundle at `path` holds authorities that client certificates can be verified against.
pub fn check_client_authorities(path: &Path) -> Result<(), ServerConfigError> {
    client_verifier(&ClientVerification::Required(vec![path.to_owned()])).map(drop)
}

fn client_verifier(client_auth: &ClientVerification) -> Result<Option<Arc<dyn ClientCertVerifier>>, ServerConfigError> {
    let builder =
        |bundles| Ok::<_, ServerConfigError>(WebPkiClientVerifier::builder_with_provider(roots(bundles)?, provider()));
    Ok(match client_auth {
        ClientVerification::None => None,
        ClientVerification::IfGiven(bundles) => Some(builder(bundles)?.allow_unauthenticated().build()?),
        ClientVerification::Required(bundles) => Some(builder(bundles)?.build()?),
    })
}

fn roots(bundles: &[PathBuf]) -> Result<Arc<RootCertStore>, ServerConfigError> {
    let mut roots = RootCertStore::empty();
    for path in bundles {
        for (index, certificate) in load::chain(path)?.into_iter().enumerate() {
            roots
                .add(certificate.der)
                .map_err(|source| ServerConfigError::Authority {
                    path: path.clone(),
                    position: index + 1,
                    source,
                })?;
        }
    }
    Ok(Arc::new(roots))
}
