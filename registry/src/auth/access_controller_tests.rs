//! Access control as a whole, over files in a temporary directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lockgate_config::{AclMatch, AclRule, Anonymous, Htpasswd, Issuer};
use serde_json::Value;

use super::super::error::AuthErrorKind;
use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// `secret`
const SECRET: &str = "$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/";
/// `a`
const OTHER: &str = "$apr1$x$16j9.5e7KiXmuYFAYpPJM/";

struct Fixture {
    directory: tempfile::TempDir,
    auth: Auth,
    access: AccessController,
}

impl Fixture {
    /// Accounts anna, bert and carl with the password `secret`, and what `change` makes of the rest.
    fn new(change: impl FnOnce(&mut Auth)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("htpasswd");
        std::fs::write(&path, format!("anna:{SECRET}\nbert:{SECRET}\ncarl:{SECRET}\n")).unwrap();
        let mut auth = Auth {
            htpasswd: Some(Htpasswd {
                realm: "Here".into(),
                path,
            }),
            ..Auth::default()
        };
        change(&mut auth);
        if let Some(issuer) = &mut auth.issuer {
            issuer.key = directory.path().join("token.key");
        }
        let access = AccessController::new(&auth).unwrap();
        Self {
            directory,
            auth,
            access,
        }
    }

    fn with_issuer(change: impl FnOnce(&mut Auth)) -> Self {
        Self::new(|auth| {
            auth.issuer = Some(issuer());
            change(auth);
        })
    }

    fn write_accounts(&self, text: String) {
        std::fs::write(self.directory.path().join("htpasswd"), text).unwrap();
        // A look at the file is due once a second; a reload with another path looks at once.
        let mut auth = self.auth.clone();
        let entries = std::fs::read_dir(self.directory.path()).unwrap().count();
        let other = self.directory.path().join(format!("htpasswd{entries}"));
        std::fs::copy(self.directory.path().join("htpasswd"), &other).unwrap();
        auth.htpasswd.as_mut().unwrap().path = other;
        self.access.reload(&auth).unwrap();
    }

    async fn basic(&self, account: &str, password: &str) -> Result<Principal, AuthError> {
        self.access.authenticate(Some(&basic(account, password)), HERE).await
    }

    async fn bearer(&self, token: &str) -> Result<Principal, AuthError> {
        self.access.authenticate(Some(&format!("Bearer {token}")), HERE).await
    }

    /// The token that `account` gets for `query`.
    async fn token(&self, account: Option<&str>, query: &str) -> Result<String, AuthError> {
        let authorization = account.map(|account| basic(account, "secret"));
        let request = TokenRequest::from_query(query).unwrap();
        let response = self.access.token(request, authorization.as_deref(), HERE).await?;
        let json: Value = serde_json::from_str(&response.to_json()).unwrap();
        assert_eq!(json["token"], json["access_token"]);
        Ok(json["token"].as_str().unwrap().to_owned())
    }

    fn decide(&self, principal: &Principal, scope: &str) -> Decision {
        self.access.authorize(principal, &scope.parse().unwrap(), HERE)
    }
}

fn issuer() -> Issuer {
    Issuer {
        issuer: "lockgate".into(),
        service: "registry.example".into(),
        realm: None,
        path: "/auth/token".into(),
        expiration: Duration::from_secs(300),
        key: PathBuf::new(),
    }
}

fn basic(account: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{account}:{password}")))
}

/// anna: everything; bert: pull from `team/*`; everybody: pull from `public`.
fn rules(auth: &mut Auth) {
    let rule = |account: &str, name: &str, actions: &[&str]| AclRule {
        matches: AclMatch {
            account: Some(account.parse().unwrap()),
            name: (!name.is_empty()).then(|| name.parse().unwrap()),
            ..AclMatch::default()
        },
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
        comment: None,
    };
    auth.acl = Some(vec![
        rule("anna", "", &["*"]),
        rule("bert", "team/*", &["pull"]),
        rule("bert", "catalog", &["*"]),
        rule("", "public", &["pull", "push"]),
    ]);
    auth.groups = BTreeMap::new();
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn without_any_auth_everybody_may_do_everything() {
    let access = AccessController::new(&Auth::default()).unwrap();
    let principal = access.authenticate(Some("Basic nonsense"), HERE).await.unwrap();
    for scope in ["repository:a:pull,push,delete", "registry:catalog:*"] {
        assert_eq!(
            access.authorize(&principal, &scope.parse().unwrap(), HERE),
            Decision::Granted
        );
    }
    assert_eq!(access.ping(&principal), Decision::Granted);
    assert_eq!((access.jwks(), access.token_path()), (None, None));
}

// proves: MAKINA-03, SECURE-08
#[tokio::test]
async fn accounts_may_do_everything_and_nobody_else_anything() {
    let fixture = Fixture::new(|_| {});
    let anna = fixture.basic("anna", "secret").await.unwrap();
    assert_eq!(anna.account(), Some("anna"));
    for scope in ["repository:a:pull,push,delete", "registry:catalog:*"] {
        assert_eq!(fixture.decide(&anna, scope), Decision::Granted);
        assert_eq!(fixture.decide(&Principal::ANONYMOUS, scope), Decision::NeedsLogin);
    }
    assert_eq!(fixture.access.ping(&Principal::ANONYMOUS), Decision::NeedsLogin);
    assert_eq!(
        fixture.access.challenge(&[], "https://r", ChallengeError::None),
        ["Basic realm=\"Here\""]
    );
}

#[tokio::test]
async fn refusals_tell_the_client_nothing_and_the_log_no_secret() {
    let fixture = Fixture::with_issuer(|_| {});
    let wrong = fixture.basic("anna", "hunter2").await.unwrap_err();
    let unknown = fixture.basic("hunter2", "hunter2").await.unwrap_err();
    assert_eq!(wrong.message, unknown.message);
    assert_eq!(wrong.kind, unknown.kind);
    let forged = fixture.bearer("hunter2.hunter2.hunter2").await.unwrap_err();
    let malformed = fixture
        .access
        .authenticate(Some("Basic hunter2!"), HERE)
        .await
        .unwrap_err();
    for refusal in [wrong, unknown, forged, malformed] {
        assert!(matches!(refusal.kind, AuthErrorKind::Unauthorized { .. }));
        assert!(
            !format!("{refusal:?} {refusal} {}", refusal.message).contains("hunter2"),
            "{refusal:?}"
        );
    }
}

// proves: MOSI-10, MAKINA-04
#[tokio::test]
async fn rules_hold_for_basic_credentials() {
    let fixture = Fixture::new(rules);
    let (anna, bert) = (
        fixture.basic("anna", "secret").await.unwrap(),
        fixture.basic("bert", "secret").await.unwrap(),
    );
    let carl = fixture.basic("carl", "secret").await.unwrap();
    for (principal, scope, expected) in [
        (&anna, "repository:x:pull,push,delete", Decision::Granted),
        (&bert, "repository:team/app:pull", Decision::Granted),
        (&bert, "repository:team/app:pull,push", Decision::Denied),
        (&bert, "repository:other:pull", Decision::Denied),
        (&carl, "repository:team/app:pull", Decision::Denied),
        (&Principal::ANONYMOUS, "repository:public:pull", Decision::Granted),
        (&Principal::ANONYMOUS, "repository:public:push", Decision::NeedsLogin),
        (&Principal::ANONYMOUS, "repository:team/app:pull", Decision::NeedsLogin),
    ] {
        assert_eq!(fixture.decide(principal, scope), expected, "{principal:?} {scope}");
    }
}

// proves: MAKINA-01, MAKINA-07
#[tokio::test]
async fn a_token_says_what_was_granted_and_is_good_for_that_alone() {
    let fixture = Fixture::with_issuer(rules);
    let query = "service=registry.example&scope=repository:team/app:pull,push&scope=repository:other:pull&account=bert";
    let token = fixture.token(Some("bert"), query).await.unwrap();
    let claims = claims(&token);
    assert_eq!(
        (&claims["iss"], &claims["sub"], &claims["aud"]),
        (&"lockgate".into(), &"bert".into(), &"registry.example".into())
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(
        claims["access"],
        serde_json::json!([{"type": "repository", "name": "team/app", "actions": ["pull"]}])
    );
    assert_ne!(claims["jti"], Value::Null);

    let bert = fixture.bearer(&token).await.unwrap();
    assert!(bert.by_token() && bert.account() == Some("bert"));
    assert_eq!(fixture.decide(&bert, "repository:team/app:pull"), Decision::Granted);
    for scope in [
        "repository:team/app:push",
        "repository:team/other:pull",
        "repository:team:pull",
        "registry:team/app:pull",
    ] {
        assert_eq!(fixture.decide(&bert, scope), Decision::NeedsLogin, "{scope}");
    }
    assert_eq!(fixture.access.ping(&bert), Decision::Granted);
}

#[tokio::test]
async fn a_token_for_another_service_is_made_and_not_accepted_here() {
    let fixture = Fixture::with_issuer(|_| {});
    let token = fixture
        .token(Some("anna"), "service=elsewhere&scope=repository:a:pull")
        .await
        .unwrap();
    assert_eq!(claims(&token)["aud"], "elsewhere");
    let refusal = fixture.bearer(&token).await.unwrap_err();
    assert_eq!(refusal.kind, AuthErrorKind::Unauthorized { invalid_token: true });
}

#[tokio::test]
async fn a_token_dies_with_its_account_and_with_its_password() {
    let fixture = Fixture::with_issuer(|_| {});
    let token = fixture.token(Some("anna"), "scope=repository:a:pull").await.unwrap();
    fixture.bearer(&token).await.unwrap();
    fixture.write_accounts(format!("# touched\nanna:{SECRET}\n"));
    fixture.bearer(&token).await.unwrap();
    fixture.write_accounts(format!("anna:{OTHER}\n"));
    assert!(fixture.bearer(&token).await.is_err(), "the password changed");
    fixture.write_accounts(format!("bert:{SECRET}\n"));
    assert!(fixture.bearer(&token).await.is_err(), "the account is gone");
    fixture.write_accounts(format!("anna:{SECRET}\n"));
    fixture.bearer(&token).await.unwrap();
}

#[tokio::test]
async fn a_token_outlives_a_restart_and_not_another_key() {
    let fixture = Fixture::with_issuer(|_| {});
    let token = fixture.token(Some("anna"), "scope=repository:a:pull").await.unwrap();
    let restarted = AccessController::new(&fixture.auth).unwrap();
    restarted
        .authenticate(Some(&format!("bearer {token}")), HERE)
        .await
        .unwrap();
    std::fs::remove_file(&fixture.auth.issuer.as_ref().unwrap().key).unwrap();
    fixture.access.reload(&fixture.auth).unwrap();
    assert!(fixture.bearer(&token).await.is_err());
}

// proves: MAKINA-03
#[tokio::test]
async fn nobody_gets_a_token_where_nothing_is_open() {
    let closed = Fixture::with_issuer(|_| {});
    let refusal = closed.token(None, "scope=repository:a:pull").await.unwrap_err();
    assert_eq!(refusal.kind, AuthErrorKind::Unauthorized { invalid_token: false });
    assert_eq!(closed.access.token_challenge(), "Basic realm=\"Here\"");
}

// proves: MOSI-11
#[tokio::test]
async fn somebody_not_logged_in_gets_a_token_for_what_is_open() {
    let fixture = Fixture::with_issuer(|auth| {
        auth.anonymous = Some(Anonymous {
            pull: vec!["free/**".parse().unwrap()],
        })
    });
    let token = fixture
        .token(None, "scope=repository:free/a/b:pull,push&scope=repository:x:pull")
        .await
        .unwrap();
    assert_eq!(
        (&claims(&token)["sub"], &claims(&token)["access"][1]),
        (&"".into(), &Value::Null)
    );
    let nobody = fixture.bearer(&token).await.unwrap();
    assert_eq!(nobody.account(), None);
    assert_eq!(fixture.decide(&nobody, "repository:free/a/b:pull"), Decision::Granted);
    assert_eq!(
        fixture.decide(&nobody, "repository:free/a/b:push"),
        Decision::NeedsLogin
    );
    assert_eq!(fixture.access.ping(&nobody), Decision::Granted);
    assert_eq!(fixture.access.ping(&Principal::ANONYMOUS), Decision::NeedsLogin);
}

#[tokio::test]
async fn token_requests_with_bad_credentials_are_refused() {
    let fixture = Fixture::with_issuer(|_| {});
    let ask = async |query: &str, authorization: Option<String>| {
        let request = TokenRequest::from_query(query).unwrap();
        fixture
            .access
            .token(request, authorization.as_deref(), HERE)
            .await
            .map(drop)
            .map_err(|refusal| refusal.kind)
    };
    let unauthorized = Err(AuthErrorKind::Unauthorized { invalid_token: false });
    assert_eq!(ask("", Some(basic("anna", "wrong"))).await, unauthorized);
    assert_eq!(ask("", Some("Bearer x".into())).await, unauthorized);
    assert_eq!(ask("", Some("nonsense".into())).await, unauthorized);
    assert_eq!(
        ask("account=bert", Some(basic("anna", "secret"))).await,
        Err(AuthErrorKind::Malformed)
    );
    assert_eq!(
        ask("account=anna&offline_token=true", Some(basic("anna", "secret"))).await,
        Ok(())
    );

    let form = b"grant_type=password&username=anna&password=secret&service=registry.example&scope=repository:a:pull";
    fixture
        .access
        .token(TokenRequest::from_post("", form, false).unwrap(), None, HERE)
        .await
        .unwrap();
    let form = b"grant_type=password&username=anna&password=wrong";
    let refused = fixture
        .access
        .token(TokenRequest::from_post("", form, false).unwrap(), None, HERE)
        .await;
    assert_eq!(
        refused.unwrap_err().kind,
        AuthErrorKind::Unauthorized { invalid_token: false }
    );
}

// proves: MAKINA-06
#[tokio::test]
async fn a_list_shows_what_its_reader_may_pull_whatever_the_token_names() {
    let fixture = Fixture::with_issuer(rules);
    let token = fixture.token(Some("bert"), "scope=registry:catalog:*").await.unwrap();
    let by_token = fixture.bearer(&token).await.unwrap();
    assert_eq!(fixture.decide(&by_token, "registry:catalog:*"), Decision::Granted);
    let by_password = fixture.basic("bert", "secret").await.unwrap();
    for principal in [&by_token, &by_password] {
        let knows = |name: &str| fixture.access.may_know_of(principal, &name.parse().unwrap(), HERE);
        assert!(knows("team/app") && !knows("other") && !knows("team/app/deep"));
    }
}

// proves: MAKINA-02
#[tokio::test]
async fn the_challenge_is_bearer_alone_with_a_settable_path_and_basic_is_accepted() {
    let fixture = Fixture::with_issuer(|auth| auth.issuer.as_mut().unwrap().path = "/authserver/auth".into());
    let scope = "repository:a/b:pull".parse().unwrap();
    assert_eq!(
        fixture
            .access
            .challenge(&[scope], "https://r.example:5443/", ChallengeError::None),
        [
            "Bearer realm=\"https://r.example:5443/authserver/auth\",service=\"registry.example\",scope=\"repository:a/b:pull\""
        ]
    );
    assert_eq!(fixture.access.token_path().as_deref(), Some("/authserver/auth"));
    fixture.basic("anna", "secret").await.unwrap();
    let fixed = Fixture::with_issuer(|auth| auth.issuer.as_mut().unwrap().realm = Some("https://x/t".into()));
    assert_eq!(
        fixed.access.challenge(&[], "https://r", ChallengeError::InvalidToken),
        ["Bearer realm=\"https://x/t\",service=\"registry.example\",error=\"invalid_token\""]
    );
}

// proves: MAKINA-18
#[tokio::test]
async fn the_token_key_is_made_private_once_and_published_as_a_key_set() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::with_issuer(|_| {});
    let path = &fixture.auth.issuer.as_ref().unwrap().key;
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
    let before = std::fs::read(path).unwrap();
    let jwks: Value = serde_json::from_str(&fixture.access.jwks().unwrap()).unwrap();
    let token = fixture.token(Some("anna"), "").await.unwrap();
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(
        (&header["alg"], &header["kid"]),
        (&"ES256".into(), &jwks["keys"][0]["kid"])
    );
    assert_eq!(jwks["keys"][0].get("d"), None);
    AccessController::new(&fixture.auth).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), before);
    assert_eq!(
        std::fs::read_dir(fixture.directory.path()).unwrap().count(),
        2,
        "nothing else is left"
    );
}

#[tokio::test]
async fn a_bad_configuration_leaves_the_old_one_in_force() {
    let fixture = Fixture::with_issuer(rules);
    let mut bad = fixture.auth.clone();
    bad.htpasswd.as_mut().unwrap().path = "/nowhere".into();
    let error = fixture.access.reload(&bad).unwrap_err().to_string();
    assert!(error.starts_with("auth.htpasswd.path: /nowhere: "), "{error}");
    assert!(error.contains("lockgate user add"), "{error}");
    let mut bad = fixture.auth.clone();
    bad.acl.as_mut().unwrap()[1].actions = vec!["pul".into()];
    assert!(
        fixture
            .access
            .reload(&bad)
            .unwrap_err()
            .to_string()
            .starts_with("auth.acl[1].actions: ")
    );
    let mut bad = fixture.auth.clone();
    bad.issuer.as_mut().unwrap().key = fixture.auth.htpasswd.as_ref().unwrap().path.clone();
    assert!(
        fixture
            .access
            .reload(&bad)
            .unwrap_err()
            .to_string()
            .contains("expected an EC P-256 private key")
    );
    fixture.basic("anna", "secret").await.unwrap();
}

#[tokio::test]
async fn a_throttled_login_says_when_to_come_back() {
    let fixture = Fixture::new(|_| {});
    for _ in 0..5 {
        assert!(matches!(
            fixture.basic("anna", "x").await.unwrap_err().kind,
            AuthErrorKind::Unauthorized { .. }
        ));
    }
    let refusal = fixture.basic("anna", "secret").await.unwrap_err();
    assert_eq!(
        refusal.kind,
        AuthErrorKind::Throttled {
            retry_after: Duration::from_secs(1)
        }
    );
}
