//! What one configuration allows: rules, groups, and what is open to everybody.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use lockgate_config::{Auth, PolicyPattern};

use super::acl::{Acl, InvalidRule, Query};
use super::scope::{Actions, Scope};

/// The rules, groups and public repositories of one configuration.
pub(in crate::auth) struct Policy {
    /// `None`: every account may do everything.
    acl: Option<Acl>,
    /// The groups of each account.
    groups: HashMap<String, Vec<String>>,
    /// Repositories that anybody may pull.
    public: Vec<PolicyPattern>,
    service: String,
}

impl Policy {
    pub(in crate::auth) fn new(auth: &Auth) -> Result<Self, InvalidRule> {
        let acl = auth.acl.as_deref().map(Acl::new).transpose()?;
        let mut groups: HashMap<String, Vec<String>> = HashMap::new();
        for (group, accounts) in &auth.groups {
            for account in accounts {
                groups.entry(account.clone()).or_default().push(group.clone());
            }
        }
        let public = auth.anonymous.iter().flat_map(|anonymous| &anonymous.pull);
        let service = auth
            .issuer
            .as_ref()
            .map(|issuer| issuer.service.clone())
            .unwrap_or_default();
        Ok(Self {
            acl,
            groups,
            public: public.cloned().collect(),
            service,
        })
    }

    /// Whether there is anything for those who are not logged in.
    pub(in crate::auth) fn is_open_to_anonymous(&self) -> bool {
        !self.public.is_empty() || self.acl.as_ref().is_some_and(Acl::is_about_anonymous)
    }

    /// Which of `scope`'s actions somebody may do. `service` is a token request's, the own one unless given.
    pub(in crate::auth) fn granted(
        &self,
        account: Option<&str>,
        scope: &Scope,
        service: Option<&str>,
        client: Option<IpAddr>,
    ) -> Actions {
        let wished = scope.actions();
        let by_rules = match (&self.acl, account) {
            (Some(acl), _) if account.is_some() || acl.is_about_anonymous() => {
                acl.granted(&self.query(account, scope, service, client), wished)
            }
            (None, Some(_)) => wished,
            _ => Actions::NONE,
        };
        let by_rules = match account {
            // Whatever the rules say, writing takes an account.
            None if scope.kind() == Scope::REPOSITORY => by_rules & Actions::PULL,
            _ => by_rules,
        };
        by_rules
            | match self.public_pattern(scope) {
                Some(_) => wished & Actions::PULL,
                None => Actions::NONE,
            }
    }

    /// The same, with the reason.
    pub(in crate::auth) fn explain(&self, account: Option<&str>, scope: &Scope, client: Option<IpAddr>) -> Explanation {
        let granted = self.granted(account, scope, None, client);
        let mut reasons = Vec::new();
        match (&self.acl, account) {
            (None, Some(_)) => reasons.push("auth.acl is not set: every account may do everything".to_owned()),
            (Some(acl), _) if account.is_some() || acl.is_about_anonymous() => {
                reasons.push(match acl.first_match(&self.query(account, scope, None, client)) {
                    Some((number, rule)) => format!("auth.acl rule {number}: {rule}"),
                    None => "no rule of auth.acl matches, and nothing is allowed by default".to_owned(),
                });
            }
            _ => reasons.push("nobody is logged in, and no rule is about account \"\"".to_owned()),
        }
        if let Some(pattern) = self.public_pattern(scope) {
            reasons.push(format!(
                "auth.anonymous.pull: anybody may pull this repository, it matches {:?}",
                pattern.as_str()
            ));
        }
        if account.is_none() && !(scope.actions() & (Actions::PUSH | Actions::DELETE)).is_empty() {
            reasons.push("pushing and deleting always take an account".to_owned());
        }
        Explanation {
            wished: scope.clone(),
            granted,
            reasons,
        }
    }

    fn query<'a>(
        &'a self,
        account: Option<&'a str>,
        scope: &'a Scope,
        service: Option<&'a str>,
        client: Option<IpAddr>,
    ) -> Query<'a> {
        // A group may hold "", which is whoever is not logged in, as in a rule.
        let groups = self.groups.get(account.unwrap_or_default());
        Query {
            account: account.unwrap_or_default(),
            kind: scope.kind(),
            name: scope.name(),
            service: service.unwrap_or(&self.service),
            client,
            groups: groups.map(Vec::as_slice).unwrap_or_default(),
        }
    }

    /// The pattern that opens it to everybody.
    fn public_pattern(&self, scope: &Scope) -> Option<&PolicyPattern> {
        let mut public = self.public.iter();
        public.find(|pattern| scope.kind() == Scope::REPOSITORY && pattern.matches(scope.name()))
    }
}

/// Why somebody may do something, or may not. As text, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    wished: Scope,
    granted: Actions,
    reasons: Vec<String>,
}

impl Explanation {
    /// Whether all that was asked for is granted.
    pub fn is_granted(&self) -> bool {
        self.granted == self.wished.actions() && !self.granted.is_empty()
    }

    /// What is granted of what was asked for.
    pub fn granted(&self) -> Actions {
        self.granted
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_granted(), self.granted.is_empty()) {
            (true, _) => write!(f, "granted: {}", self.wished)?,
            (false, true) => write!(f, "denied: {}", self.wished)?,
            (false, false) => write!(f, "granted only {} of {}", self.granted, self.wished)?,
        }
        self.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lockgate_config::{AclMatch, AclRule, Anonymous};

    use super::*;

    fn auth(acl: Option<&[(Option<&str>, &str, &str)]>, public: &[&str]) -> Auth {
        let rule = |(account, name, actions): &(Option<&str>, &str, &str)| AclRule {
            matches: AclMatch {
                account: account.map(|account| account.parse().unwrap()),
                name: Some(name.parse().unwrap()),
                ..AclMatch::default()
            },
            actions: actions.split_whitespace().map(str::to_owned).collect(),
            comment: None,
        };
        let pull: Vec<PolicyPattern> = public.iter().map(|name| name.parse().unwrap()).collect();
        Auth {
            acl: acl.map(|rules| rules.iter().map(rule).collect()),
            anonymous: (!pull.is_empty()).then_some(Anonymous { pull }),
            groups: BTreeMap::from([("team".to_owned(), vec!["anna".to_owned()])]),
            ..Auth::default()
        }
    }

    fn granted(auth: &Auth, account: Option<&str>, scope: &str) -> String {
        Policy::new(auth)
            .unwrap()
            .granted(account, &scope.parse().unwrap(), None, None)
            .to_string()
    }

    // proves: MAKINA-03
    #[test]
    fn without_rules_an_account_may_do_everything_and_nobody_else_anything() {
        let auth = auth(None, &[]);
        for scope in ["repository:a/b:pull,push,delete", "registry:catalog:*"] {
            assert_eq!(granted(&auth, Some("anna"), scope), scope.rsplit_once(':').unwrap().1);
            assert_eq!(granted(&auth, None, scope), "");
        }
        assert!(!Policy::new(&auth).unwrap().is_open_to_anonymous());
    }

    // proves: MOSI-11
    #[test]
    fn anybody_may_pull_what_is_public_and_push_nothing() {
        let auth = auth(
            Some(&[(Some("*"), "*", "pull push")]),
            &["library/*", "free/**", "/^x[0-9]+$/"],
        );
        for name in ["library/a", "free/a/b/c", "x12"] {
            for account in [None, Some("anna")] {
                assert_eq!(
                    granted(&auth, account, &format!("repository:{name}:pull,delete")),
                    "pull",
                    "{name}"
                );
            }
            assert_eq!(
                granted(&auth, None, &format!("repository:{name}:push,delete,*")),
                "",
                "{name}"
            );
        }
        for scope in [
            "repository:library/a/b:pull",
            "repository:private:pull",
            "registry:catalog:*",
        ] {
            assert_eq!(granted(&auth, None, scope), "", "{scope}");
        }
    }

    // proves: MOSI-11
    #[test]
    fn rules_are_about_anonymous_only_when_one_says_so_and_never_let_them_write() {
        let silent = auth(Some(&[(None, "*", "*")]), &[]);
        assert_eq!(granted(&silent, None, "repository:a:pull"), "");
        assert_eq!(granted(&silent, Some("anna"), "repository:a:pull,push"), "pull,push");
        let explicit = auth(Some(&[(Some(""), "secret", ""), (None, "*", "*")]), &[]);
        assert_eq!(granted(&explicit, None, "repository:secret:pull"), "");
        assert_eq!(granted(&explicit, None, "repository:a:pull,push,delete,*"), "pull");
        assert!(Policy::new(&explicit).unwrap().is_open_to_anonymous());
    }

    #[test]
    fn groups_are_the_label_of_that_name() {
        let auth = auth(Some(&[(None, "${labels:group}/*", "pull push")]), &[]);
        assert_eq!(
            granted(&auth, Some("anna"), "repository:team/app:pull,push"),
            "pull,push"
        );
        assert_eq!(granted(&auth, Some("bert"), "repository:team/app:pull,push"), "");
    }

    #[test]
    fn who_is_not_logged_in_can_be_in_a_group() {
        let mut auth = auth(Some(&[(Some("anna"), "a", "pull"), (Some(""), "", "")]), &[]);
        let rules = auth.acl.as_mut().unwrap();
        rules[0].matches = AclMatch {
            labels: BTreeMap::from([("group".to_owned(), "guests".parse().unwrap())]),
            ..AclMatch::default()
        };
        auth.groups.insert("guests".to_owned(), vec![String::new()]);
        assert_eq!(granted(&auth, None, "repository:a:pull,push"), "pull");
        assert_eq!(granted(&auth, Some("anna"), "repository:a:pull"), "");
    }

    #[test]
    fn explanations_name_the_rule() {
        let policy = Policy::new(&auth(
            Some(&[(Some("anna"), "a", "pull"), (Some(""), "p", "pull")]),
            &["p"],
        ))
        .unwrap();
        let explain = |account, scope: &str| policy.explain(account, &scope.parse().unwrap(), None).to_string();
        assert_eq!(
            explain(Some("anna"), "repository:a:pull,push"),
            "granted only pull of repository:a:pull,push\n  auth.acl rule 1: match: {account: \"anna\", name: \"a\"} actions: [\"pull\"]"
        );
        assert!(
            explain(Some("bert"), "repository:a:pull").starts_with("denied: repository:a:pull\n  no rule of auth.acl")
        );
        assert!(explain(None, "repository:p:pull").contains("auth.anonymous.pull: anybody may pull"));
        assert!(explain(None, "repository:p:push").contains("always take an account"));
    }
}
