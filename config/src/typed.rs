//! The typed sections: what the program uses. One file a section later; every value here is already checked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Keys that were understood and are without effect here, with the reason.
    pub warnings: Vec<crate::Mistake>,
    /// `log`
    pub log: Log,
    /// `storage`
    pub storage: Storage,
    /// `http`
    pub http: Http,
    /// `auth`
    pub auth: Auth,
    /// `health`
    pub health: Health,
    /// `validation`
    pub validation: Validation,
}

/// `log`
#[derive(Debug, Clone)]
pub struct Log {
    /// `log.level`: the default of every sink.
    pub level: Level,
    /// `log.formatter`
    pub formatter: Formatter,
    /// `log.fields`: added to each line.
    pub fields: BTreeMap<String, String>,
    /// `log.accesslog.disabled` negated.
    pub access: bool,
    /// `log.console.level`, default `log.level`.
    pub console: Level,
    /// `log.file`, off unless set.
    pub file: Option<LogFile>,
    /// `log.system.level`, off unless set.
    pub system: Option<Level>,
}

/// `log.file`: one file a process below `directory`.
#[derive(Debug, Clone)]
pub struct LogFile {
    /// `log.file.directory`; `None` = `<home>/log`.
    pub directory: Option<PathBuf>,
    /// `log.file.level`
    pub level: Level,
    /// `log.file.maxsize` in bytes: rotated when larger.
    pub max_size: u64,
    /// `log.file.maxage`: rotated files older than this are removed.
    pub max_age: Duration,
}

/// A log level; `Silent` lets nothing through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing at all (Mosi's SILENT).
    Silent,
    /// Errors.
    Error,
    /// And warnings.
    Warn,
    /// And what happens, one line a request.
    Info,
    /// And why.
    Debug,
    /// And everything.
    Trace,
}

/// `log.formatter`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formatter {
    /// Readable lines.
    Text,
    /// One JSON object a line.
    Json,
    /// One JSON object a line with logstash's field names (`@timestamp`, `@version`).
    Logstash,
}

/// `storage`
#[derive(Debug, Clone)]
pub struct Storage {
    /// `storage.filesystem.rootdirectory`, absolute.
    pub root: PathBuf,
    /// `storage.filesystem.maxthreads`: blocking file operations at once.
    pub max_threads: usize,
    /// `storage.delete.enabled`
    pub delete: bool,
    /// `storage.maintenance.readonly.enabled`
    pub read_only: bool,
    /// `storage.maintenance.uploadpurging`; `None` when disabled.
    pub upload_purging: Option<UploadPurging>,
    /// `storage.manifest.maxsize` (extension), bytes; 4 MiB unless set.
    pub max_manifest_size: u64,
    /// `storage.upload.chunkminlength` (extension), bytes: announced as OCI-Chunk-Min-Length.
    pub chunk_min_length: Option<u64>,
}

/// `storage.maintenance.uploadpurging`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPurging {
    /// Uploads older than this are removed.
    pub age: Duration,
    /// How often to look.
    pub interval: Duration,
    /// Log what would be removed, remove nothing.
    pub dry_run: bool,
}

/// `http`
#[derive(Debug, Clone)]
pub struct Http {
    /// `http.addr`: the address that clients reach.
    pub addr: Address,
    /// `http.prefix`, starts and ends with `/`; `/` unless set.
    pub prefix: String,
    /// `http.host`: the public URL, wins over every header.
    pub host: Option<PublicUrl>,
    /// `http.secret`: signs upload state across replicas.
    pub secret: Option<Secret>,
    /// `http.relativeurls`
    pub relative_urls: bool,
    /// `http.draintimeout`; 0 in the file means the default, 30 s.
    pub drain_timeout: Duration,
    /// `http.tls`; `None` = plain HTTP.
    pub tls: Option<Tls>,
    /// `http.headers`: added to each answer.
    pub headers: BTreeMap<String, Vec<String>>,
    /// `http.debug`
    pub debug: Option<Debug>,
    /// `http.http2.disabled` negated.
    pub http2: bool,
    /// `http.trustedproxies` (extension): whose forwarded headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// `http.accel` (extension): nginx's internal location for `X-Accel-Redirect`, starts and ends with `/`.
    pub accel: Option<String>,
    /// `http.redirecthttps` (extension): a plain listener that answers 301.
    pub redirect_https: Option<Address>,
    /// `http.aliases` (extension): further host names with a certificate of their own, by SNI.
    pub aliases: Vec<Alias>,
    /// `http.docroot` (extension): files served beside `/v2/`.
    pub docroot: Option<PathBuf>,
    /// `http.limits` (extension)
    pub limits: Limits,
}

/// `http.limits` (extension): all optional in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `maxconnections` in all; more are answered 503. Default 10,000.
    pub max_connections: usize,
    /// `idletimeout` of a connection, and of a body that stalls. Default 60 s.
    pub idle_timeout: Duration,
    /// `backendwait`: how long a request waits for a registry that is restarting. Default 10 s.
    pub backend_wait: Duration,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port` or `:port` (host empty: every address, IPv4 and IPv6).
    Tcp {
        /// Name or address without brackets; empty = every address.
        host: String,
        /// 0 = any free port.
        port: u16,
    },
    /// `unix:PATH`, or `http.net: unix` with a path.
    Unix(PathBuf),
}

/// `http.host`: scheme, host and port that clients use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// `https` or `http`.
    pub scheme: String,
    /// Host, with brackets when IPv6.
    pub host: String,
    /// `None` when it is the scheme's own.
    pub port: Option<u16>,
}

/// An IP network, `10.0.0.0/8`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The address with its host bits cleared.
    pub address: IpAddr,
    /// Bits that count.
    pub prefix: u8,
}

/// `http.tls`
#[derive(Debug, Clone)]
pub struct Tls {
    /// Where the certificate comes from.
    pub certificate: CertificateSource,
    /// `http.tls.minimumtls`; TLS 1.2 unless set. Older ones are refused.
    pub minimum: TlsVersion,
    /// `http.tls.clientcas`: bundles that client certificates are verified against.
    pub client_cas: Vec<PathBuf>,
    /// `http.tls.clientauth`
    pub client_auth: ClientAuth,
}

/// Where the proxy's certificate comes from.
#[derive(Debug, Clone)]
pub enum CertificateSource {
    /// `http.tls.certificate` (may hold the chain) and `http.tls.key`.
    Files {
        /// PEM, leaf first.
        certificate: PathBuf,
        /// PEM.
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
#[derive(Debug, Clone)]
pub struct Acme {
    /// `cachefile`
    pub cache_file: PathBuf,
    /// `email`
    pub email: String,
    /// `hosts`
    pub hosts: Vec<String>,
    /// `directoryurl`; Let's Encrypt's production directory unless set.
    pub directory_url: Option<String>,
}

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
    /// None is asked for.
    None,
    /// `verify-client-cert-if-given`
    VerifyIfGiven,
    /// `require-and-verify-client-cert`
    RequireAndVerify,
}

/// One entry of `http.aliases`.
#[derive(Debug, Clone)]
pub struct Alias {
    /// `name`: the SNI name; `*.example.com` covers one label.
    pub name: String,
    /// `certificate`
    pub certificate: PathBuf,
    /// `key`
    pub key: PathBuf,
}

/// `http.debug`
#[derive(Debug, Clone)]
pub struct Debug {
    /// `http.debug.addr`
    pub addr: Address,
    /// `http.debug.prometheus.path` when enabled.
    pub prometheus: Option<String>,
}

/// `auth`: all of it optional; without any, everybody may do everything, and a warning says so.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// `auth.htpasswd`
    pub htpasswd: Option<Htpasswd>,
    /// `auth.token`: an external token server. Excludes `issuer`.
    pub token: Option<ExternalTokens>,
    /// `auth.issuer` (extension): the built-in token server.
    pub issuer: Option<Issuer>,
    /// `auth.acl` (extension): docker_auth's ordered rules. `None`: every account may do everything.
    pub acl: Option<Vec<AclRule>>,
    /// `auth.groups` (extension): group name -> accounts.
    pub groups: BTreeMap<String, Vec<String>>,
    /// `auth.anonymous` (extension): repository patterns that may be pulled without login.
    pub anonymous: Option<Anonymous>,
}

/// `auth.htpasswd`
#[derive(Debug, Clone)]
pub struct Htpasswd {
    /// `realm`; `Lockgate` unless set.
    pub realm: String,
    /// `path`, absolute.
    pub path: PathBuf,
}

/// `auth.token`
#[derive(Debug, Clone)]
pub struct ExternalTokens {
    /// `realm`: the URL of the token server.
    pub realm: String,
    /// `service`
    pub service: String,
    /// `issuer`
    pub issuer: String,
    /// `rootcertbundle`
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
#[derive(Debug, Clone)]
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
    /// `key`: EC P-256 private key, PEM; made at set-up.
    pub key: PathBuf,
}

/// One of `auth.acl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclRule {
    /// `match`: every field given must match.
    pub matches: AclMatch,
    /// `actions`: `pull`, `push`, `delete`, `*`; empty = deny.
    pub actions: Vec<String>,
    /// `comment`
    pub comment: Option<String>,
}

/// `auth.acl[].match`, patterns as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AclMatch {
    /// Account: glob or `/regex/`; `""` = not logged in.
    pub account: Option<String>,
    /// Scope type: `repository` or `registry`.
    pub r#type: Option<String>,
    /// Name of the repository.
    pub name: Option<String>,
    /// Address or network of the client.
    pub ip: Option<Network>,
    /// Service of the token request.
    pub service: Option<String>,
    /// Labels; `group` is the account's groups.
    pub labels: BTreeMap<String, String>,
}

/// `auth.anonymous` (extension)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anonymous {
    /// `pull`: globs of repository names.
    pub pull: Vec<String>,
}

/// `health`
#[derive(Debug, Clone)]
pub struct Health {
    /// `health.storagedriver`; `None` when disabled.
    pub storage: Option<StorageHealth>,
}

/// `health.storagedriver`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageHealth {
    /// `interval`; 10 s unless set.
    pub interval: Duration,
    /// `threshold`: failures in a row until unhealthy; 3 unless set.
    pub threshold: u32,
}

/// `validation`
#[derive(Debug, Clone)]
pub struct Validation {
    /// `validation.disabled` negated: whether references of a manifest must exist.
    pub enabled: bool,
    /// `validation.manifests.urls.allow`: regular expressions.
    pub urls_allow: Vec<String>,
    /// `validation.manifests.urls.deny`
    pub urls_deny: Vec<String>,
    /// `validation.manifests.indexes.platforms`
    pub platforms: IndexPlatforms,
}

/// Which images of an index must exist when it is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexPlatforms {
    /// All of them.
    All,
    /// None: sparse indexes are accepted.
    None,
    /// Those of these platforms (`os`, `architecture`).
    List(Vec<(String, String)>),
}

/// A value that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself; name the reason where you call it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}
