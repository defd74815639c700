//! TLS as the configuration asks for it; certificates and options follow the configuration and the files.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use lockgate_certs::challenge;
use lockgate_certs::load::CertificateFiles;
use lockgate_certs::resolver::{ReloadEvent, Resolver};
use lockgate_certs::{ServerOptions, TLS12_AND_13, TLS13_ONLY};
use lockgate_config::{CertificateSource, ClientAuth, Config, Home, TlsVersion};
use tokio::io::AsyncWriteExt;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use crate::downstream::socket::BufferedSocket;
use crate::run_error::RunError;

/// The TLS of the public listener.
pub(crate) struct Tls {
    resolver: Arc<Resolver>,
    options: Mutex<ServerOptions>,
    acceptor: ArcSwap<TlsAcceptor>,
}

impl Tls {
    /// `None` when `http.tls` is not set.
    pub(crate) fn new(config: &Config, home: &Home) -> Result<Option<Self>, RunError> {
        let Some(settings) = tls_settings(config, home) else {
            return Ok(None);
        };
        let resolver = Resolver::new(settings.default, settings.aliases).map_err(certificate_error)?;
        let acceptor = acceptor(&resolver, &settings.options)?;
        Ok(Some(Self {
            resolver,
            options: Mutex::new(settings.options),
            acceptor: ArcSwap::from_pointee(acceptor),
        }))
    }

    /// Takes up another configuration; after an error the old one stays in force.
    pub(crate) fn reload(&self, config: &Config, home: &Home) -> Result<(), RunError> {
        let Some(settings) = tls_settings(config, home) else {
            return Ok(());
        };
        let mut options = self.options.lock().expect("no code panics while it holds the lock");
        // Sessions live as long as their configuration: a new one is made only when it must be.
        let acceptor = if *options == settings.options {
            None
        } else {
            Some(acceptor(&self.resolver, &settings.options)?)
        };
        self.resolver
            .replace(settings.default, settings.aliases)
            .map_err(certificate_error)?;
        if let Some(acceptor) = acceptor {
            self.acceptor.store(Arc::new(acceptor));
            *options = settings.options;
        }
        Ok(())
    }

    /// Shakes hands; `None` when the client was an ACME server, which has now seen the answer to its challenge. `challenges`
    /// is where that is found, when certificates are ordered.
    pub(crate) async fn accept(
        &self,
        socket: BufferedSocket,
        challenges: Option<&Path>,
    ) -> io::Result<Option<TlsStream<BufferedSocket>>> {
        let acceptor = TlsAcceptor::clone(&self.acceptor.load());
        match challenges {
            None => acceptor.accept(socket).await.map(Some),
            // Boxed: what one in a million handshakes needs would be carried by every connection.
            Some(challenges) => Box::pin(accept_or_prove(acceptor, socket, challenges)).await,
        }
    }

    /// Takes up certificates whose files have changed.
    pub(crate) fn refresh(&self) {
        for event in self.resolver.refresh() {
            match event {
                ReloadEvent::Reloaded { .. } => tracing::info!("{event}"),
                ReloadEvent::Refused { .. } => tracing::error!("{event}"),
            }
        }
    }
}

async fn accept_or_prove(
    acceptor: TlsAcceptor,
    socket: BufferedSocket,
    challenges: &Path,
) -> io::Result<Option<TlsStream<BufferedSocket>>> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    let hello = start.client_hello();
    if !challenge::is_asked(&hello) {
        return start.into_stream(acceptor.config().clone()).await.map(Some);
    }
    let host = hello.server_name().unwrap_or_default().to_owned();
    let Some(config) = challenge::server_config(challenges, &host) else {
        return Err(io::Error::other(format!("no ACME challenge is open for {host:?}")));
    };
    let mut stream = start.into_stream(config).await?;
    tracing::info!(host, "an ACME server was shown its challenge");
    // RFC 8737 section 3: nothing is said on this connection.
    stream.shutdown().await?;
    Ok(None)
}

fn acceptor(resolver: &Arc<Resolver>, options: &ServerOptions) -> Result<TlsAcceptor, RunError> {
    lockgate_certs::server_config(resolver.clone(), options)
        .map(TlsAcceptor::from)
        .map_err(certificate_error)
}

/// What `http.tls` asks for.
struct TlsSettings {
    default: CertificateFiles,
    aliases: Vec<(String, CertificateFiles)>,
    options: ServerOptions,
}

fn tls_settings(config: &Config, home: &Home) -> Option<TlsSettings> {
    let tls = config.http.tls.as_ref()?;
    let default = match &tls.certificate {
        CertificateSource::Files { certificate, key } => CertificateFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        },
        // The supervisor issues or fetches it into the home.
        CertificateSource::Auto { .. } | CertificateSource::Acme(_) => CertificateFiles {
            certificate: home.leaf_certificate(),
            key: home.leaf_key(),
        },
    };
    let alias = |alias: &lockgate_config::Alias| {
        (
            alias.name.clone(),
            CertificateFiles {
                certificate: alias.certificate.clone(),
                key: alias.key.clone(),
            },
        )
    };
    let options = ServerOptions {
        versions: match tls.minimum {
            TlsVersion::Tls12 => TLS12_AND_13,
            TlsVersion::Tls13 => TLS13_ONLY,
        },
        client_auth: match tls.client_auth {
            ClientAuth::None => lockgate_certs::ClientVerification::None,
            ClientAuth::VerifyIfGiven => lockgate_certs::ClientVerification::IfGiven(tls.client_cas.clone()),
            ClientAuth::RequireAndVerify => lockgate_certs::ClientVerification::Required(tls.client_cas.clone()),
        },
        http2: config.http.http2,
    };
    Some(TlsSettings {
        default,
        aliases: config.http.aliases.iter().map(alias).collect(),
        options,
    })
}

fn certificate_error(error: impl std::fmt::Display) -> RunError {
    RunError::Certificate(error.to_string())
}
