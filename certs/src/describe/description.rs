//! A certificate in plain words: what it is, for whom, how long, and what will fail with it.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use time::OffsetDateTime;
use time::macros::format_description;

use super::kind::{CertificateKind, kind};
use super::problem::{self, Problem};
use crate::x509::load::{self, LoadError};
use crate::x509::{self, Certificate};

/// A certificate file in words.
#[derive(Debug, Clone)]
pub struct Description {
    /// The file that was read.
    pub path: PathBuf,
    /// Whether it is an authority's or a server's.
    pub kind: CertificateKind,
    /// The subject, as in `CN=registry.example.com`.
    pub subject: String,
    /// The subject of the authority that issued it.
    pub issuer: String,
    /// DNS names that clients accept it for.
    pub names: Vec<String>,
    /// Addresses that clients accept it for.
    pub addresses: Vec<IpAddr>,
    /// The kind and size of the key, as in `ECDSA P-256` and `RSA 4096`.
    pub key: String,
    /// From when on clients accept it, in seconds since 1970 (UTC).
    pub not_before: i64,
    /// Until when clients accept it, in seconds since 1970 (UTC).
    pub not_after: i64,
    /// Whole days left; negative when it is over.
    pub days_left: i64,
    /// The fingerprint as openssl prints it, `AA:BB:..`.
    pub fingerprint_sha256: String,
    /// Subjects of the certificates that follow in the file.
    pub chain: Vec<String>,
    /// What will fail with it; empty when nothing is known to.
    pub problems: Vec<Problem>,
}

/// Describes the first certificate in `path`. With `key` it is said whether that key belongs to it; with `host`, a name
/// or an address, whether clients accept it there.
pub fn file(path: &Path, key: Option<&Path>, host: Option<&str>, now: SystemTime) -> Result<Description, LoadError> {
    let chain = load::chain(path)?;
    let leaf = &chain[0];
    let now = load::unix_seconds(now);
    let kind = kind(leaf, key.is_some(), host.is_some());
    let mut problems = problem::of_chain(&chain, path, kind, now);
    if let Some(key) = key
        && !load::belongs(leaf, load::private_key(key)?, key)?
    {
        problems.push(Problem::WrongKey { key: key.to_owned() });
    }
    if let Some(host) = host
        && !covers(leaf, host)
    {
        problems.push(Problem::HostNotCovered { host: host.to_owned() });
    }
    Ok(Description {
        path: path.to_owned(),
        kind,
        subject: leaf.subject.clone(),
        issuer: leaf.issuer.clone(),
        names: leaf.names.clone(),
        addresses: leaf.addresses.clone(),
        key: leaf.key.text.clone(),
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        days_left: (leaf.not_after - now).div_euclid(problem::DAY),
        fingerprint_sha256: x509::fingerprint(&leaf.der),
        chain: chain[1..].iter().map(|next| next.subject.clone()).collect(),
        problems,
    })
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path.display())?;
        let mut line = |title: &str, text: &dyn fmt::Display| writeln!(f, "  {title:<12} {text}");
        line("is", &self.kind)?;
        line("subject", &or_nobody(&self.subject))?;
        if self.kind != CertificateKind::Authority || !self.names.is_empty() || !self.addresses.is_empty() {
            line("valid for", &self.hosts())?;
        }
        line("issued by", &self.issued_by())?;
        line("valid", &self.validity())?;
        line("key", &self.key)?;
        line("SHA-256", &self.fingerprint_sha256)?;
        for next in &self.chain {
            line("followed by", next)?;
        }
        if self.problems.is_empty() {
            return writeln!(f, "  Nothing is wrong with it.");
        }
        writeln!(f, "  What will fail:")?;
        for problem in &self.problems {
            writeln!(f, "  - {problem}")?;
        }
        Ok(())
    }
}

impl Description {
    fn hosts(&self) -> String {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let hosts: Vec<String> = self.names.iter().cloned().chain(addresses).collect();
        match hosts.is_empty() {
            true => "no host at all".into(),
            false => hosts.join(", "),
        }
    }

    fn issued_by(&self) -> String {
        match self.subject == self.issuer {
            true => "itself".into(),
            false => self.issuer.clone(),
        }
    }

    fn validity(&self) -> String {
        let span = format!("{} to {}", day(self.not_before), day(self.not_after));
        match self.days_left {
            ..0 => format!("{span} (over for {} days)", -self.days_left),
            days => format!("{span} ({days} days left)"),
        }
    }
}

fn covers(leaf: &Certificate, host: &str) -> bool {
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(address) => leaf.covers_address(address),
        Err(_) => leaf.covers_name(host),
    }
}

fn or_nobody(subject: &str) -> &str {
    match subject.is_empty() {
        true => "nobody (the subject is empty, which is allowed)",
        false => subject,
    }
}

fn day(seconds: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| format!("{seconds} s since 1970"))
}
