//! From file and environment to a checked configuration.

use std::path::{Path, PathBuf};

use crate::diagnostics::{Diagnostic, Diagnostics, LoadError};
use crate::raw::{self, Node, ROOT, text};
use crate::typed::{Auth, Config, Health, Http, Log, Process, Section, Storage, Validation};

impl Config {
    /// Reads `path`, lets the `REGISTRY_*` variables among `environment` override it, and checks everything.
    ///
    /// The environment is injected, so tests set none. Nothing but `path` is touched: whether certificates or
    /// directories exist is found out by who uses them.
    pub fn load(path: &Path, environment: &[(String, String)]) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Unreadable {
            path: path.to_owned(),
            source,
        };
        Self::parse(path, &std::fs::read(path).map_err(unreadable)?, environment)
    }

    /// The text of `path`, whose `bytes` were read: what goes on to [`Config::parse`] and to other processes.
    pub fn text(path: &Path, bytes: &[u8]) -> Result<String, LoadError> {
        match text::decode(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(text::NotText { line, column, message }) => Err(LoadError::Syntax {
                path: path.to_owned(),
                line,
                column,
                message,
            }),
        }
    }

    /// The same for a file whose `bytes` were read before: processes that start at different times run with one text.
    pub fn parse(path: &Path, bytes: &[u8], environment: &[(String, String)]) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let base = directory(path).map_err(unreadable)?;
        let mut root = raw::parse(bytes).map_err(|error| LoadError::Syntax {
            path: path.to_owned(),
            line: error.line,
            column: error.column,
            message: error.message,
        })?;

        let diagnostics = Diagnostics::new(base);
        let variables = raw::override_from(environment, &mut root, &diagnostics);
        let overridden = raw::remove_overridden(&mut root);
        raw::check(&root, &diagnostics);
        let mut config = read(path, &root, &diagnostics);

        let (mut mistakes, mut warnings) = diagnostics.into_parts();
        sort(&root, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(LoadError::Mistakes {
                path: path.to_owned(),
                mistakes,
            });
        }
        sort(&root, &mut warnings);
        config.warnings = warnings;
        config.variables = variables;
        config.overridden = overridden;
        Ok(config)
    }
}

/// The typed sections; mistakes go to `diagnostics`, and defaults stand in for what is wrong.
fn read(path: &Path, root: &Node, diagnostics: &Diagnostics) -> Config {
    let root = Section::root(root, ROOT, diagnostics);
    version(&root);
    let http = Http::read(&root.section("http"));
    let auth = Auth::read(&root.section("auth"));
    warn_about_exposure(&root, &http, &auth);
    Config {
        path: path.to_owned(),
        warnings: Vec::new(),
        variables: Vec::new(),
        overridden: Vec::new(),
        log: Log::read(&root),
        storage: Storage::read(&root),
        http,
        auth,
        health: Health::read(&root.section("health")),
        validation: Validation::read(&root.section("validation")),
        process: Process::read(&root.section("process")),
    }
}

/// `version: 0.1` is the only one there is.
fn version(root: &Section<'_>) {
    const EXPECTED: &str = "expected 0.1, the version of distribution's configuration format";
    match root.text("version").as_deref() {
        Some("0.1") => {}
        Some(_) => root.mistake("version", EXPECTED),
        None => root.missing("version", EXPECTED),
    }
}

/// What is allowed and probably not meant.
fn warn_about_exposure(root: &Section<'_>, http: &Http, auth: &Auth) {
    if auth.htpasswd.is_none() && auth.token.is_none() {
        root.warning(
            "auth",
            "no accounts: whoever reaches the registry may pull, push and delete; set auth.htpasswd",
        );
    }
    let basic = auth.htpasswd.is_some();
    if basic && http.tls.is_none() && !http.addr.is_loopback() {
        root.section("http").warning(
            "tls",
            "not set: passwords cross the network in the clear unless a proxy in front terminates TLS",
        );
    }
    if http.tls.is_none() && is_realm_guessed(http, auth) {
        root.section("http").warning("host", GUESSED_REALM);
    }
    if is_realm_derived(auth) && http.host.as_ref().is_some_and(|host| is_plain(&host.to_string())) {
        root.section("http").warning("host", PLAIN_URL);
    }
    let own = auth.issuer.as_ref().and_then(|issuer| issuer.realm.as_deref());
    let others = auth.token.as_ref().map(|token| token.realm.as_str());
    for (section, realm) in [("issuer", own), ("token", others)] {
        if realm.is_some_and(is_plain) {
            root.section("auth").section(section).warning("realm", PLAIN_URL);
        }
    }
}

/// Whether others can read what clients send to `url`.
fn is_plain(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or_default();
    let is_loopback = ["localhost", "127.", "[::1]"].iter().any(|own| host.starts_with(own));
    !host.is_empty() && !is_loopback
}

const PLAIN_URL: &str = "begins with http://, so clients are told to send passwords there in the clear; write \
    https:// where a proxy in front terminates TLS";

/// Whether clients are sent for tokens to a URL that nothing but their own request says.
fn is_realm_guessed(http: &Http, auth: &Auth) -> bool {
    is_realm_derived(auth) && http.host.is_none() && http.trusted_proxies.is_empty()
}

/// Whether clients are sent for tokens to the public URL, whatever that is.
fn is_realm_derived(auth: &Auth) -> bool {
    let own_server = auth.issuer.as_ref().is_some_and(|issuer| issuer.realm.is_none());
    let own_path = auth.token.as_ref().is_some_and(|token| token.auto_redirect);
    own_server || own_path
}

const GUESSED_REALM: &str = "not set, and no http.trustedproxies: behind a proxy that terminates TLS and sends no \
    X-Forwarded-Proto, clients are told to send passwords to http://, in the clear; set http.host to the URL that \
    clients use, such as https://registry.example.com";

impl Config {
    /// The warning about a registry that serves alone, without the TLS that is configured.
    pub fn warning_without_tls(&self) -> Option<&'static str> {
        is_realm_guessed(&self.http, &self.auth).then_some(GUESSED_REALM)
    }
}

/// The directory that relative paths of `path` are relative to.
fn directory(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    Ok(absolute.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned))
}

/// Into the order of the file's keys; a missing key stands where its section begins.
fn sort(root: &Node, found: &mut [Diagnostic]) {
    let order = root.order();
    found.sort_by_cached_key(|mistake| {
        let mut key = mistake.key.as_str();
        loop {
            if let Some(position) = order.get(key) {
                return *position;
            }
            match key.rfind(['.', '[']) {
                Some(end) => key = &key[..end],
                None => return usize::MAX,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::raw::Shape;

    /// Every path of the table, as parts of a variable's name.
    fn paths(keys: &'static [raw::Key], above: &str, into: &mut Vec<String>) {
        for key in keys {
            let path = format!("{above}_{}", key.name.to_uppercase());
            match key.shape {
                Shape::List(below) => paths(below, &format!("{path}_0"), into),
                Shape::Open(_) | Shape::Any => into.push(format!("{path}_NAME")),
                shape => paths(shape.keys().unwrap_or(&[]), &path, into),
            }
            into.push(path);
        }
    }

    fn any_value() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,12}",
            prop::sample::select(vec![
                "",
                "~",
                "true",
                "false",
                "0",
                "-1",
                "99999999999999999999",
                "1.5",
                ".nan",
                "10s",
                "x",
                "/",
                "/x/",
                ":1",
                "[]",
                "{}",
                "[a, b]",
                "[[a]]",
                "{a: b}",
                "{a: [b]}",
                "[{a: b}]",
                "[null]",
                "[1, {}]",
                "{1: 2}",
                "'",
                "[",
                "*a",
            ])
            .prop_map(str::to_owned),
        ]
    }

    proptest! {
        /// Whatever any keys hold, there is a configuration or there are mistakes.
        #[test]
        fn never_panics(picks in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 0..12)) {
            let mut known = Vec::new();
            paths(ROOT, "REGISTRY", &mut known);
            let environment: Vec<_> =
                picks.iter().map(|(pick, value)| (known[pick.index(known.len())].clone(), value.clone())).collect();
            let result = Config::parse(Path::new("/config.yml"), b"", &environment);
            // There is no version, so there is at least that.
            let Err(LoadError::Mistakes { mistakes, .. }) = result else { panic!("it loads") };
            prop_assert!(mistakes.iter().any(|mistake| mistake.key == "version"));
        }
    }
}
