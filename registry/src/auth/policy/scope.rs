//! Scopes: what somebody wants to do to what, in the words of distribution's token specification ("scope.md").

use std::borrow::Cow;
use std::fmt;
use std::ops::{BitAnd, BitOr};
use std::str::FromStr;

use crate::oci::RepositoryName;

/// `type:name:action,action`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    kind: Cow<'static, str>,
    name: Box<str>,
    actions: Actions,
}

impl Scope {
    /// The resource type of repositories.
    pub const REPOSITORY: &'static str = "repository";
    /// The type of the registry as a whole.
    pub const REGISTRY: &'static str = "registry";

    /// `repository:name:actions`.
    pub fn repository(name: &RepositoryName, actions: Actions) -> Self {
        Self {
            kind: Cow::Borrowed(Self::REPOSITORY),
            name: name.as_str().into(),
            actions,
        }
    }

    /// `registry:catalog:*`, what listing the repositories takes.
    pub fn catalog() -> Self {
        Self {
            kind: Cow::Borrowed(Self::REGISTRY),
            name: "catalog".into(),
            actions: Actions::ALL,
        }
    }

    /// The type, without its class (`repository(plugin)` is a `repository`).
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name, which may begin with `host:port/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is to be done.
    pub fn actions(&self) -> Actions {
        self.actions
    }

    /// The same with other actions.
    pub fn with_actions(&self, actions: Actions) -> Self {
        Self {
            actions,
            ..self.clone()
        }
    }

    /// Type and name, for claims.
    pub(crate) fn new(kind: &str, name: &str, actions: Actions) -> Self {
        let kind = match kind {
            Self::REPOSITORY => Cow::Borrowed(Self::REPOSITORY),
            Self::REGISTRY => Cow::Borrowed(Self::REGISTRY),
            other => Cow::Owned(other.to_owned()),
        };
        Self {
            kind,
            name: name.into(),
            actions,
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    /// The name is what stands between the first and the last colon. Actions that mean nothing here are left out: they
    /// could only be granted to be of no use.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text.split_once(':').ok_or(InvalidScope::Shape)?;
        let (name, actions) = rest.rsplit_once(':').ok_or(InvalidScope::Shape)?;
        let kind = kind_without_class(kind).ok_or(InvalidScope::Type)?;
        if !is_name(kind, name) {
            return Err(InvalidScope::Name);
        }
        Ok(Self::new(
            kind,
            name,
            actions
                .split(',')
                .filter_map(Actions::named)
                .fold(Actions::NONE, |all, one| all | one),
        ))
    }
}

/// `resourcetype := resourcetypevalue [ '(' resourcetypeclass ')' ]`
fn kind_without_class(text: &str) -> Option<&str> {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let kind = match text.split_once('(') {
        Some((kind, class)) => class.strip_suffix(')').filter(|class| is_word(class)).map(|_| kind)?,
        None => text,
    };
    is_word(kind).then_some(kind)
}

fn is_name(kind: &str, name: &str) -> bool {
    if name.len() > RepositoryName::MAX_LENGTH {
        return false;
    }
    if kind != Scope::REPOSITORY {
        return !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/*".contains(&b));
    }
    let path = match name.split_once('/') {
        Some((host, path)) if is_host_and_port(host) => path,
        _ => name,
    };
    path.parse::<RepositoryName>().is_ok()
}

/// `host:port`; what has no port looks like a component of the name and is treated as one.
fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let host_byte = |b: u8| b.is_ascii_alphanumeric() || b"._-[]:".contains(&b);
        !host.is_empty() && host.bytes().all(host_byte) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
    })
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions)
    }
}

/// A set of actions: pull, push, delete, `*`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Actions(u8);

impl Actions {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// Reading manifests, blobs and listings of a repository.
    pub const PULL: Self = Self(1);
    /// Uploading blobs and putting manifests.
    pub const PUSH: Self = Self(2);
    /// Removing manifests, tags and blobs.
    pub const DELETE: Self = Self(4);
    /// `*`: whatever there is. As a wish, an action of its own; in a token, all of them.
    pub const ALL: Self = Self(8);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::PULL, "pull"),
        (Self::PUSH, "push"),
        (Self::DELETE, "delete"),
        (Self::ALL, "*"),
    ];

    /// The action of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(action, _)| *action)
    }

    /// Whether the set has no action.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Whether each of `others` is one of these; `*` is all of them.
    pub fn cover(self, others: Self) -> bool {
        self.0 & Self::ALL.0 != 0 || self & others == others
    }

    /// The names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(action, _)| self & *action == *action)
            .map(|(_, name)| name)
    }
}

impl BitOr for Actions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Actions {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.names().enumerate() {
            write!(f, "{}{name}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// Why a text is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// The text has fewer than two colons.
    #[error("a scope has the form `type:name:action,action`")]
    Shape,
    /// The type is not a word of lower-case letters and digits.
    #[error("the type of a scope is made of lower-case letters and digits")]
    Type,
    /// The name cannot be that of a repository.
    #[error("the name of a scope is a repository's, with or without `host:port/`")]
    Name,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (String, String, String) {
        let scope: Scope = text.parse().expect(text);
        (
            scope.kind().to_owned(),
            scope.name().to_owned(),
            scope.actions().to_string(),
        )
    }

    #[test]
    fn scopes_are_read_as_clients_send_them() {
        for (text, kind, name, actions) in [
            (
                "repository:samalba/my-app:pull,push",
                "repository",
                "samalba/my-app",
                "pull,push",
            ),
            (
                "repository:a/b/c/d:push,pull,pull",
                "repository",
                "a/b/c/d",
                "pull,push",
            ),
            (
                "repository:localhost:5000/a/b:pull",
                "repository",
                "localhost:5000/a/b",
                "pull",
            ),
            ("repository:[::1]:5000/a:pull", "repository", "[::1]:5000/a", "pull"),
            ("repository(plugin):a/b:pull", "repository", "a/b", "pull"),
            ("registry:catalog:*", "registry", "catalog", "*"),
            ("repository:a:*,delete", "repository", "a", "delete,*"),
            ("repository:a:", "repository", "a", ""),
            ("repository:a:metrics,PULL, pull", "repository", "a", ""),
        ] {
            assert_eq!(parsed(text), (kind.into(), name.into(), actions.into()), "{text}");
        }
    }

    #[test]
    fn tricks_are_refused() {
        for text in [
            "",
            ":",
            "::",
            "repository",
            "repository:a",
            "repository::pull",
            "repository:../a:pull",
            "repository:a/../b:pull",
            "repository:a//b:pull",
            "repository:/a:pull",
            "repository:a/:pull",
            "repository:A:pull",
            "repository:a b:pull",
            "repository:a\0:pull",
            "repository:a\":pull",
            "repository:a,repository:b:pull",
            "repository:a%2fb:pull",
            "repository:host:5000:pull",
            "repository:host:port/a:pull",
            "repository:host:5000/:pull",
            "repository:*:pull",
            "repository(:a:pull",
            "repository():a:pull",
            "Repository:a:pull",
            "repository:a:b:pull",
            "repository :a:pull",
            "registry:cata log:*",
            "registry::*",
            &format!("repository:{}:pull", "a".repeat(256)),
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_covers_everything_and_is_covered_by_itself_alone() {
        let all = Actions::PULL | Actions::PUSH | Actions::DELETE;
        assert!(Actions::ALL.cover(all) && Actions::ALL.cover(Actions::ALL));
        assert!(all.cover(Actions::PULL) && !all.cover(Actions::ALL));
        assert!(!Actions::PULL.cover(Actions::PULL | Actions::PUSH));
    }

    proptest! {
        #[test]
        fn every_scope_round_trips(
            host in proptest::option::of("[a-z][a-z0-9.-]{0,20}:[0-9]{1,5}/"),
            name in "[a-z0-9]{1,10}(/[a-z0-9]{1,5}(-[a-z0-9]{1,5})?){0,4}",
            bits in 0_u8..16,
        ) {
            let scope = Scope::new("repository", &format!("{}{name}", host.unwrap_or_default()), Actions(bits));
            prop_assert_eq!(scope.to_string().parse::<Scope>(), Ok(scope));
        }

        #[test]
        fn no_text_panics_and_no_name_holds_what_a_header_must_not(text in "\\PC{0,80}", name in "[ -~]{0,20}") {
            let _ = text.parse::<Scope>();
            if let Ok(scope) = format!("repository:{name}:pull").parse::<Scope>() {
                prop_assert!(!scope.name().contains(['"', '\\', ' ', ',']), "{}", scope);
            }
        }
    }
}
