//! Guessing a password while the account's owner is logged in.

use std::path::Path;

use lockgate_registry::{Frontend, accounts};
use lockgate_testkit::{Answer, basic_auth};

use crate::harness::Served;

const YAML: &str = "\
storage: {filesystem: {rootdirectory: data}}
auth:
  htpasswd: {realm: r, path: htpasswd}
  issuer: {path: /auth/token}
";
const OWNER: &str = "192.0.2.1";
const STRANGER: &str = "198.51.100.7";
/// Guesses of a test: far more than may be tested while it runs.
const GUESSES: usize = 100;
/// What may be tested in a minute: docs/SECURITY.md.
const PER_MINUTE: usize = 10;

fn served() -> Served {
    Served::start(YAML, Frontend::Lockgate, |home: &Path| {
        let lines = [("anna", "right"), ("bert", "other")]
            .map(|(name, password)| format!("{name}:{}\n", accounts::hash_password(password).expect("a hash")));
        std::fs::write(home.join("htpasswd"), lines.concat()).expect("htpasswd");
    })
}

fn basic(account: &str, password: &str) -> String {
    basic_auth(&format!("{account}:{password}"))
}

/// As the proxy tells of a client at `address`.
fn ask(served: &Served, path: &str, authorization: &str, address: &str) -> Answer {
    let headers = [("Authorization", authorization), ("X-Forwarded-For", address)];
    served.send("GET", path, &headers, b"")
}

fn log_in(served: &Served, account: &str, password: &str, address: &str) -> Answer {
    ask(served, "/v2/", &basic(account, password), address)
}

/// Guesses at anna's password, on both doors in turn; gives how many were tested, and the last answer.
fn guess(served: &Served, address: &str) -> (usize, Answer) {
    let mut answers: Vec<Answer> = (0..GUESSES)
        .map(|number| {
            let path = ["/v2/", "/auth/token"][number % 2];
            ask(served, path, &basic("anna", &format!("guess {number}")), address)
        })
        .collect();
    let tested = answers.iter().filter(|answer| answer.status == 401).count();
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!(tested + refused, GUESSES);
    (tested, answers.pop().expect("an answer"))
}

/// All that an answer says, but for what is its own: the time and the name of the request.
fn content(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .cloned()
        .collect();
    headers.sort();
    (
        answer.status,
        headers,
        String::from_utf8_lossy(&answer.body).into_owned(),
    )
}

/// Right and wrong passwords of a paused account get the same answer; the seconds that are left may differ by one.
fn assert_right_looks_as_wrong(served: &Served, address: &str) {
    let same = (0..10).any(|_| {
        let wrong = paused_for_a_while(served, address);
        let right = log_in(served, "anna", "right", address);
        right.expect_error(429, "TOOMANYREQUESTS");
        content(&right) == content(&wrong)
    });
    assert!(same, "the answers differ");
}

/// Guesses until the pause outlives the next request.
fn paused_for_a_while(served: &Served, address: &str) -> Answer {
    loop {
        let wrong = log_in(served, "anna", "wrong", address);
        if wrong.status == 429 {
            let seconds: u64 = wrong.header("retry-after").parse().expect("seconds");
            assert!((1..=60).contains(&seconds), "{seconds}");
            if seconds > 1 {
                return wrong;
            }
        }
    }
}

#[test]
fn an_owner_who_is_logged_in_opens_nothing_to_a_guesser_elsewhere() {
    let served = served();
    log_in(&served, "anna", "right", OWNER).expect(200);
    let (tested, last) = guess(&served, STRANGER);
    assert!(tested <= PER_MINUTE, "{tested} passwords were tested");
    last.expect_error(429, "TOOMANYREQUESTS");
    assert_right_looks_as_wrong(&served, STRANGER);
    // The owner elsewhere notices nothing, at either door.
    log_in(&served, "anna", "right", OWNER).expect(200);
    ask(&served, "/auth/token", &basic("anna", "right"), OWNER).expect(200);
}

#[test]
fn behind_one_address_the_owner_waits_and_tokens_and_other_accounts_go_on() {
    let served = served();
    log_in(&served, "anna", "right", OWNER).expect(200);
    let issued = ask(&served, "/auth/token", &basic("anna", "right"), OWNER);
    let token = format!(
        "Bearer {}",
        issued.expect(200).json()["token"].as_str().expect("a token")
    );

    let (tested, last) = guess(&served, OWNER);
    assert!(tested <= PER_MINUTE, "{tested} passwords were tested");
    last.expect_error(429, "TOOMANYREQUESTS");
    assert_right_looks_as_wrong(&served, OWNER);
    ask(&served, "/v2/", &token, OWNER).expect(200);
    log_in(&served, "bert", "other", OWNER).expect(200);

    // One password tried on many accounts: every login of the address waits, tokens do not.
    for number in 0..GUESSES {
        log_in(&served, &format!("account{number}"), "guess", OWNER);
    }
    log_in(&served, "bert", "other", OWNER).expect_error(429, "TOOMANYREQUESTS");
    log_in(&served, "nobody", "other", OWNER).expect_error(429, "TOOMANYREQUESTS");
    ask(&served, "/v2/", &token, OWNER).expect(200);
    log_in(&served, "bert", "other", STRANGER).expect(200);
}
