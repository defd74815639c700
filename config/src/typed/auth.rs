//! `auth`

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::acl::{self, AclRule};
use super::section::Section;
use super::tokens::{ExternalTokens, Issuer};
use crate::pattern::{PolicyPattern, RulePattern};

/// `auth`: all of it optional; without any, everybody may do everything, and a warning says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// `auth.htpasswd`
    pub htpasswd: Option<Htpasswd>,
    /// `auth.token`: an external token server. Excludes `issuer`.
    pub token: Option<ExternalTokens>,
    /// `auth.issuer` (extension): the built-in token server. Needs `htpasswd`.
    pub issuer: Option<Issuer>,
    /// `auth.acl` (extension): docker_auth's ordered rules. `None`: every account may do everything.
    pub acl: Option<Vec<AclRule>>,
    /// `auth.groups` (extension): group name -> accounts.
    pub groups: BTreeMap<String, Vec<String>>,
    /// `auth.anonymous` (extension): repository patterns that may be pulled without login.
    pub anonymous: Option<Anonymous>,
}

/// `auth.htpasswd`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Htpasswd {
    /// `realm`; `Lockgate` unless set.
    pub realm: String,
    /// `path`, absolute.
    pub path: PathBuf,
}

/// `auth.anonymous` (extension)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anonymous {
    /// `pull`: repositories that anybody may pull.
    pub pull: Vec<PolicyPattern>,
}

impl Auth {
    /// Whether there are no accounts and no tokens: everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.htpasswd.is_none() && self.token.is_none() && self.issuer.is_none()
    }

    pub(crate) fn read(auth: &Section<'_>) -> Self {
        let read = Self {
            htpasswd: auth
                .names("htpasswd")
                .then(|| Htpasswd::read(&auth.section("htpasswd")))
                .flatten(),
            token: auth
                .names("token")
                .then(|| ExternalTokens::read(&auth.section("token"))),
            issuer: auth.switch("issuer").then(|| Issuer::read(&auth.section("issuer"))),
            acl: acl::read(auth),
            groups: auth.lists_by_name("groups").into_iter().collect(),
            anonymous: Anonymous::read(&auth.section("anonymous")),
        };
        read.check(auth);
        read
    }

    /// What fits each for itself and not together. Asks what is written rather than what was read: a section with a
    /// mistake of its own is there nevertheless.
    fn check(&self, auth: &Section<'_>) {
        let tokens = self.issuer.is_some() || auth.names("token");
        if self.issuer.is_some() && auth.names("token") {
            auth.mistake("issuer", "expected either this or auth.token: one server issues tokens");
        }
        if self.issuer.is_some() && !auth.names("htpasswd") {
            auth.mistake(
                "issuer",
                "expected auth.htpasswd besides: the accounts that tokens are issued to",
            );
        }
        if auth.names("none") && (auth.names("htpasswd") || tokens) {
            auth.mistake("none", "expected alone: it says that there is no access control");
        }
        if self.anonymous.is_some() && !tokens {
            auth.mistake("anonymous", NEEDS_TOKENS);
        }
        match &self.acl {
            Some(rules) => check_rules(auth, rules, tokens),
            None if !self.groups.is_empty() => auth.warning("groups", "without effect: auth.acl is not set"),
            None => {}
        }
    }
}

const NEEDS_TOKENS: &str =
    "expected auth.issuer besides: docker asks for a login unless tokens are issued to those without one";

/// Whether the rules have anybody to be about.
fn check_rules(auth: &Section<'_>, rules: &[AclRule], tokens: bool) {
    if !tokens && !auth.names("htpasswd") {
        auth.mistake(
            "acl",
            "expected auth.htpasswd besides: the accounts that the rules are about",
        );
    } else if rules.is_empty() {
        auth.warning("acl", "holds no rule, so nobody may do anything");
    }
    let items = auth.items("acl");
    for (item, rule) in items.iter().zip(rules) {
        if !tokens && rule.matches.account.as_ref().map(RulePattern::as_str) == Some("") {
            item.section("match").mistake("account", NEEDS_TOKENS);
        }
    }
}

impl Htpasswd {
    fn read(htpasswd: &Section<'_>) -> Option<Self> {
        htpasswd.missing("path", "expected the file of accounts, one name:hash a line");
        let realm = htpasswd.parse_with("realm", |realm| match realm.chars().any(char::is_control) {
            false => Ok(realm.to_owned()),
            true => Err("expected a text without line breaks and control characters"),
        });
        Some(Self {
            realm: realm.unwrap_or_else(|| "Lockgate".into()),
            path: htpasswd.path("path")?,
        })
    }
}

impl Anonymous {
    /// `None` when nothing may be pulled.
    fn read(anonymous: &Section<'_>) -> Option<Self> {
        let pull = anonymous.parse_each("pull", str::parse);
        (!pull.is_empty()).then_some(Self { pull })
    }
}
