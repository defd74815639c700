//! Where the proxy finds its private copies of certificates that the user named, and a configuration that names them.

use std::path::{Path, PathBuf};

use lockgate_certs::CertificateFiles;
use lockgate_config::{CertificateSource, Config};

/// Tells a child in which directory the copies are.
pub(crate) const VARIABLE: &str = "LOCKGATE_HANDED";
/// Makes `config` name the copies in `directory` instead of the user's files.
pub(crate) fn use_copies(config: &mut Config, directory: &Path) {
    for (_, name, certificate, key) in pairs_of(config) {
        let copy = copy_of(directory, &name);
        (*certificate, *key) = (copy.certificate, copy.key);
    }
}

/// Every pair of the user's own: the key path that names it, a name for its copy, its files.
pub(crate) fn pairs_of(config: &mut Config) -> Vec<(&'static str, String, &mut PathBuf, &mut PathBuf)> {
    let mut pairs = Vec::new();
    let tls = config.http.tls.as_mut().map(|tls| &mut tls.certificate);
    if let Some(CertificateSource::Files { certificate, key }) = tls {
        pairs.push(("http.tls.certificate", "default".to_owned(), certificate, key));
    }
    for alias in &mut config.http.aliases {
        // A host name, or `*.` and one: good as a file's name, and no other alias has it.
        let name = format!("alias-{}", alias.name);
        pairs.push(("http.aliases", name, &mut alias.certificate, &mut alias.key));
    }
    pairs
}

/// The copy of the pair that is called `name`.
pub(crate) fn copy_of(directory: &Path, name: &str) -> CertificateFiles {
    CertificateFiles {
        certificate: directory.join(format!("{name}.crt")),
        key: directory.join(format!("{name}.key")),
    }
}
