//! Requests for tokens: distribution's GET ("token.md") and OAuth 2's password grant by POST ("oauth.md").

use std::sync::Arc;
use std::time::Duration;

use lockgate_config::Secret;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::auth::policy::Principal;
use crate::auth::policy::Scope;

/// More is no client's wish, and makes a token that fits no header.
const MAX_SCOPES: usize = 50;

/// What a client wants a token for. `Debug` shows no password.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// The service that the token is for; the own one unless given.
    pub service: Option<String>,
    /// What it shall allow. Scopes that are none, which could only be refused, are left out.
    pub scopes: Vec<Scope>,
    /// The account that the client says it is; must be the one of the credentials.
    pub account: Option<String>,
    /// The credentials of a password grant; a GET has them in its `Authorization` header.
    pub password: Option<(String, Secret)>,
}

impl TokenRequest {
    /// Of a GET's query, without the `?`: `service`, `scope` (repeated, or separated by spaces), `account`.
    ///
    /// `offline_token` and `client_id` are accepted and mean nothing: no refresh tokens are issued, and docker would
    /// go on with POST if they were.
    pub fn from_query(query: &str) -> Result<Self, InvalidTokenRequest> {
        let mut request = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            request.take(&name, &value)?;
        }
        Ok(request)
    }

    /// Of a POST: its form has `grant_type=password`, `username`, `password`, and the GET's parameters, which may be in
    /// the query too. Where there are Basic credentials (`has_basic`) and no `username`, it is what a GET would be, as in
    /// docker_auth.
    pub fn from_post(query: &str, form: &[u8], has_basic: bool) -> Result<Self, InvalidTokenRequest> {
        let (mut request, mut grant, mut username, mut password) = (Self::from_query(query)?, None, None, None);
        for (name, value) in form_urlencoded::parse(form) {
            match name.as_ref() {
                "grant_type" => grant = Some(value),
                "username" => username = Some(value.into_owned()),
                "password" => password = Some(Secret::new(value)),
                name => request.take(name, &value)?,
            }
        }
        match (grant.as_deref(), username, password) {
            (Some("password"), Some(username), Some(password)) => request.password = Some((username, password)),
            (None | Some("password"), None, None) if has_basic => {}
            (Some("password"), ..) => {
                return Err(InvalidTokenRequest("the password grant takes username and password"));
            }
            _ => {
                return Err(InvalidTokenRequest(
                    "expected grant_type=password; no refresh tokens are issued",
                ));
            }
        }
        Ok(request)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), InvalidTokenRequest> {
        match name {
            "service" if !value.is_empty() => self.service = Some(value.to_owned()),
            "account" if !value.is_empty() => self.account = Some(value.to_owned()),
            "scope" => self
                .scopes
                .extend(value.split_ascii_whitespace().filter_map(|scope| scope.parse().ok())),
            _ => {}
        }
        if self.scopes.len() > MAX_SCOPES {
            return Err(InvalidTokenRequest("a token has at most 50 scopes"));
        }
        Ok(())
    }
}

/// A token request that cannot be understood; the text is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTokenRequest(&'static str);

impl InvalidTokenRequest {
    pub(in crate::auth) fn text(self) -> &'static str {
        self.0
    }
}

/// A token, for the client. `Debug` does not show it.
#[derive(Clone)]
pub struct TokenResponse {
    pub(super) token: String,
    pub(super) expires_in: Duration,
    pub(super) issued_at: OffsetDateTime,
    pub(super) account: Option<Arc<str>>,
}

impl TokenResponse {
    /// Who logged in for it.
    pub fn principal(&self) -> Principal {
        Principal {
            account: self.account.clone(),
            grants: None,
        }
    }

    /// The body, `application/json`. The token under both names: distribution's and OAuth 2's.
    pub fn to_json(&self) -> String {
        let issued_at = self
            .issued_at
            .format(&Rfc3339)
            .expect("the present has four digits in its year");
        json!({
            "token": self.token,
            "access_token": self.token,
            "expires_in": self.expires_in.as_secs(),
            "issued_at": issued_at,
        })
        .to_string()
    }
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenResponse([redacted], {:?})", self.expires_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(request: &TokenRequest) -> Vec<String> {
        request.scopes.iter().map(Scope::to_string).collect()
    }

    #[test]
    fn queries_of_docker_containerd_and_podman_are_read() {
        let docker = "account=anna&client_id=docker&offline_token=true&service=r.example%3A5443";
        let request = TokenRequest::from_query(docker).unwrap();
        assert_eq!(
            (request.account.as_deref(), request.service.as_deref()),
            (Some("anna"), Some("r.example:5443"))
        );
        assert!(request.scopes.is_empty() && request.password.is_none());

        let two = "scope=repository%3Aa%2Fb%3Apull&scope=repository%3Ac%3Apull%2Cpush&service=lockgate";
        assert_eq!(
            scopes(&TokenRequest::from_query(two).unwrap()),
            ["repository:a/b:pull", "repository:c:pull,push"]
        );
        let spaced = "scope=repository:a:pull+repository:b:pull%20registry:catalog:*";
        let expected = ["repository:a:pull", "repository:b:pull", "registry:catalog:*"];
        assert_eq!(scopes(&TokenRequest::from_query(spaced).unwrap()), expected);
        assert_eq!(
            scopes(&TokenRequest::from_query("scope=&scope=repository:../a:pull&scope=x").unwrap()),
            [""; 0]
        );
        assert!(TokenRequest::from_query(&"scope=repository:a:pull&".repeat(51)).is_err());
    }

    #[test]
    fn the_password_grant_is_read_and_no_other() {
        let form = b"grant_type=password&username=anna&password=se%3Acret+%C3%BC&service=lockgate&client_id=x&access_type=offline&scope=repository:a:pull+repository:b:push";
        let request = TokenRequest::from_post("", form, false).unwrap();
        let (account, password) = request.password.as_ref().unwrap();
        assert_eq!((account.as_str(), password.reveal()), ("anna", "se:cret ü"));
        assert_eq!(scopes(&request), ["repository:a:pull", "repository:b:push"]);
        assert!(!format!("{request:?}").contains("cret"));
        for form in [
            "",
            "grant_type=password",
            "grant_type=password&username=a",
            "grant_type=refresh_token&refresh_token=x",
            "username=a&password=b",
        ] {
            let refused = TokenRequest::from_post("", form.as_bytes(), false).unwrap_err();
            assert!(refused.text().contains("grant"), "{form}: {refused}");
        }
    }

    #[test]
    fn a_post_with_basic_credentials_and_no_username_is_as_a_get() {
        let scoped = "service=lockgate&scope=repository:a:pull";
        for (query, form) in [
            (scoped, String::new()),
            ("", scoped.to_owned()),
            ("", format!("grant_type=password&{scoped}")),
            ("scope=repository:a:pull", "service=lockgate".to_owned()),
        ] {
            let request = TokenRequest::from_post(query, form.as_bytes(), true).unwrap();
            assert!(request.password.is_none());
            assert_eq!(request.service.as_deref(), Some("lockgate"), "{form}");
            assert_eq!(scopes(&request), ["repository:a:pull"], "{form}");
        }
        // What the form says of an account wins, and half of it is a mistake.
        let form = b"grant_type=password&username=anna&password=x";
        assert!(TokenRequest::from_post("", form, true).unwrap().password.is_some());
        for form in [
            "grant_type=password&username=a",
            "username=a",
            "username=a&password=b",
            "grant_type=refresh_token&refresh_token=x",
        ] {
            assert!(TokenRequest::from_post("", form.as_bytes(), true).is_err(), "{form}");
        }
        // Passwords are not for a query.
        let query = "grant_type=password&username=anna&password=x";
        assert!(TokenRequest::from_post(query, b"", false).is_err());
    }
}
