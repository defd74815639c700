//! `lockgate import docker-auth`, against docker_auth's own answers: docker_auth_answers.txt says how it was asked.

use std::net::IpAddr;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockgate_config::Config;
use lockgate_registry::internals::auth::{AccessController, Decision, Scope, TokenRequest};
use lockgate_testkit::basic_auth;
use serde_json::Value;

use crate::harness::{PLAIN, Ran, Workdir};

const ANSWERS: &str = include_str!("docker_auth_answers.txt");

pub(crate) const SECRET: &str = "$2y$04$LYnVGvdTXngm6uDRqpRHPePecbOCz/V9WcMxsRkmZljkubx9O1L1u";
const EMPTY: &str = "$2y$04$G166b2E/CwODUpewyoLx/u5TXfeHpyPH2OsB5gARWkQd22jA5inBy";

const CONFIG: &str = "\
version: 0.1
storage: {filesystem: {rootdirectory: data}}
auth:
  htpasswd: {path: accounts}
  issuer: {path: /auth/token}
";

/// One configuration and what was asked of it.
struct Case<'a> {
    title: &'a str,
    yaml: String,
    code: i32,
    printed: &'a str,
    asked: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

fn cases() -> Vec<Case<'static>> {
    let cases = ANSWERS.split("\n## ").skip(1).map(|case| {
        let mut parts = case.split("```\n");
        let title = parts.next().unwrap().trim();
        let yaml = parts.next().unwrap_or_else(|| panic!("{title}: no configuration"));
        let yaml = yaml
            .replace("SECRET", &format!("'{SECRET}'"))
            .replace("EMPTY", &format!("'{EMPTY}'"));
        let mut lines = parts.next().unwrap().lines().filter(|line| !line.is_empty());
        let import = lines.next().unwrap().strip_prefix("import ").unwrap();
        let (code, printed) = import.split_once(' ').unwrap_or((import, ""));
        let mut rows = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
        Case {
            title,
            yaml,
            code: code.parse().unwrap(),
            printed,
            asked: rows.next().unwrap().split_off(1),
            rows: rows.collect(),
        }
    });
    cases.collect()
}

/// Who asks: account, password, address, service.
fn who(row: &str) -> (Option<String>, IpAddr, Option<String>) {
    let (row, service) = row
        .split_once('+')
        .map_or((row, None), |(row, service)| (row, Some(service.to_owned())));
    let (row, address) = row.split_once('#').unwrap_or((row, "192.0.2.7"));
    let (name, password) = row.split_once(':').unwrap_or((row, "secret"));
    let basic = || basic_auth(&format!("{name}:{password}"));
    ((name != "anonymous").then(basic), address.parse().unwrap(), service)
}

fn scope(asked: &str) -> Scope {
    let scope = match asked {
        "catalog" => "registry:catalog:*".to_owned(),
        repository => format!("repository:{repository}:pull,push,delete"),
    };
    scope.parse().unwrap_or_else(|error| panic!("{scope}: {error}"))
}

/// What the token has, in the words of the table.
async fn answer(access: &AccessController, row: &str, asked: &str) -> String {
    let (authorization, address, service) = who(row);
    let request = TokenRequest {
        service: service.clone(),
        scopes: vec![scope(asked)],
        ..TokenRequest::default()
    };
    let Ok(token) = access.token(request, authorization.as_deref(), address).await else {
        return "401".to_owned();
    };
    let token: Value = serde_json::from_str(&token.to_json()).unwrap();
    let claims = token["token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let actions: Vec<_> = claims["access"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|access| access["actions"].as_array().unwrap())
        .collect();
    let actions: Vec<_> = actions.into_iter().filter_map(Value::as_str).collect();
    if service.is_none() {
        assert_same_without_a_token(access, authorization.as_deref(), address, asked, &actions).await;
    }
    match actions.as_slice() {
        [] => "-".to_owned(),
        actions => actions.join(","),
    }
}

/// The password itself, sent with each request, allows the same.
async fn assert_same_without_a_token(
    access: &AccessController,
    authorization: Option<&str>,
    address: IpAddr,
    asked: &str,
    actions: &[&str],
) {
    let principal = access.authenticate(authorization, address).await.unwrap();
    for action in scope(asked).actions().names() {
        let single: Scope = match asked {
            "catalog" => format!("registry:catalog:{action}"),
            repository => format!("repository:{repository}:{action}"),
        }
        .parse()
        .unwrap();
        let granted = access.authorize(&principal, &single, address) == Decision::Granted;
        assert_eq!(granted, actions.contains(&action), "{authorization:?} {single}");
    }
}

/// Whether somebody with `ours` may do no more than somebody with `theirs`.
fn is_no_wider(ours: &str, theirs: &str) -> bool {
    let nothing = ["-", "401", "stopped", "crash"];
    nothing.contains(&ours)
        || ours
            .split(',')
            .all(|action| theirs.split(',').any(|their| their == action))
}

fn load(config: &Path) -> AccessController {
    let config = Config::load(config, &[]).unwrap();
    AccessController::new(&config.auth).unwrap()
}

// proves: MAKINA-05
#[test]
fn what_is_imported_means_what_it_meant_and_never_more() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for case in cases() {
        let workdir = Workdir::new();
        let config = workdir.write("config.yml", CONFIG);
        workdir.write("accounts", "");
        workdir.write("auth.yml", &case.yaml);
        let ran = workdir.run(&["import", "docker-auth", "auth.yml", "--config", "config.yml"]);
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        if ran.code != Some(case.code) || !printed.contains(case.printed) {
            wrong.push(format!("{}: {:?}, printed:\n{printed}", case.title, ran.code));
        }
        if case.code == 78 {
            assert_eq!(
                (workdir.read("config.yml").as_str(), workdir.read("accounts").as_str()),
                (CONFIG, "")
            );
            continue;
        }
        let access = load(&config);
        for row in &case.rows {
            for (asked, cell) in case.asked.iter().zip(&row[1..]) {
                let (theirs, ours) = cell.split_once('>').unwrap_or((cell, cell));
                assert!(is_no_wider(ours, theirs), "{}: {cell}", case.title);
                let answer = runtime.block_on(answer(&access, row[0], asked));
                compared += 1;
                if answer != ours {
                    wrong.push(format!(
                        "{}: {} on {asked} gets {answer}, not {cell}",
                        case.title, row[0]
                    ));
                }
            }
            assert_eq!(row.len(), case.asked.len() + 1, "{}: {row:?}", case.title);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 300, "{compared} answers were compared");
}

const RULES: &str = "\
users: {anna: {password: 'SECRET'}, '': {}}
acl:
  - {match: {account: anna}, actions: [pull]}
  - {match: {name: 'free'}, actions: [pull]}
";

fn rules(workdir: &Workdir) {
    workdir.write("auth.yml", &RULES.replace("SECRET", SECRET));
}

#[test]
fn a_running_registry_has_the_rules_before_it_has_the_accounts() {
    let workdir = Workdir::new();
    let config = format!("{PLAIN}auth:\n  htpasswd: {{path: accounts}}\n  issuer: true\n");
    workdir.write("config.yml", &config);
    workdir.write("accounts", "");
    let running = workdir.start(&["--config", "config.yml"]);
    rules(&workdir);
    let import = ["import", "docker-auth", "auth.yml", "--config", "config.yml"];
    let ran = workdir.run(&import).expect(0);
    let (reloaded, added) = (ran.stdout.find("reloaded"), ran.stdout.find("added account anna"));
    assert!(reloaded.is_some() && reloaded < added, "{}", ran.stdout);
    let basic = format!("Authorization: {}", basic_auth("anna:secret"));
    let begin = |authorization: &str| {
        let request = format!(
            "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: r\r\n{authorization}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        running.http(&request).split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(begin(&basic), "403", "anna may pull alone");
    assert_eq!(begin("X-Nobody: x"), "401");
}

#[test]
fn what_cannot_be_put_in_force_changes_nothing() {
    for (config, words) in [
        (
            CONFIG
                .replace(
                    "htpasswd: {path: accounts}",
                    "token: {realm: 'https://r/', service: s, issuer: i, jwks: j}",
                )
                .replace("  issuer: {path: /auth/token}\n", ""),
            "auth.htpasswd is not set",
        ),
        (
            CONFIG.replace("  issuer", "  acl: []\n  issuer"),
            "auth.acl is there already",
        ),
        (
            CONFIG.replace("  issuer", "  groups: {a: [b]}\n  issuer"),
            "auth.groups is there already",
        ),
        (
            CONFIG.replace("  issuer: {path: /auth/token}\n", ""),
            "which takes auth.issuer",
        ),
        (
            CONFIG.replace(
                "auth:\n  htpasswd: {path: accounts}\n  issuer: {path: /auth/token}\n",
                "auth: {htpasswd: {path: accounts}, issuer: true}\n",
            ),
            "by hand",
        ),
    ] {
        let workdir = Workdir::new();
        workdir.write("config.yml", &config);
        workdir.write("accounts", "");
        rules(&workdir);
        let before = workdir.files("");
        let ran = workdir
            .run(&["import", "docker-auth", "auth.yml", "--config", "config.yml"])
            .expect(78);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert_eq!(workdir.files(""), before, "{words}");
    }
}

#[test]
fn variables_that_would_change_the_rules_are_told() {
    let workdir = Workdir::new();
    workdir.write("config.yml", CONFIG);
    rules(&workdir);
    let mut command = workdir.command(&["import", "docker-auth", "auth.yml", "--config", "config.yml"]);
    command.env("REGISTRY_AUTH_ACL_3", "{match: {}, actions: ['*']}");
    let ran = Ran::of(command).expect(78);
    assert!(ran.stderr.contains("REGISTRY_AUTH_ACL"), "{}", ran.stderr);
    assert_eq!(workdir.read("config.yml"), CONFIG);
}

#[test]
fn an_account_that_is_there_is_told_of_also_when_its_user_cannot_log_in() {
    let workdir = Workdir::new();
    workdir.write("config.yml", CONFIG);
    workdir.write("accounts", &format!("anna:{SECRET}\nbert:{SECRET}\n"));
    workdir.write(
        "auth.yml",
        &format!("users: {{anna: {{password: '{SECRET}'}}, bert: {{password: x}}}}\nacl: []\n"),
    );
    let ran = workdir
        .run(&["import", "docker-auth", "auth.yml", "--config", "config.yml"])
        .expect(3);
    assert!(
        ran.stdout
            .contains("account anna was there already, its password stays"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("account bert was there already and stays"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr
            .contains("auth.yml: warning: users.bert.password: no account was made"),
        "{}",
        ran.stderr
    );
}
