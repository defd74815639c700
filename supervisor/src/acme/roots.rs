//! The authorities that are trusted for the ACME server's own certificate.

use rustls::RootCertStore;

/// The system's, as other programs see them: SSL_CERT_FILE and SSL_CERT_DIR name others, which is how a private ACME
/// server is trusted. Where there are none, as in an image from scratch, Mozilla's list as it was when this was built.
pub(super) fn roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("CA certificates of this system: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::info!("this system has no CA certificates: the list that is built in is used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
