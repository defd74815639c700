//! docker_auth's access rules: ordered, the first that matches decides, nothing is allowed by default.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use lockgate_config::{AclMatch, AclRule};
use regex::Regex;

use super::pattern::{Compiled, Pattern, expression, quoted};
use super::scope::Actions;

/// The rules, ready to match.
pub(super) struct Acl {
    rules: Vec<Rule>,
    compiled: Compiled,
    anonymous: bool,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    /// Empty = not logged in.
    pub(super) account: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) service: &'a str,
    /// Unknown when somebody only asks what the rules say.
    pub(super) client: Option<IpAddr>,
    /// The label `group`.
    pub(super) groups: &'a [String],
}

/// One rule; as text, what the configuration says.
pub(super) struct Rule {
    source: AclRule,
    actions: Actions,
    account: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    service: Option<Pattern>,
    labels: BTreeMap<String, Pattern>,
    /// The expressions that `${account:1}` and its like take their text from.
    captures: BTreeMap<&'static str, Regex>,
}

/// A rule that cannot be put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("auth.acl[{index}].{field}: {reason}")]
pub struct InvalidRule {
    /// Its place, from 0.
    pub index: usize,
    /// `match.name`, `actions`...
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

impl Acl {
    pub(super) fn new(rules: &[AclRule]) -> Result<Self, InvalidRule> {
        let anonymous = rules.iter().any(|rule| rule.matches.account.as_deref() == Some(""));
        let rule = |(index, rule)| Rule::new(rule).map_err(|(field, reason)| InvalidRule { index, field, reason });
        let rules = rules.iter().enumerate().map(rule).collect::<Result<_, _>>()?;
        Ok(Self {
            rules,
            compiled: Compiled::new(),
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
            .find(|(_, rule)| rule.matches(query, &self.compiled))
    }

    /// Which of `wished` the rules grant.
    pub(super) fn granted(&self, query: &Query<'_>, wished: Actions) -> Actions {
        self.first_match(query)
            .map_or(Actions::NONE, |(_, rule)| rule.granted(wished))
    }
}

impl Rule {
    fn new(source: &AclRule) -> Result<Self, (String, String)> {
        let AclMatch {
            account,
            r#type,
            name,
            service,
            labels,
            ip: _,
        } = &source.matches;
        let mut actions = Actions::NONE;
        for action in &source.actions {
            actions = actions
                | Actions::named(action).ok_or_else(|| {
                    (
                        "actions".to_owned(),
                        format!("`{action}` is no action; expected pull, push, delete or *"),
                    )
                })?;
        }
        let mut captures = BTreeMap::new();
        for (field, text) in [
            ("account", account),
            ("type", r#type),
            ("name", name),
            ("service", service),
        ] {
            if let Some(regex) = text
                .as_deref()
                .and_then(expression)
                .and_then(|text| Regex::new(&text).ok())
            {
                captures.insert(field, regex);
            }
        }
        let labels = labels
            .iter()
            .map(|(label, text)| parse(&format!("match.labels.{label}"), text).map(|pattern| (label.clone(), pattern)));
        Ok(Self {
            actions,
            captures,
            account: parse_optional("match.account", account)?,
            kind: parse_optional("match.type", r#type)?,
            name: parse_optional("match.name", name)?,
            service: parse_optional("match.service", service)?,
            labels: labels.collect::<Result<_, _>>()?,
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

    fn matches(&self, query: &Query<'_>, compiled: &Compiled) -> bool {
        let field = |pattern: &Option<Pattern>, text| {
            pattern
                .as_ref()
                .is_none_or(|pattern| self.field_matches(pattern, text, query, compiled))
        };
        self.source
            .matches
            .ip
            .is_none_or(|network| query.client.is_some_and(|client| network.contains(client)))
            && field(&self.account, query.account)
            && field(&self.kind, query.kind)
            && field(&self.name, query.name)
            && field(&self.service, query.service)
            && self.labels.iter().all(|(label, pattern)| {
                let known = |name: &str| self.value(name, query).filter(|_| self.is_known_to_labels(name));
                let matches = |value: &String| pattern.matches(value, compiled, known);
                values(label, query).iter().any(matches)
            })
    }

    /// docker_auth knows a capture in the pattern of a label only when a field has the same one.
    fn is_known_to_labels(&self, variable: &str) -> bool {
        let fields = [&self.account, &self.kind, &self.name, &self.service];
        let mut in_fields = fields.into_iter().flatten().flat_map(Pattern::variables);
        !variable.contains(':') || in_fields.any(|known| known == variable)
    }

    /// A label has several values; the pattern matches when it does with one of them in place of `${labels:...}`, or
    /// without any, as `/^(public|${labels:group})$/` may.
    fn field_matches(&self, pattern: &Pattern, text: &str, query: &Query<'_>, compiled: &Compiled) -> bool {
        let label = pattern.variables().find_map(|name| name.strip_prefix("labels:"));
        match label {
            None => pattern.matches(text, compiled, |name| self.value(name, query)),
            // Accounts have one label, `group`; another one has no value and matches nothing.
            Some(label) => {
                let with = |group: Option<&String>| {
                    pattern.matches(text, compiled, |name| match name.strip_prefix("labels:") {
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
        let text = match field {
            "account" => query.account,
            "type" => query.kind,
            "name" => query.name,
            "service" => query.service,
            _ => return None,
        };
        match capture {
            None => Some(quoted(text)),
            Some(0) => None,
            Some(number) => {
                let captures = self.captures.get(field)?.captures(text)?;
                (number < captures.len()).then(|| quoted(captures.get(number).map_or("", |group| group.as_str())))
            }
        }
    }
}

fn values<'a>(label: &str, query: &Query<'a>) -> &'a [String] {
    if label == "group" { query.groups } else { &[] }
}

fn parse(field: &str, text: &str) -> Result<Pattern, (String, String)> {
    Pattern::parse(text).map_err(|error| (field.to_owned(), format!("`{text}` is no regular expression: {error}")))
}

fn parse_optional(field: &str, text: &Option<String>) -> Result<Option<Pattern>, (String, String)> {
    text.as_deref().map(|text| parse(field, text)).transpose()
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
            fields.extend(text.as_ref().map(|text| format!("{field}: {text:?}")));
        }
        fields.extend(ip.map(|network| format!("ip: \"{network}\"")));
        if !labels.is_empty() {
            let labels: Vec<_> = labels
                .iter()
                .map(|(label, text)| format!("{label}: {text:?}"))
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
