//! Whether files hold what they should, as the processes will read them.

use std::time::SystemTime;

use lockgate_certs::describe::{self, Problem};
use lockgate_certs::{load, server};
use lockgate_config::{Config, ConfigFile, FileRole};
use lockgate_registry::accounts::Accounts;
use lockgate_registry::{check_external_tokens, check_token_key};

use super::findings::Findings;

/// Checks the content of `readable`, the files that exist and can be opened.
pub(super) fn check(config: &Config, readable: &[ConfigFile<'_>], findings: &mut Findings) {
    for (named, next) in readable.iter().zip(readable.iter().skip(1).map(Some).chain([None])) {
        match named.role {
            FileRole::Certificate => {
                if let Some(key) = next.filter(|next| next.role == FileRole::PrivateKey) {
                    pair(config, named, key, findings);
                }
            }
            FileRole::ClientAuthority => {
                if let Err(error) = server::check_client_authorities(named.path) {
                    findings.mistakes.push(format!("{}: {error}", named.key));
                }
            }
            FileRole::Accounts => accounts(named, findings),
            FileRole::TokenKey => {
                let checked = check_token_key(named.path);
                findings.mistakes.extend(checked.err().map(|error| error.to_string()));
            }
            _ => {}
        }
    }
    external_tokens(config, readable, findings);
}

fn pair(config: &Config, certificate: &ConfigFile<'_>, key: &ConfigFile<'_>, findings: &mut Findings) {
    if let Err(error) = load::certified_key(certificate.path, key.path) {
        findings.mistakes.push(format!("{}: {error}", certificate.key));
        return;
    }
    // An alias is for another host.
    let host = config.http.host.as_ref().map(|url| url.host.trim_matches(['[', ']']));
    let host = host.filter(|_| certificate.key == "http.tls.certificate");
    if let Ok(description) = describe::file(certificate.path, Some(key.path), host, SystemTime::now()) {
        // The others depend on what clients are and trust: `lockgate cert show` tells them.
        let is_certain = |problem: &&Problem| {
            !matches!(
                problem,
                Problem::TooLongForApple { .. } | Problem::MissingIntermediate { .. }
            )
        };
        let problems = description.problems.iter().filter(is_certain);
        findings
            .warnings
            .extend(problems.map(|problem| format!("{}: {}: {problem}", certificate.key, certificate.path.display())));
    }
}

fn accounts(named: &ConfigFile<'_>, findings: &mut Findings) {
    let (key, path) = (&named.key, named.path.display());
    match Accounts::new(named.path).check() {
        Ok(lines) => findings
            .warnings
            .extend(lines.into_iter().map(|line| format!("{key}: {path}: {line}"))),
        Err(error) => findings.mistakes.push(format!("{key}: {error}")),
    }
}

fn external_tokens(config: &Config, readable: &[ConfigFile<'_>], findings: &mut Findings) {
    let Some(tokens) = &config.auth.token else { return };
    let is_readable = |path: &std::path::PathBuf| readable.iter().any(|named| named.path == path);
    if [&tokens.root_cert_bundle, &tokens.jwks]
        .into_iter()
        .flatten()
        .all(is_readable)
    {
        let checked = check_external_tokens(tokens);
        findings.mistakes.extend(checked.err().map(|error| error.to_string()));
    }
}
