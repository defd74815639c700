//! Tokens that are made here, taken by CNCF distribution as its `auth.token`.
//!
//! Runs against every distribution that is installed.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use lockgate_config::Config;
use lockgate_registry::accounts;
use lockgate_registry::internals::auth::{AccessController, TokenRequest};
use lockgate_testkit::certificates;
use rcgen::KeyPair;

use crate::distribution::{Distribution, installed_distributions};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// anna:secret
const ANNA: &str = "Basic YW5uYTpzZWNyZXQ=";

// proves: MAKINA-01
#[tokio::test]
async fn distribution_takes_tokens_made_here() {
    let home = tempfile::tempdir().unwrap();
    let access = issuer(home.path());
    let request = TokenRequest::from_query("service=distribution&scope=repository:mine:pull").unwrap();
    let token = access.token(request, Some(ANNA), HERE).await.unwrap().to_json();
    let token = serde_json::from_str::<serde_json::Value>(&token).unwrap()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    for (program, trust) in distributions() {
        let there = Distribution::serve(program, &configuration(home.path(), trust));
        let status = |target: &str, token: &str| {
            let authorization = format!("Bearer {token}");
            let headers = [("Authorization", authorization.as_str())];
            there.request("GET", target, &headers, b"").status
        };
        assert_eq!(status("/v2/", &token), 200, "{program} {trust}");
        assert_eq!(
            status("/v2/mine/tags/list", &token),
            404,
            "{program} {trust}: allowed, and not there"
        );
        assert_eq!(status("/v2/other/tags/list", &token), 401, "{program} {trust}");
        assert_eq!(status("/v2/", &token[..token.len() - 4]), 401, "{program} {trust}");
    }
}

/// A token server with one account, and what others need to trust it: `token.crt` and `jwks.json`.
fn issuer(home: &Path) -> AccessController {
    let hash = accounts::hash_password("secret").unwrap();
    fs::write(home.join("htpasswd"), format!("anna:{hash}\n")).unwrap();
    let yaml = "version: 0.1\nstorage: {filesystem: {rootdirectory: data}}\nhttp: {addr: 127.0.0.1:0}\n\
                auth: {htpasswd: {realm: r, path: htpasswd}, issuer: {issuer: lockgate, service: lockgate, key: token.key}}\n";
    fs::write(home.join("config.yml"), yaml).unwrap();
    let config = Config::load(&home.join("config.yml"), &[]).expect("a configuration without mistakes");
    let access = AccessController::new(&config.auth).unwrap();
    fs::write(home.join("jwks.json"), access.jwks().unwrap()).unwrap();
    let key = fs::read_to_string(home.join("token.key")).unwrap();
    let certificate = certificates::named("lockgate").self_signed(&KeyPair::from_pem(&key).unwrap());
    fs::write(home.join("token.crt"), certificate.unwrap().pem()).unwrap();
    access
}

/// Executables of distribution that are installed, each with the kinds of trust that it knows.
fn distributions() -> Vec<(&'static str, &'static str)> {
    let known = [
        ("docker-registry", "rootcertbundle: token.crt"),
        ("registry", "rootcertbundle: token.crt"),
        ("registry", "jwks: jwks.json"),
    ];
    let installed = installed_distributions();
    known
        .into_iter()
        .filter(|(program, _)| installed.contains(program))
        .collect()
}

fn configuration(home: &Path, trust: &str) -> PathBuf {
    let text = format!(
        "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\nstorage: {{inmemory: {{}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
         auth: {{token: {{realm: 'http://127.0.0.1/token', service: distribution, issuer: lockgate, {trust}}}}}\n"
    );
    let path = home.join("distribution.yml");
    fs::write(&path, text).unwrap();
    path
}
