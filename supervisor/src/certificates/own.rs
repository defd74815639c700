//! The certificates that Lockgate makes for itself: the authority once, the leaf whenever it is needed.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use lockgate_certs::IssueError;
use lockgate_certs::describe::{self, Problem};
use lockgate_certs::{
    Authority, CertificateFiles, HostNameError, LeafRequest, LoadError, RenewalReason, Subject, machine, renewal,
};
use lockgate_config::{CertificateSource, Config, Home};
use lockgate_files::{Existing, UidGid, WriteError, write_private, write_private_for, write_public};

/// Why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("http.tls.auto.hostnames: {0}")]
    HostName(#[from] HostNameError),
    /// The authority's key or certificate is gone. Making another would break the trust of every client, so a person
    /// decides.
    #[error(
        "{missing}: missing, but {present} exists; put it back, or remove both for a new authority, which every client has to trust anew"
    )]
    HalfAuthority { missing: String, present: String },
    /// What may be there, and cannot be looked at.
    #[error("{path}: {source}; whoever started this home before made it, perhaps root: start it as that user")]
    Unseen { path: String, source: io::Error },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The authority and the leaf below a home.
#[derive(Debug, Clone)]
pub(crate) struct OwnCertificates {
    home: Home,
    hosts: Vec<String>,
    /// The user who reads the key, if it is not the supervisor's.
    reader: Option<UidGid>,
}

/// Why clients will refuse the certificates that are served by `config`: the first reason. `hosts` are names that were
/// asked for beside `http.host`.
pub(crate) fn problem(config: &Config, home: &Home, hosts: &[String]) -> Option<String> {
    let own = match &config.http.tls.as_ref()?.certificate {
        CertificateSource::Files { certificate, .. } => certificate.clone(),
        CertificateSource::Auto { .. } => home.leaf_certificate(),
        // Ordered for the names in the configuration; the order has its own problems.
        CertificateSource::Acme(_) => return aliases_problem(config),
    };
    let public = public_host(config);
    let names = public.iter().chain(hosts).map(|host| Some(host.as_str()));
    let checked = std::iter::once(None).chain(names);
    checked
        .filter_map(|host| refused(&own, host))
        .next()
        .or_else(|| aliases_problem(config))
}

/// The name or address of `http.host`.
fn public_host(config: &Config) -> Option<String> {
    let public = config.http.host.as_ref().filter(|host| host.scheme == "https")?;
    Some(public.host.trim_matches(['[', ']']).to_owned())
}

fn aliases_problem(config: &Config) -> Option<String> {
    let mut aliases = config.http.aliases.iter();
    aliases.find_map(|alias| refused(&alias.certificate, Some(&alias.name)))
}

/// What keeps every client, or every client that connects to `host`, from accepting the certificate.
fn refused(certificate: &Path, host: Option<&str>) -> Option<String> {
    let described = match describe::file(certificate, None, host, SystemTime::now()) {
        Ok(described) => described,
        Err(error) => return Some(format!("{error}; the one that was read before is still served")),
    };
    let is_fatal = |problem: &&Problem| {
        matches!(
            problem,
            Problem::NoNames | Problem::Expired | Problem::NotYetValid | Problem::HostNotCovered { .. }
        )
    };
    let problem = described.problems.iter().find(is_fatal)?;
    Some(format!("{}: {problem}", certificate.display()))
}

impl OwnCertificates {
    /// `None` when the configuration brings its own certificate or none. `extra` names are those of this run.
    pub(crate) fn of(config: &Config, home: &Home, extra: &[String]) -> Option<Self> {
        let CertificateSource::Auto { hostnames } = &config.http.tls.as_ref()?.certificate else {
            return None;
        };
        let mut hosts = extra.to_vec();
        let can_be_named = |host: &String| LeafRequest::automatic(std::slice::from_ref(host)).is_ok();
        let public = public_host(config).filter(can_be_named);
        for name in hostnames.iter().chain(public.as_ref()) {
            if !hosts.contains(name) {
                hosts.push(name.clone());
            }
        }
        Some(Self::new(home, &hosts))
    }

    /// Those of `home`, for `hosts` beside the machine's own names and addresses.
    pub(crate) fn new(home: &Home, hosts: &[String]) -> Self {
        Self {
            home: home.clone(),
            hosts: hosts.to_vec(),
            reader: None,
        }
    }

    /// The same with a key that `reader` reads.
    #[must_use]
    pub(crate) fn read_by(self, reader: Option<UidGid>) -> Self {
        Self { reader, ..self }
    }

    /// The names that were asked for, the most wanted first.
    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    pub(crate) fn has_authority(&self) -> Result<bool, CertificateError> {
        let (certificate, key) = (self.home.ca_certificate(), self.home.ca_key());
        let is_there = |path: &Path| {
            path.try_exists().map_err(|source| CertificateError::Unseen {
                path: path.display().to_string(),
                source,
            })
        };
        let half = |missing: &std::path::Path, present: &std::path::Path| CertificateError::HalfAuthority {
            missing: missing.display().to_string(),
            present: present.display().to_string(),
        };
        match (is_there(&certificate)?, is_there(&key)?) {
            (true, false) => Err(half(&key, &certificate)),
            (false, true) => Err(half(&certificate, &key)),
            (is_there, _) => Ok(is_there),
        }
    }

    /// Makes the authority unless it is there.
    pub(crate) fn ensure_authority(&self) -> Result<bool, CertificateError> {
        if self.has_authority()? {
            return Ok(false);
        }
        let (certificate, key) = (self.home.ca_certificate(), self.home.ca_key());
        let names = machine::machine_names();
        let host = names.first().map_or("localhost", |name| name.as_str());
        let authority = Authority::create(&Subject::of_authority(host))?;
        write_private(&key, authority.key_pem().reveal(), Existing::Keep)?;
        write_public(&certificate, authority.certificate_pem(), Existing::Keep)?;
        Ok(true)
    }

    /// Issues the leaf again when it is missing, about to end, or lacks a name or an address. Says why.
    pub(crate) fn ensure_leaf(&self) -> Result<Option<RenewalReason>, CertificateError> {
        let leaf = CertificateFiles {
            certificate: self.home.leaf_certificate(),
            key: self.home.leaf_key(),
        };
        let request = LeafRequest::automatic(&self.hosts)?;
        let reason = renewal(&leaf, &request, &self.home.ca_certificate(), SystemTime::now())?;
        if reason.is_some() {
            let authority = Authority::load(&self.home.ca_certificate(), &self.home.ca_key())?;
            let issued = authority.issue(&request)?;
            // Between the two writes the pair does not fit: who reloads keeps the old one until it does.
            write_private_for(self.reader, &leaf.key, issued.key_pem.reveal(), Existing::Overwrite)?;
            write_public(&leaf.certificate, &issued.chain_pem, Existing::Overwrite)?;
        }
        Ok(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_name_is_among_those_of_the_certificate() {
        let hosts = |http: &str| {
            let text = format!(
                "version: 0.1\nstorage: {{filesystem: {{rootdirectory: d}}}}\nhttp: {{{http}, tls: {{auto: {{hostnames: [a.example]}}}}}}\n"
            );
            let config = Config::parse(Path::new("/c/config.yml"), text.as_bytes(), &[]).unwrap();
            let own = OwnCertificates::of(&config, &Home::new("/h"), &["b.example".to_owned()]);
            own.unwrap().hosts().to_vec()
        };
        for (host, expected) in [
            ("https://r.example:5000", &["b.example", "a.example", "r.example"][..]),
            ("https://a.example", &["b.example", "a.example"]),
            ("https://[2001:db8::1]:5000", &["b.example", "a.example", "2001:db8::1"]),
            ("http://r.example", &["b.example", "a.example"]),
        ] {
            assert_eq!(hosts(&format!("host: '{host}'")), expected, "{host}");
        }
    }
}
