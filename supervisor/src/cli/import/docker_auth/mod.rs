//! A docker_auth configuration: `users` with passwords, `acl` with ordered rules.

use lockgate_config::Secret;
use serde_json::{Map, Value};

/// What is taken over.
#[derive(Debug)]
pub(super) struct DockerAuth {
    /// Names with a password, or its hash.
    pub(super) users: Vec<(String, Secret)>,
    /// Users who log in by other means, and docker_auth's `""`, who does not log in.
    pub(super) without_password: Vec<String>,
    /// The rules as they stand, each one line of YAML.
    pub(super) acl: Vec<String>,
}

/// Why nothing can be taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Invalid {
    #[error("{0}")]
    Syntax(#[from] serde_yaml::Error),
    #[error("there are no `users` in it; expected users: {{NAME: {{password: PASSWORD}}}} and acl: [RULES]")]
    NoUsers,
    #[error("`acl` is no list of rules")]
    Acl,
    #[error("there is no line `auth:` to put the rules below; write them into auth.acl by hand:\n{0}")]
    NoPlace(String),
}

impl DockerAuth {
    /// Finds `users` and `acl`, at the top or, as in a pillar of Salt, further down.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let value: Value = serde_yaml::from_str(text)?;
        let section = find(&value).ok_or(Invalid::NoUsers)?;
        let (mut users, mut without_password) = (Vec::new(), Vec::new());
        for (name, user) in section["users"].as_object().into_iter().flatten() {
            match user.get("password").and_then(Value::as_str) {
                Some(password) if !name.is_empty() => users.push((name.clone(), Secret::new(password))),
                Some(_) | None => without_password.push(name.clone()),
            }
        }
        let acl = match section.get("acl") {
            None | Some(Value::Null) => Vec::new(),
            // JSON is YAML, on one line.
            Some(Value::Array(rules)) => rules.iter().map(Value::to_string).collect(),
            Some(_) => return Err(Invalid::Acl),
        };
        Ok(Self {
            users,
            without_password,
            acl,
        })
    }

    /// `config` with the rules below its `auth:`.
    pub(super) fn add_to(&self, config: &str) -> Result<String, Invalid> {
        if self.acl.is_empty() {
            return Ok(config.to_owned());
        }
        let rules: String = self.acl.iter().map(|rule| format!("    - {rule}\n")).collect();
        let is_auth = |line: &str| {
            let rest = line.strip_prefix("auth:").map(str::trim_start);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
        };
        if !config.lines().any(is_auth) {
            return Err(Invalid::NoPlace(rules));
        }
        let mut text = String::with_capacity(config.len() + rules.len() + 64);
        for line in config.lines() {
            text.push_str(line);
            text.push('\n');
            if is_auth(line) {
                text.push_str("  acl:\n");
                text.push_str(&rules);
            }
        }
        Ok(text)
    }
}

/// The first mapping, from the top, that has users.
fn find(value: &Value) -> Option<&Map<String, Value>> {
    let mapping = value.as_object()?;
    match mapping.get("users") {
        Some(Value::Object(_)) => Some(mapping),
        _ => mapping.values().find_map(find),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PILLAR: &str = "\
makina-projects.registry:
  data:
    users:
      admin: {password: test1}
      readonly: {password: test2}
      '': {}
    acl:
      # Admin has full access to everything.
      - {match: {account: \"admin\"}, actions: [\"*\"]}
      - {match: {account: \"readonly\"}, actions: [\"pull\"]}
    domain: \"registryh.docker.tld\"
";

    #[test]
    fn users_and_rules_are_found_further_down() {
        let found = DockerAuth::parse(PILLAR).unwrap();
        let names: Vec<&str> = found.users.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["admin", "readonly"]);
        assert_eq!(found.users[0].1.reveal(), "test1");
        assert_eq!(found.without_password, [""]);
        assert_eq!(found.acl.len(), 2);
        assert!(!format!("{found:?}").contains("test1"));
    }

    #[test]
    fn rules_go_below_auth_and_nothing_else_moves() {
        let config = "version: 0.1\nauth:   # who may log in\n  htpasswd: {path: p}\nhttp: {addr: ':5000'}\n";
        let text = DockerAuth::parse(PILLAR).unwrap().add_to(config).unwrap();
        let added: Vec<&str> = text.lines().filter(|line| !config.contains(*line)).collect();
        assert_eq!(added.len(), 3, "{text}");
        let value: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(value["auth"]["acl"][1]["actions"][0], "pull");
        assert_eq!(value["auth"]["htpasswd"]["path"], "p");
    }

    #[test]
    fn what_cannot_be_taken_over_says_why() {
        for (text, expected) in [
            ("a: [", "line"),
            ("a: 1", "no `users`"),
            ("users: {a: {password: b}}\nacl: 1", "no list"),
        ] {
            let error = DockerAuth::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = DockerAuth::parse(PILLAR)
            .unwrap()
            .add_to("auth: {htpasswd: {}}\n")
            .unwrap_err();
        assert!(error.to_string().contains("by hand"), "{error}");
    }
}
