//! docker_auth's access rules: ordered, the first that matches decides, nothing is allowed by default.

use std::fmt;
use std::net::IpAddr;

use lockgate_config::{AclMatch, AclRule, Expressions, RulePattern, quoted};

use super::scope::Actions;

/// The rules, ready to match.
pub(super) struct Acl {
    rules: Vec<Rule>,
    expressions: Expressions,
    anonymous: bool,
}

/// What the rules are asked about: who wants to do something to what, and from where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    /// Empty = not logged in.
    pub(super) account: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) service: &'a str,
    /// Unknown when somebody only asks what the rules say.
    pub(super) client: Option<IpAddr>,
    /// The values of the label `group`.
    pub(super) groups: &'a [String],
}

/// One rule; as text, what the configuration says.
pub(super) struct Rule {
    source: AclRule,
    actions: Actions,
}

/// A rule that cannot be put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("auth.acl[{index}].{field}: {reason}")]
pub struct InvalidRule {
    /// Its place, from 0.
    pub index: usize,
    /// The key below the rule.
    pub field: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl Acl {
    pub(super) fn new(rules: &[AclRule]) -> Result<Self, InvalidRule> {
        let is_anonymous = |account: &RulePattern| account.as_str().is_empty();
        let anonymous = rules
            .iter()
            .any(|rule| rule.matches.account.as_ref().is_some_and(is_anonymous));
        let rule = |(index, rule)| {
            Rule::new(rule).map_err(|reason| InvalidRule {
                index,
                field: "actions",
                reason,
            })
        };
        let rules = rules.iter().enumerate().map(rule).collect::<Result<_, _>>()?;
        Ok(Self {
            rules,
            expressions: Expressions::default(),
            anonymous,
        })
    }

    /// Whether a rule is about those who are not logged in (`account: ""`). Only then are the rules theirs too: one
    /// that does not say whom it is about means every account, not everybody.
    pub(super) fn is_about_anonymous(&self) -> bool {
        self.anonymous
    }

    /// The first rule that matches, with its number from 1.
    pub(super) fn first_match(&self, query: &Query<'_>) -> Option<(usize, &Rule)> {
        (1..)
            .zip(&self.rules)
            .find(|(_, rule)| rule.matches(query, &self.expressions))
    }

    /// Which of `wished` the rules grant.
    pub(super) fn granted(&self, query: &Query<'_>, wished: Actions) -> Actions {
        self.first_match(query)
            .map_or(Actions::NONE, |(_, rule)| rule.granted(wished))
    }
}

impl Rule {
    fn new(source: &AclRule) -> Result<Self, String> {
        let mut actions = Actions::NONE;
        for action in &source.actions {
            let known = Actions::named(action);
            let unknown = || format!("`{action}` is no action; expected pull, push, delete or *");
            actions = actions | known.ok_or_else(unknown)?;
        }
        Ok(Self {
            actions,
            source: source.clone(),
        })
    }

    /// `*` alone grants whatever is wished, `*` included; otherwise it is an action like the others.
    pub(super) fn granted(&self, wished: Actions) -> Actions {
        if matches!(self.source.actions.as_slice(), [action] if action == "*") {
            wished
        } else {
            wished & self.actions
        }
    }

    fn matches(&self, query: &Query<'_>, expressions: &Expressions) -> bool {
        let matches = &self.source.matches;
        let field = |pattern: &Option<RulePattern>, text| {
            pattern
                .as_ref()
                .is_none_or(|pattern| self.field_matches(pattern, text, query, expressions))
        };
        matches
            .ip
            .is_none_or(|network| query.client.is_some_and(|client| network.contains(client)))
            && field(&matches.account, query.account)
            && field(&matches.r#type, query.kind)
            && field(&matches.name, query.name)
            && field(&matches.service, query.service)
            && matches.labels.iter().all(|(label, pattern)| {
                let known = |name: &str| self.value(name, query).filter(|_| self.is_known_to_labels(name));
                let matches = |value: &String| pattern.matches(value, expressions, known);
                values(label, query).iter().any(matches)
            })
    }

    /// docker_auth knows a capture in the pattern of a label only when a field has the same one.
    fn is_known_to_labels(&self, variable: &str) -> bool {
        let AclMatch {
            account,
            r#type,
            name,
            service,
            ..
        } = &self.source.matches;
        let fields = [account, r#type, name, service];
        let mut in_fields = fields.into_iter().flatten().flat_map(RulePattern::variables);
        !variable.contains(':') || in_fields.any(|known| known == variable)
    }

    /// A label has several values; the pattern matches when it does with one of them in place of `${labels:...}`, or
    /// without any, as `/^(public|${labels:group})$/` may.
    fn field_matches(&self, pattern: &RulePattern, text: &str, query: &Query<'_>, expressions: &Expressions) -> bool {
        let label = pattern.variables().find_map(|name| name.strip_prefix("labels:"));
        match label {
            None => pattern.matches(text, expressions, |name| self.value(name, query)),
            // Accounts have one label, `group`; another one has no value and matches nothing.
            Some(label) => {
                let with = |group: Option<&String>| {
                    pattern.matches(text, expressions, |name| match name.strip_prefix("labels:") {
                        Some(other) => group.filter(|_| other == label).map(|group| quoted(group)),
                        None => self.value(name, query),
                    })
                };
                with(None) || values(label, query).iter().any(|group| with(Some(group)))
            }
        }
    }

    /// What a variable stands for, quoted: an account that is called `*` is not every account.
    fn value(&self, variable: &str, query: &Query<'_>) -> Option<String> {
        let (field, capture) = match variable.split_once(':') {
            Some((field, number)) => (field, Some(number.parse::<usize>().ok()?)),
            None => (variable, None),
        };
        let AclMatch {
            account,
            r#type,
            name,
            service,
            ..
        } = &self.source.matches;
        let (pattern, text) = match field {
            "account" => (account, query.account),
            "type" => (r#type, query.kind),
            "name" => (name, query.name),
            "service" => (service, query.service),
            _ => return None,
        };
        match capture {
            None => Some(quoted(text)),
            Some(0) => None,
            Some(number) => {
                let captures = pattern.as_ref()?.expression()?.captures(text)?;
                (number < captures.len()).then(|| quoted(captures.get(number).map_or("", |group| group.as_str())))
            }
        }
    }
}

fn values<'a>(label: &str, query: &Query<'a>) -> &'a [String] {
    if label == "group" { query.groups } else { &[] }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AclMatch {
            account,
            r#type,
            name,
            ip,
            service,
            labels,
        } = &self.source.matches;
        let mut fields = Vec::new();
        for (field, text) in [
            ("account", account),
            ("type", r#type),
            ("name", name),
            ("service", service),
        ] {
            fields.extend(text.as_ref().map(|pattern| format!("{field}: {:?}", pattern.as_str())));
        }
        fields.extend(ip.map(|network| format!("ip: \"{network}\"")));
        if !labels.is_empty() {
            let labels: Vec<_> = labels
                .iter()
                .map(|(label, pattern)| format!("{label}: {:?}", pattern.as_str()))
                .collect();
            fields.push(format!("labels: {{{}}}", labels.join(", ")));
        }
        let actions: Vec<_> = self.source.actions.iter().map(|action| format!("{action:?}")).collect();
        write!(f, "match: {{{}}} actions: [{}]", fields.join(", "), actions.join(", "))?;
        match &self.source.comment {
            Some(comment) => write!(f, " ({comment})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "acl_tests.rs"]
mod tests;
