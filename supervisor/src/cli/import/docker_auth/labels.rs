//! Labels of users, as groups.
//!
//! config.yml has one label, `group`, whose values are the groups of `auth.groups`. Where users have no other one, and
//! what is filled in for `${labels:group}` holds no signs of patterns, the rules stay as they are. Otherwise each rule
//! that asks for labels is written out for groups of exactly those accounts that it is about.

use std::collections::BTreeMap;

use lockgate_config::{AclMatch, Auth, RulePattern};

use super::rules::{Rule, decides};
use super::users::User;
use super::values::Messages;

/// Rules and the groups that they ask for.
pub(super) type Grouped = (Vec<Rule>, BTreeMap<String, Vec<String>>);

/// A rule that takes more than this is not one that anybody wrote.
const MOST_COMBINATIONS: usize = 1000;
/// Groups of one rule that are named in a message.
const GROUPS_TOLD: usize = 5;

/// The rules with `group` as their only label. `others`: there are users that are not known.
pub(super) fn group(rules: Vec<Rule>, users: &[User], others: bool, messages: &mut Messages) -> Grouped {
    report_unused(&rules, users, messages);
    let about_labels = |rule: &Rule| !rule.labels.is_empty() || !slots(rule).is_empty();
    if !rules.iter().any(about_labels) {
        return (rules, BTreeMap::new());
    }
    if rules.iter().all(|rule| is_about_groups(rule, users)) {
        return (rules, own_groups(users));
    }
    let mut groups = Groups::default();
    let mut written = Vec::new();
    for rule in rules {
        if !about_labels(&rule) {
            written.push(rule);
            continue;
        }
        let before = written.len();
        groups.write_out(&rule, users, &mut written, messages);
        report_written_rules(&rule, &written[before..], others, messages);
    }
    (written, groups.0)
}

fn report_written_rules(rule: &Rule, written: &[Rule], others: bool, messages: &mut Messages) {
    let groups = written.iter().flat_map(|rule| &rule.labels);
    let groups: Vec<_> = groups.map(|(_, group)| format!("{group:?}")).collect();
    match (written.is_empty(), groups.as_slice()) {
        (true, _) if others => messages.warning(
            &rule.place,
            "the rule was left out: no user in the file has the labels that it asks for; write it for the accounts that \
             have them, before you add those",
        ),
        (true, _) => messages.note(
            &rule.place,
            "the rule was left out: no user has the labels that it asks for",
        ),
        (false, []) => messages.note(
            &rule.place,
            "no user has the labels that it asks for: it is kept for what it matches without them",
        ),
        (false, groups) => {
            let more = groups.len().saturating_sub(GROUPS_TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let groups = groups[..groups.len().min(GROUPS_TOLD)].join(", ");
            let text = format!("written for auth.groups {groups}{more}; add accounts there that come later");
            messages.note(&rule.place, &text);
        }
    }
}

/// The fields of `rule` that stand for labels: the index in `FIELDS`, and the label.
fn slots(rule: &Rule) -> Vec<(usize, String)> {
    let mut slots = Vec::new();
    for (field, pattern) in rule.patterns.iter().enumerate() {
        let mut rest = pattern.as_deref().unwrap_or_default();
        while let Some((_, after)) = rest.split_once("${labels:") {
            let Some((label, after)) = after.split_once('}') else {
                break;
            };
            let slot = (field, label.to_owned());
            if !slots.contains(&slot) {
                slots.push(slot);
            }
            rest = after;
        }
    }
    slots
}

fn is_about_groups(rule: &Rule, users: &[User]) -> bool {
    let slots = slots(rule);
    let is_plain = |value: &String| value.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    rule.labels.iter().all(|(label, _)| label == "group")
        && slots.iter().all(|(_, label)| label == "group")
        && (slots.is_empty() || users.iter().flat_map(|user| user.values("group")).all(is_plain))
}

fn own_groups(users: &[User]) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for user in users {
        for group in user.values("group") {
            let accounts = groups.entry(group.clone()).or_default();
            if !accounts.contains(&user.name) {
                accounts.push(user.name.clone());
            }
        }
    }
    groups
}

impl User {
    fn values(&self, label: &str) -> &[String] {
        self.label(label).unwrap_or_default()
    }

    fn label(&self, label: &str) -> Option<&[String]> {
        self.labels
            .iter()
            .find(|(name, _)| name == label)
            .map(|(_, values)| values.as_slice())
    }

    /// Whether there is a value for each of the labels that a rule asks for.
    pub(super) fn has_labels(&self, asked: &[(String, String)]) -> bool {
        asked.iter().all(|(label, pattern)| {
            let groups = self.values(label).iter();
            let auth = Auth {
                groups: groups.map(|value| (value.clone(), vec![self.name.clone()])).collect(),
                ..Auth::default()
            };
            let Ok(pattern) = pattern.parse() else {
                return false;
            };
            let matches = AclMatch {
                labels: BTreeMap::from([("group".to_owned(), pattern)]),
                ..AclMatch::default()
            };
            decides(auth, matches, &self.name)
        })
    }
}

/// Groups that are made, by name.
#[derive(Default)]
struct Groups(BTreeMap<String, Vec<String>>);

impl Groups {
    fn write_out(&mut self, rule: &Rule, users: &[User], written: &mut Vec<Rule>, messages: &mut Messages) {
        refuse_labels_of_requests(rule, messages);
        let holders: Vec<_> = users.iter().filter(|user| user.has_labels(&rule.labels)).collect();
        let slots = slots(rule);
        let conditions: Vec<_> = rule
            .labels
            .iter()
            .map(|(label, pattern)| format!("{label}={pattern}"))
            .collect();
        if slots.is_empty() {
            self.push(rule.clone(), conditions, holders, written);
            return;
        }
        // An expression may match without the label, as in `/^(public|${labels:project})$/`; a glob never does.
        let filled = |field: &usize| {
            let pattern = rule.patterns[*field].as_deref();
            pattern.is_some_and(RulePattern::is_expression)
        };
        if slots.iter().all(|(field, _)| filled(field)) {
            let values = vec![None; slots.len()];
            let without = filled_in(rule, &slots, &values);
            match conditions.is_empty() {
                true => written.push(without),
                false => self.push(without, conditions.clone(), holders.clone(), written),
            }
        }
        let combinations = combinations(&slots, &holders);
        if combinations.len() > MOST_COMBINATIONS {
            messages.mistake(
                &rule.place,
                "too many combinations of labels; write the rule with fewer of them",
            );
            return;
        }
        for (values, holders) in combinations {
            let told_by = slots
                .iter()
                .zip(&values)
                .filter_map(|((_, label), value)| value.as_ref().map(|value| format!("{label}={value}")));
            let mut names: Vec<_> = conditions.iter().cloned().chain(told_by).collect();
            names.dedup();
            let filled = filled_in(rule, &slots, &values);
            let is_valid = |pattern: &Option<String>| {
                pattern
                    .as_ref()
                    .is_none_or(|pattern| pattern.parse::<RulePattern>().is_ok())
            };
            if values.iter().flatten().any(|value| value.contains("${")) {
                messages.mistake(&rule.place, "a label holds ${, which would be a variable; rename it");
            } else if filled.patterns.iter().all(is_valid) {
                self.push(filled, names, holders, written);
            }
        }
    }

    /// `rule` for `holders` alone.
    fn push(&mut self, mut rule: Rule, names: Vec<String>, holders: Vec<&User>, written: &mut Vec<Rule>) {
        if holders.is_empty() {
            return;
        }
        let holders: Vec<_> = holders.iter().map(|user| user.name.clone()).collect();
        // No sign of a pattern: the rule asks for this group and no other.
        let is_plain = |c: char| c.is_alphanumeric() || "=,._ /@:-".contains(c);
        let name: String = names
            .join(",")
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' })
            .collect();
        let mut group = name.clone();
        for number in 2.. {
            match self.0.get(&group) {
                Some(others) if *others != holders => group = format!("{name}-{number}"),
                _ => break,
            }
        }
        self.0.insert(group.clone(), holders);
        rule.labels = vec![("group".to_owned(), group)];
        written.push(rule);
    }
}

/// Each combination of values for `slots` with those who have them. Who lacks a label has `None` there.
fn combinations<'a>(slots: &[(usize, String)], users: &[&'a User]) -> BTreeMap<Vec<Option<String>>, Vec<&'a User>> {
    let mut all: BTreeMap<Vec<Option<String>>, Vec<&User>> = BTreeMap::new();
    for user in users {
        let mut own = vec![Vec::new()];
        for (_, label) in slots {
            let values: Vec<_> = match user.label(label) {
                None => vec![None],
                Some(values) => values.iter().cloned().map(Some).collect(),
            };
            own = own
                .iter()
                .flat_map(|before| {
                    values
                        .iter()
                        .map(move |value| [before.as_slice(), std::slice::from_ref(value)].concat())
                })
                .take(MOST_COMBINATIONS + 1)
                .collect();
        }
        for values in own.into_iter().filter(|values| values.iter().any(Option::is_some)) {
            let holders = all.entry(values).or_default();
            if !holders.contains(user) {
                holders.push(user);
            }
        }
    }
    all
}

/// `rule` with the values in place of its variables, as patterns, which docker_auth takes them for.
fn filled_in(rule: &Rule, slots: &[(usize, String)], values: &[Option<String>]) -> Rule {
    let mut filled = rule.clone();
    for ((field, label), value) in slots.iter().zip(values) {
        if let Some(pattern) = &mut filled.patterns[*field] {
            // `-` is a label that nobody has.
            let value = value.as_deref().unwrap_or("${labels:-}");
            *pattern = pattern.replace(&format!("${{labels:{label}}}"), value);
        }
    }
    filled
}

fn report_unused(rules: &[Rule], users: &[User], messages: &mut Messages) {
    let mut unused: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for user in users {
        for (label, _) in &user.labels {
            let is_used = rules.iter().any(|rule| {
                rule.labels.iter().any(|(used, _)| used == label) || slots(rule).iter().any(|(_, used)| used == label)
            });
            if !is_used {
                unused.entry(label).or_default().push(&user.name);
            }
        }
    }
    for (label, users) in unused {
        let text = format!("the label {label:?} was left out: no rule asks for it");
        messages.note(&format!("users {}", users.join(", ")), &text);
    }
}

/// A label that depends on what is asked for names no accounts.
fn refuse_labels_of_requests(rule: &Rule, messages: &mut Messages) {
    for (label, pattern) in &rule.labels {
        if ["${type", "${name", "${service", "${account:"]
            .iter()
            .any(|variable| pattern.contains(variable))
        {
            messages.mistake(
                &format!("{}.match.labels.{label}", rule.place),
                "a label that depends on the request cannot be written for accounts; name the accounts instead",
            );
        }
    }
}
