//! `acl`: docker_auth's rules, one by one.

use lockgate_config::{AclMatch, AclRule, Auth, PatternError, RulePattern};
use lockgate_registry::{Scope, explain};
use serde_json::json;
use serde_yaml::{Mapping, Value};

use super::section::Section;
use super::users::{User, Users};
use super::values::{Messages, get, join, mapping, plain, text, texts};

/// The fields of `match` that are patterns of the request.
const FIELDS: [&str; 4] = ["account", "type", "name", "service"];
const ACTIONS: [&str; 4] = ["pull", "push", "delete", "*"];

/// One rule, as it will be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rule {
    /// Where it is in the file, for messages.
    pub(super) place: String,
    /// In the order of `FIELDS`.
    pub(super) patterns: [Option<String>; 4],
    pub(super) ip: Option<String>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) actions: Vec<String>,
    pub(super) comment: Option<String>,
}

/// The rules of `section`, without those that match nothing. No rules at all are an empty list.
pub(super) fn read(section: &Section<'_>, users: &Users, service: Option<&str>, messages: &mut Messages) -> Vec<Rule> {
    let place = section.place("acl");
    let rules = match get(section.mapping, "acl") {
        None => {
            let why = match section.has_rules_elsewhere() {
                true => "there are no rules in the file itself",
                false => "there are no rules, and docker_auth does not start without any",
            };
            messages.warning(
                &place,
                &format!("{why}: auth.acl is [] now, so nobody may do anything; write rules into it"),
            );
            return Vec::new();
        }
        Some(Value::Sequence(rules)) => rules,
        Some(_) => {
            messages.mistake(&place, "expected a list of rules");
            return Vec::new();
        }
    };
    if rules.is_empty() {
        messages.note(
            &place,
            "it holds no rule, so nobody may do anything, as with docker_auth",
        );
    }
    let rules: Vec<_> = (0..)
        .zip(rules)
        .filter_map(|(index, rule)| Rule::read(plain(rule), format!("{place}[{index}]"), messages))
        .collect();
    check_services(&rules, service, messages);
    let rules: Vec<_> = rules
        .into_iter()
        .filter(|rule| rule.can_match(users, messages))
        .collect();
    for rule in &rules {
        rule.check_captures(users, messages);
    }
    rules
}

impl Rule {
    fn read(rule: &Value, place: String, messages: &mut Messages) -> Option<Self> {
        let Value::Mapping(rule) = rule else {
            messages.mistake(&place, "expected {match: {...}, actions: [...]}");
            return None;
        };
        only(rule, &["match", "actions", "comment"], &place, messages);
        let Some(Value::Mapping(matches)) = get(rule, "match") else {
            messages.mistake(
                &place,
                "`match` is missing, and docker_auth does not start without; match: {} is everybody and everything",
            );
            return None;
        };
        let inside = join(&place, "match");
        let known = ["account", "type", "name", "service", "ip", "labels"];
        only(matches, &known, &inside, messages);
        let mut field = |name| get(matches, name).and_then(|value| text(value, &join(&inside, name), messages));
        let patterns = FIELDS.map(&mut field);
        let ip = field("ip");
        Some(Self {
            labels: labels(matches, &join(&inside, "labels"), messages),
            actions: actions(rule, &place, messages),
            comment: get(rule, "comment").and_then(|value| text(value, &join(&place, "comment"), messages)),
            patterns,
            ip,
            place,
        })
    }

    /// A rule that allows nothing to those who are not logged in: that there is one makes all the others theirs too.
    pub(super) fn about_anonymous() -> Self {
        Self {
            patterns: [Some(String::new()), None, None, None],
            comment: Some("whoever is not logged in: the rules above are theirs too".to_owned()),
            ..Self::default()
        }
    }

    /// The pattern of accounts.
    pub(super) fn account(&self) -> Option<&str> {
        self.patterns[0].as_deref()
    }

    fn service(&self) -> Option<&str> {
        self.patterns[3].as_deref()
    }

    /// Each pattern with its place.
    fn patterns(&self) -> impl Iterator<Item = (String, &str)> {
        let of_request = FIELDS.iter().zip(&self.patterns);
        let of_request = of_request.filter_map(|(name, pattern)| Some(((*name).to_owned(), pattern.as_deref()?)));
        let of_labels = self.labels.iter();
        let of_labels = of_labels.map(|(label, pattern)| (format!("labels.{label}"), pattern.as_str()));
        of_request
            .chain(of_labels)
            .map(|(name, pattern)| (format!("{}.match.{name}", self.place), pattern))
    }

    /// Whether it can match at all. docker_auth accepts malformed globs, which match nothing.
    fn can_match(&self, users: &Users, messages: &mut Messages) -> bool {
        for (place, pattern) in self.patterns() {
            match pattern.parse::<RulePattern>() {
                Ok(_) => {}
                Err(why @ PatternError::Glob(_)) => {
                    messages.warning(
                        &place,
                        &format!("{pattern:?} matches nothing, so the rule was left out: {why}"),
                    );
                    return false;
                }
                Err(why) => messages.mistake(&place, &format!("{pattern:?}: {why}")),
            }
        }
        let about_nobody = self.account() == Some("") && users.anonymous().is_none();
        if about_nobody {
            messages.note(
                &self.place,
                "the rule was left out: it is about those who are not logged in, and there is no user \"\" that lets \
                 them in; to let them in here, write it into auth.acl",
            );
        }
        !about_nobody
    }

    /// What `${account:1}` stands for is a text here and a pattern in docker_auth.
    fn check_captures(&self, users: &Users, messages: &mut Messages) {
        let captures = |(_, pattern): &(String, &str)| pattern.contains("${account:");
        for (place, pattern) in self.patterns().filter(captures) {
            let is_expression = RulePattern::is_expression(pattern);
            let signs = |name: &str, signs: &str| name.contains(|c| signs.contains(c)) && self.is_about(name);
            for name in users.users.iter().map(|user| &user.name) {
                if signs(name, "*?[]\\") || is_expression && signs(name, "^${}()|+") {
                    messages.mistake(
                        &place,
                        &format!(
                            "docker_auth takes a part of the account {name:?} for a pattern; write the rule for that \
                             account without a variable, or rename the account"
                        ),
                    );
                } else if is_expression && signs(name, ".") {
                    messages.warning(
                        &place,
                        &format!("the dot of the account {name:?} is a dot here, and any character in docker_auth"),
                    );
                }
            }
        }
    }

    /// Whether its pattern of accounts matches `account`.
    fn is_about(&self, account: &str) -> bool {
        // What is malformed has been told already, and is about nobody.
        let Ok(pattern) = self.account().map(str::parse).transpose() else {
            return false;
        };
        let matches = AclMatch {
            account: pattern,
            ..AclMatch::default()
        };
        decides(Auth::default(), matches, account)
    }

    /// Whether it lets `user` do more than pull, in some repository.
    pub(super) fn lets_write(&self, user: &User) -> bool {
        let is_about_repositories = self.patterns[1].as_deref().is_none_or(|kind| kind != "registry");
        let writes = self.actions.iter().any(|action| action != "pull");
        is_about_repositories && writes && self.is_about(&user.name) && user.has_labels(&self.labels)
    }

    /// As YAML on one line.
    pub(super) fn written(&self) -> String {
        // JSON's texts are YAML's.
        let labels = self.labels.iter();
        let labels: Vec<_> = labels
            .map(|(label, pattern)| format!("{}: {}", json!(label), json!(pattern)))
            .collect();
        let fields = FIELDS.iter().zip(&self.patterns).chain([(&"ip", &self.ip)]);
        let fields = fields.filter_map(|(name, text)| Some(format!("{name}: {}", json!(text.as_ref()?))));
        let labels = (!labels.is_empty()).then(|| format!("labels: {{{}}}", labels.join(", ")));
        let fields: Vec<_> = fields.chain(labels).collect();
        let actions: Vec<_> = self.actions.iter().map(|action| json!(action).to_string()).collect();
        let comment = self
            .comment
            .as_ref()
            .map(|comment| format!(", comment: {}", json!(comment)));
        format!(
            "{{match: {{{}}}, actions: [{}]{}}}",
            fields.join(", "),
            actions.join(", "),
            comment.unwrap_or_default()
        )
    }
}

/// Whether a rule with `matches` alone is about `account`, by the registry's own matcher.
pub(super) fn decides(auth: Auth, matches: AclMatch, account: &str) -> bool {
    let rule = AclRule {
        matches,
        actions: vec!["*".to_owned()],
        comment: None,
    };
    let auth = Auth {
        acl: Some(vec![rule]),
        ..auth
    };
    explain(&auth, Some(account), &Scope::catalog(), None).is_ok_and(|explanation| explanation.is_granted())
}

fn only(mapping: &Mapping, known: &[&str], place: &str, messages: &mut Messages) {
    for key in mapping.keys().map(|key| key.as_str().unwrap_or_default()) {
        if !known.contains(&key) {
            let known = known.join(", ");
            messages.mistake(
                &join(place, key),
                &format!("docker_auth ignores this key; correct it or take it out: there are {known}"),
            );
        }
    }
}

fn labels(matches: &Mapping, place: &str, messages: &mut Messages) -> Vec<(String, String)> {
    let labels = mapping(matches, "labels", place, "labels: {NAME: PATTERN}", messages);
    let label = |(label, pattern)| {
        let label = text(label, place, messages).unwrap_or_default();
        let pattern = text(pattern, &join(place, &label), messages).unwrap_or_default();
        (label, pattern)
    };
    labels.into_iter().flatten().map(label).collect()
}

/// Those that exist: docker_auth grants of what is asked for, and nobody asks for another one.
fn actions(rule: &Mapping, place: &str, messages: &mut Messages) -> Vec<String> {
    let Some(actions) = get(rule, "actions") else {
        messages.warning(
            place,
            "it has no `actions`, at which docker_auth fails: it allows nothing now; write what it shall allow",
        );
        return Vec::new();
    };
    let place = join(place, "actions");
    let all = texts(actions, &place, messages);
    let (mut known, unknown): (Vec<_>, Vec<_>) = all.into_iter().partition(|action| ACTIONS.contains(&action.as_str()));
    for action in &unknown {
        messages.warning(
            &place,
            &format!("{action:?} was left out, nobody asks for it: there are pull, push, delete and *"),
        );
    }
    if !unknown.is_empty() && known == ["*"] {
        // A `*` that was not alone is an action like the others, and must not become the one that is all of them.
        known.push("*".to_owned());
    }
    known
}

/// Rules for the services of other registries match nothing here. When none is for this one, its name is another.
fn check_services(rules: &[Rule], service: Option<&str>, messages: &mut Messages) {
    let named = |rule: &&Rule| rule.service().is_some_and(|service| !service.is_empty());
    let is_for_this_one = |rule: &Rule| {
        let Ok(pattern) = rule.service().map(str::parse).transpose() else {
            return false;
        };
        let matches = AclMatch {
            account: pattern,
            ..AclMatch::default()
        };
        service.is_some_and(|service| decides(Auth::default(), matches, service))
    };
    let about: Vec<_> = rules.iter().filter(named).collect();
    if let Some(first) = about.first()
        && !about.iter().any(|rule| is_for_this_one(rule))
    {
        let here = service.map_or("none, auth.issuer is not set".to_owned(), |service| {
            format!("{service:?}")
        });
        messages.mistake(
            &format!("{}.match.service", first.place),
            &format!(
                "no rule is about the service of this registry, which is {here}; set auth.issuer.service in config.yml \
                 to what the other registry has as auth.token.service, or take `service` out of the rules"
            ),
        );
    }
}
