//! `auth.acl`: docker_auth's ordered rules.

use std::collections::BTreeMap;

use super::network::Network;
use super::section::Section;
use crate::pattern::{PatternError, RulePattern};

/// One rule of `auth.acl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclRule {
    /// `match`: every field given must match.
    pub matches: AclMatch,
    /// `actions`: `pull`, `push`, `delete`, `*`; empty = deny.
    pub actions: Vec<String>,
    /// `comment`
    pub comment: Option<String>,
}

/// `auth.acl[].match`: every field that is there has to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AclMatch {
    /// Account: glob or `/regex/`; `""` = not logged in.
    pub account: Option<RulePattern>,
    /// Scope type: `repository` or `registry`.
    pub r#type: Option<RulePattern>,
    /// Pattern of the repository's name.
    pub name: Option<RulePattern>,
    /// Address or network of the client.
    pub ip: Option<Network>,
    /// Service of the token request.
    pub service: Option<RulePattern>,
    /// Labels; `group` is the account's groups.
    pub labels: BTreeMap<String, RulePattern>,
}

/// `None` when the key is not there; an empty list denies everything.
pub(super) fn read(auth: &Section<'_>) -> Option<Vec<AclRule>> {
    auth.has("acl")
        .then(|| auth.items("acl").iter().map(AclRule::read).collect())
}

impl AclRule {
    fn read(rule: &Section<'_>) -> Self {
        // A rule without `actions` would deny, which nobody means who forgets the line.
        rule.missing("actions", "expected pull, push, delete or \"*\", or [] to deny");
        let actions = rule.parse_each("actions", |action| match action {
            "pull" | "push" | "delete" | "*" => Ok(action.to_owned()),
            _ => Err("expected pull, push, delete or \"*\""),
        });
        Self {
            matches: AclMatch::read(&rule.section("match")),
            actions,
            comment: rule.text("comment"),
        }
    }
}

impl AclMatch {
    fn read(matches: &Section<'_>) -> Self {
        // The empty text is a value here: it matches what is empty, such as the account of those who are not logged in.
        let pattern = |name: &str| match matches.is_empty_text(name) {
            true => "".parse().ok(),
            false => matches.parse(name),
        };
        if matches.is_empty_text("ip") {
            matches.mistake(
                "ip",
                "expected an IP address or a network; leave the line out to match every address",
            );
        }
        let section = matches.section("labels");
        let label = |(name, text): (String, String)| match text.parse() {
            Ok(pattern) => Some((name, pattern)),
            Err(expected) => {
                section.mistake(&name, &PatternError::to_string(&expected));
                None
            }
        };
        let labels = matches.texts_by_name("labels");
        Self {
            account: pattern("account"),
            r#type: pattern("type"),
            name: pattern("name"),
            ip: matches.parse("ip"),
            service: pattern("service"),
            labels: labels.into_iter().filter_map(label).collect(),
        }
    }
}
