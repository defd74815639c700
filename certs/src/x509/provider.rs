//! The cryptography that keys are read, made and used with.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

/// The one cryptography provider of the process: aws-lc-rs.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .clone()
}

/// Makes aws-lc-rs the process default, before a library chooses another. Does nothing when a default is set already.
pub fn install_provider() {
    // An error says only that one is installed.
    let _ = CryptoProvider::install_default((*provider()).clone());
}
