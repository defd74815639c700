//! Where a docker_auth configuration is within a file, and what becomes of its keys.

use serde_yaml::{Mapping, Value};

use super::error::ImportError;
use super::values::{Messages, get, join, plain};

/// The mapping that has users and rules.
pub(super) struct Section<'a> {
    /// Its keys in the file, joined by dots; empty at the top.
    pub(super) path: String,
    pub(super) mapping: &'a Mapping,
    /// A pillar of Salt, from which a configuration is made: its passwords are in plain text.
    pub(super) is_pillar: bool,
}

/// Keys of docker_auth for accounts that are kept outside the file.
const ACCOUNTS_ELSEWHERE: [&str; 9] = [
    "google_auth",
    "github_auth",
    "oidc_auth",
    "gitlab_auth",
    "ldap_auth",
    "mongo_auth",
    "xorm_auth",
    "ext_auth",
    "plugin_authn",
];

/// Keys of docker_auth for rules that are kept outside the file.
const RULES_ELSEWHERE: [&str; 5] = ["acl_mongo", "acl_xorm", "ext_authz", "plugin_authz", "casbin_authz"];

/// Settings of the server and its tokens, and where config.yml has the same, or why it has not.
const SETTINGS: [(&str, &str, Setting); 17] = [
    (
        "server",
        "addr",
        Setting::Key("http.addr; tokens are issued below it, at auth.issuer.path"),
    ),
    ("server", "net", Setting::Key("http.addr, as unix:PATH for a socket")),
    ("server", "path_prefix", Setting::Key("auth.issuer.path")),
    ("server", "certificate", Setting::Key("http.tls.certificate")),
    ("server", "key", Setting::Key("http.tls.key")),
    ("server", "hsts", Setting::Key("http.headers.Strict-Transport-Security")),
    ("server", "tls_min_version", Setting::Key("http.tls.minimumtls")),
    (
        "server",
        "tls_curve_preferences",
        Setting::Gone("the TLS library chooses"),
    ),
    ("server", "tls_cipher_suites", Setting::Key("http.tls.ciphersuites")),
    ("server", "letsencrypt", Setting::Key("http.tls.letsencrypt")),
    (
        "server",
        "real_ip_header",
        Setting::Key("http.trustedproxies, the proxies that are believed"),
    ),
    (
        "server",
        "real_ip_pos",
        Setting::Gone("the client is the last address that is not among http.trustedproxies"),
    ),
    ("token", "issuer", Setting::Key("auth.issuer.issuer")),
    (
        "token",
        "expiration",
        Setting::Key("auth.issuer.expiration, with its unit, as in 900s"),
    ),
    (
        "token",
        "certificate",
        Setting::Gone("tokens have a key of their own, auth.issuer.key"),
    ),
    (
        "token",
        "key",
        Setting::Gone("tokens have a key of their own, auth.issuer.key"),
    ),
    (
        "token",
        "disable_legacy_key_id",
        Setting::Gone("tokens are verified where they are issued"),
    ),
];

/// What corresponds to a setting.
#[derive(Clone, Copy)]
enum Setting {
    Key(&'static str),
    Gone(&'static str),
}

/// Finds the mapping, at the top or, as in a pillar of Salt or the values of a chart, further down.
pub(super) fn find<'a>(root: &'a Value, file: &str) -> Result<Section<'a>, ImportError> {
    let Value::Mapping(top) = plain(root) else {
        return Err(ImportError::NoUsers);
    };
    let known = ["users", "acl"]
        .iter()
        .chain(&ACCOUNTS_ELSEWHERE)
        .chain(&RULES_ELSEWHERE);
    if known.into_iter().any(|key| top.contains_key(key)) {
        return Ok(Section {
            path: String::new(),
            mapping: top,
            is_pillar: false,
        });
    }
    let mut found = Vec::new();
    below(top, "", &mut found);
    match found.as_slice() {
        [] => Err(ImportError::NoUsers),
        [(path, mapping)] => {
            let is_own = ["token", "server"].iter().any(|key| mapping.contains_key(key));
            let is_salt = file.ends_with(".sls") || path.starts_with("makina-projects.");
            Ok(Section {
                path: path.clone(),
                mapping,
                is_pillar: is_salt && !is_own,
            })
        }
        several => {
            let paths: Vec<_> = several.iter().map(|(path, _)| path.as_str()).collect();
            Err(ImportError::Several(paths.join(", ")))
        }
    }
}

fn below<'a>(mapping: &'a Mapping, path: &str, found: &mut Vec<(String, &'a Mapping)>) {
    for (key, value) in mapping {
        let (Some(key), Value::Mapping(inner)) = (key.as_str(), plain(value)) else {
            continue;
        };
        let path = join(path, key);
        let has_users = get(inner, "users").is_some_and(Value::is_mapping);
        let has_rules = get(inner, "acl").is_some_and(Value::is_sequence);
        if has_users || has_rules {
            found.push((path, inner));
        } else {
            below(inner, &path, found);
        }
    }
}

impl Section<'_> {
    /// `key` with the keys above it.
    pub(super) fn place(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Whether rules are kept in places that cannot be read.
    pub(super) fn has_rules_elsewhere(&self) -> bool {
        RULES_ELSEWHERE.iter().any(|key| get(self.mapping, key).is_some())
    }

    /// Whether there are users that cannot be read.
    pub(super) fn has_accounts_elsewhere(&self) -> bool {
        ACCOUNTS_ELSEWHERE.iter().any(|key| get(self.mapping, key).is_some())
    }

    /// Reports each key that is not imported.
    pub(super) fn report_ignored_keys(&self, messages: &mut Messages) {
        let mut unknown = Vec::new();
        for (key, value) in self.mapping {
            let key = key.as_str().unwrap_or_default();
            let place = self.place(key);
            match key {
                "users" | "acl" => {}
                _ if plain(value).is_null() => {}
                "server" | "token" => self.report_settings(key, plain(value), messages),
                _ if ACCOUNTS_ELSEWHERE.contains(&key) => messages.warning(
                    &place,
                    "accounts from there are not taken over, so their owners cannot log in; accounts are kept in \
                     auth.htpasswd.path, and `lockgate user add NAME` makes one",
                ),
                _ if RULES_ELSEWHERE.contains(&key) => messages.warning(
                    &place,
                    "rules from there are not taken over, so what they alone allow is denied; write them into auth.acl",
                ),
                _ => unknown.push(key),
            }
        }
        if !unknown.is_empty() {
            let keys = unknown.join(", ");
            messages.note(&keys, "not taken over: docker_auth has no such keys");
        }
    }

    fn report_settings(&self, section: &str, value: &Value, messages: &mut Messages) {
        let Value::Mapping(settings) = value else { return };
        for key in settings.keys().filter_map(Value::as_str) {
            let known = SETTINGS.iter().find(|(of, name, _)| (*of, *name) == (section, key));
            let place = join(&self.place(section), key);
            match known {
                Some((_, _, Setting::Key(key))) => {
                    messages.note(&place, &format!("not taken over; its place in config.yml is {key}"));
                }
                Some((_, _, Setting::Gone(why))) => messages.note(&place, &format!("not taken over: {why}")),
                None => messages.note(&place, "not taken over: docker_auth has no such key"),
            }
        }
    }
}
