//! Files that existed before a first start and are used as they are, for its log.

use lockgate_config::{CertificateSource, Config, Home};
use lockgate_registry::Layout;

/// Names the files of `config` that exist, a line each. To be called before anything is made.
pub(super) fn lay_ready(config: &Config, home: &Home) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |what: &str, path: &std::path::Path| found.push(format!("{what} {}", path.display()));
    if config.path.exists() {
        tell("the configuration in", &config.path);
    }
    match config.http.tls.as_ref().map(|tls| &tls.certificate) {
        Some(CertificateSource::Files { certificate, .. }) if certificate.exists() => {
            tell("the certificate in", certificate)
        }
        Some(CertificateSource::Auto { .. }) => {
            if home.ca_certificate().exists() {
                tell("the authority in", &home.ca_certificate());
            }
            if home.leaf_certificate().exists() {
                tell("the certificate in", &home.leaf_certificate());
            }
        }
        _ => {}
    }
    if let Some(htpasswd) = &config.auth.htpasswd {
        if htpasswd.path.exists() {
            tell("the accounts in", &htpasswd.path);
        } else if home.password_file().exists() {
            tell("the first account's password in", &home.password_file());
        }
    }
    let layout = Layout::new(&config.storage.root);
    let is_used = |name: &str| {
        let entries = layout.blobs().with_file_name(name).read_dir();
        entries.is_ok_and(|mut entries| entries.next().is_some())
    };
    if is_used("repositories") || is_used("blobs") {
        tell("the images in", &config.storage.root);
    }
    found
}
