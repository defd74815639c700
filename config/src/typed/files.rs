//! The one list of the files and directories that a configuration names. The rules of the sandbox, the owners of files,
//! the service's unit and `lockgate check` follow it.

use std::path::Path;

use super::config::Config;
use super::tls::CertificateSource;

/// A file or a directory that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile<'a> {
    /// The key path, as in `http.aliases[0].key`.
    pub key: String,
    /// Where it is, as an absolute path.
    pub path: &'a Path,
    /// What the program does with it.
    pub role: FileRole,
}

/// What a file or directory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// `certificate` of `http.tls` or an alias. Its key follows it.
    Certificate,
    /// `key` of the same.
    PrivateKey,
    /// `http.tls.clientcas`
    ClientAuthority,
    /// `http.docroot`, a directory.
    Docroot,
    /// `auth.htpasswd.path`
    Accounts,
    /// `auth.issuer.key`; made when it is missing.
    TokenKey,
    /// `auth.token.rootcertbundle`
    TokenCertificates,
    /// `auth.token.jwks`
    TokenKeySet,
    /// `storage.filesystem.rootdirectory`, a directory; made when it is missing.
    Storage,
    /// `log.file.directory`; made when it is missing.
    Log,
    /// `http.tls.letsencrypt.cachefile`, a directory or distribution's file; made when it is missing.
    AcmeCache,
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// It is read alone, and has to be there.
    Read,
    /// It is written as well.
    Write,
}

/// Which process opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The proxy reads it, or has it read by the supervisor.
    Proxy,
    /// The registry reads it.
    Registry,
    /// The supervisor, or more than one.
    Supervisor,
}

impl FileRole {
    /// The process that opens it.
    pub fn reader(self) -> Reader {
        match self {
            Self::Certificate | Self::PrivateKey | Self::ClientAuthority | Self::Docroot => Reader::Proxy,
            Self::Accounts | Self::TokenKey | Self::TokenCertificates | Self::TokenKeySet => Reader::Registry,
            Self::Storage | Self::Log | Self::AcmeCache => Reader::Supervisor,
        }
    }

    /// Whether it is a directory.
    pub fn is_directory(self) -> bool {
        matches!(self, Self::Docroot | Self::Storage | Self::Log)
    }

    /// What is done with it. What is written is made when it is missing, and so are the directories above it.
    pub fn access(self) -> FileAccess {
        match self {
            Self::TokenKey | Self::Storage | Self::Log | Self::AcmeCache => FileAccess::Write,
            _ => FileAccess::Read,
        }
    }

    /// Whether the supervisor reads it for the process that needs it.
    pub fn is_copied(self) -> bool {
        matches!(self, Self::Certificate | Self::PrivateKey)
    }
}

impl Config {
    /// Everything that it names, in the order of the reference.
    pub fn files(&self) -> Vec<ConfigFile<'_>> {
        let mut files = vec![of(
            "storage.filesystem.rootdirectory",
            &self.storage.root,
            FileRole::Storage,
        )];
        self.add_http(&mut files);
        let auth = &self.auth;
        let accounts = auth
            .htpasswd
            .iter()
            .map(|htpasswd| ("auth.htpasswd.path", &htpasswd.path));
        files.extend(accounts.map(|(key, path)| of(key, path, FileRole::Accounts)));
        files.extend(
            auth.issuer
                .iter()
                .map(|issuer| of("auth.issuer.key", &issuer.key, FileRole::TokenKey)),
        );
        if let Some(token) = &auth.token {
            let (bundle, jwks) = (token.root_cert_bundle.iter(), token.jwks.iter());
            files.extend(bundle.map(|path| of("auth.token.rootcertbundle", path, FileRole::TokenCertificates)));
            files.extend(jwks.map(|path| of("auth.token.jwks", path, FileRole::TokenKeySet)));
        }
        let log = self.log.file.iter().filter_map(|file| file.directory.as_deref());
        files.extend(log.map(|path| of("log.file.directory", path, FileRole::Log)));
        files
    }

    fn add_http<'a>(&'a self, files: &mut Vec<ConfigFile<'a>>) {
        let http = &self.http;
        if let Some(tls) = &http.tls {
            match &tls.certificate {
                CertificateSource::Files { certificate, key } => files.extend([
                    of("http.tls.certificate", certificate, FileRole::Certificate),
                    of("http.tls.key", key, FileRole::PrivateKey),
                ]),
                CertificateSource::Acme(acme) => {
                    files.push(of(
                        "http.tls.letsencrypt.cachefile",
                        &acme.cache_file,
                        FileRole::AcmeCache,
                    ));
                }
                CertificateSource::Auto { .. } => {}
            }
            let numbered = tls.client_cas.iter().enumerate();
            files.extend(
                numbered
                    .map(|(index, path)| of(&format!("http.tls.clientcas[{index}]"), path, FileRole::ClientAuthority)),
            );
        }
        for (index, alias) in http.aliases.iter().enumerate() {
            let key = |name: &str| format!("http.aliases[{index}].{name}");
            files.extend([
                of(&key("certificate"), &alias.certificate, FileRole::Certificate),
                of(&key("key"), &alias.key, FileRole::PrivateKey),
            ]);
        }
        files.extend(
            http.docroot
                .iter()
                .map(|path| of("http.docroot", path, FileRole::Docroot)),
        );
    }
}

fn of<'a>(key: &str, path: &'a Path, role: FileRole) -> ConfigFile<'a> {
    ConfigFile {
        key: key.to_owned(),
        path,
        role,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_named_is_listed() {
        let text = "\
version: 0.1
storage: {filesystem: {rootdirectory: n-root}}
http:
  docroot: n-www
  tls: {certificate: n-a.crt, key: n-a.key, clientcas: [n-c0.crt, n-c1.crt]}
  aliases: [{name: b.example, certificate: n-b.crt, key: n-b.key}]
auth:
  htpasswd: {path: n-htpasswd}
  token: {realm: 'https://a/', service: s, issuer: i, rootcertbundle: n-bundle, jwks: n-jwks}
log: {file: {directory: n-log}}
";
        let config = Config::parse(Path::new("/c/config.yml"), text.as_bytes(), &[]).unwrap();
        let files = config.files();
        let paths: Vec<_> = files.iter().map(|files| files.path.to_str().unwrap()).collect();
        let written = text
            .split(['{', '}', '[', ']', ',', ' ', '\n'])
            .filter(|word| word.starts_with("n-"));
        for word in written {
            assert!(paths.contains(&format!("/c/{word}").as_str()), "{word}");
        }
        assert_eq!(paths.len(), 12, "{paths:?}");
        let keys: Vec<_> = files.iter().map(|files| files.key.as_str()).collect();
        assert!(
            keys.contains(&"http.tls.clientcas[1]") && keys.contains(&"http.aliases[0].key"),
            "{keys:?}"
        );

        let text = "\
version: 0.1
storage: filesystem
http: {tls: {letsencrypt: {cachefile: acme, hosts: [r.example.com]}}}
auth: {htpasswd: {path: h}, issuer: true}
";
        let config = Config::parse(Path::new("/c/config.yml"), text.as_bytes(), &[]).unwrap();
        let made: Vec<_> = config
            .files()
            .into_iter()
            .filter(|file| file.role.access() == FileAccess::Write)
            .map(|file| file.key)
            .collect();
        assert_eq!(
            made,
            [
                "storage.filesystem.rootdirectory",
                "http.tls.letsencrypt.cachefile",
                "auth.issuer.key"
            ]
        );
    }
}
