//! The account and the certificate on disk, in `http.tls.letsencrypt.cachefile`.
//!
//! ```text
//! <cachefile>/<ACME server>/account.json   the account's key
//!                           registry.pem   the certificate's key and its chain: one file, so that they always fit
//!                           attempt.json   what was tried last
//! ```
//!
//! Distribution 3 makes a directory of `cachefile`, whatever its name says, and ours fits into it. Distribution 2 made a
//! file; that one stays as it is, and `<cachefile>.d` is used. Another ACME server is another subdirectory: a
//! certificate of the staging environment is not taken for one of the real.

use std::io;
use std::path::{Path, PathBuf};

use lockgate_certs::CertificateFiles;
use lockgate_config::Acme;
use lockgate_files::{Existing, Staged, WriteError, stage_private, write_private};

use super::Attempt;

/// Names of directories may have 255 bytes.
const LONGEST_NAME: usize = 200;

/// One directory for one ACME server; for the supervisor alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcmeStore(PathBuf);

impl AcmeStore {
    /// The store that `acme` names; nothing is made.
    pub(crate) fn of(acme: &Acme) -> Self {
        let mut cache = acme.cache_file.clone();
        if cache.is_file() {
            cache.as_mut_os_string().push(".d");
        }
        Self(cache.join(server_name(acme.directory())))
    }

    /// The file with the account's key and URL.
    pub(super) fn account(&self) -> PathBuf {
        self.0.join("account.json")
    }

    /// Key and chain are one file, which stands for both of the pair.
    pub(crate) fn certificate(&self) -> CertificateFiles {
        let path = self.0.join("registry.pem");
        CertificateFiles {
            certificate: path.clone(),
            key: path,
        }
    }

    /// The last attempt, unless it made a certificate.
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        let text = std::fs::read(self.attempt_file()).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!("{}: not understood: {error}", self.attempt_file().display()))
            .ok()
    }

    /// Keeps an attempt before its first request, so that one which is killed counts.
    pub(crate) fn keep_attempt(&self, attempt: &Attempt) -> Result<(), WriteError> {
        let text = serde_json::to_string_pretty(attempt).expect("numbers and texts can be written");
        self.write(&self.attempt_file(), &text)
    }

    /// Forgets the last attempt: it succeeded, or a person asks to try again.
    pub(crate) fn forget_attempt(&self) -> io::Result<()> {
        match std::fs::remove_file(self.attempt_file()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), WriteError> {
        write_private(path, text, Existing::Overwrite)
    }

    /// Writes the certificate that was ordered beside the present one, which it replaces once it has been tried.
    pub(super) fn stage_certificate(&self, pem: &str) -> Result<Staged, WriteError> {
        stage_private(&self.certificate().certificate, pem)
    }

    fn attempt_file(&self) -> PathBuf {
        self.0.join("attempt.json")
    }
}

/// `https://ca.example:14000/dir` as the name of a directory: `ca.example-14000-dir`.
fn server_name(directory_url: &str) -> String {
    let rest = directory_url.split_once("://").map_or(directory_url, |(_, rest)| rest);
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = rest
        .trim_end_matches('/')
        .chars()
        .map(plain)
        .take(LONGEST_NAME)
        .collect();
    // A name of dots alone would be another place.
    name.trim_start_matches('.').to_owned()
        + if name.trim_matches('.').is_empty() {
            "server"
        } else {
            ""
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme(cache_file: PathBuf, directory_url: Option<&str>) -> Acme {
        Acme {
            cache_file,
            email: String::new(),
            hosts: vec!["r.example.com".into()],
            directory_url: directory_url.map(str::to_owned),
        }
    }

    #[test]
    fn each_server_has_a_place_of_its_own() {
        for (url, name) in [
            (
                "https://acme-v02.api.letsencrypt.org/directory",
                "acme-v02.api.letsencrypt.org-directory",
            ),
            ("https://ca.lan:14000/dir/", "ca.lan-14000-dir"),
            ("https://../../x", "-..-x"),
            ("https://..", "server"),
        ] {
            assert_eq!(server_name(url), name);
        }
        assert!(server_name(&format!("https://{}", "a".repeat(999))).len() <= LONGEST_NAME);
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("cache.letsencrypt");
        let directory = |cache: &Path| AcmeStore::of(&acme(cache.to_owned(), None)).account();
        assert!(directory(&cache).starts_with(&cache));
        std::fs::write(&cache, "{}").unwrap();
        assert!(directory(&cache).starts_with(home.path().join("cache.letsencrypt.d")));
        let store = AcmeStore::of(&acme(cache.clone(), None));
        store.write(&store.account(), "a").unwrap();
        assert_eq!(std::fs::read_to_string(cache).unwrap(), "{}");
    }
}
