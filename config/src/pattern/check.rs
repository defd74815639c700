//! Whether a text is a pattern of an access rule: a glob, or a regular expression between slashes.

use std::sync::LazyLock;

use regex::Regex;

use super::glob;
use super::go_regex::from_go_regex;

/// Checks `pattern` by docker_auth's rules: `/regex/` or a glob of Go's `path.Match`, in either of which `${account}`,
/// `${type}`, `${name}`, `${service}`, captures `${name:1}` and `${labels:KEY}` stand for values of the request.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    for variable in VARIABLE.captures_iter(pattern) {
        let name = &variable[1];
        if !is_variable(name) {
            return Err(format!(
                "expected a variable that exists instead of ${{{name}}}: account, type, name, service, labels:KEY, or a capture such as name:1"
            ));
        }
    }
    let filled = VARIABLE.replace_all(pattern, "x");
    match filled.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some("") | None => glob::check(&filled).map_err(|error| error.to_string()),
        Some(expression) => regex(&from_go_regex(expression)),
    }
}

/// Whether `${name}` stands for a value of the request.
pub(crate) fn is_variable(name: &str) -> bool {
    KNOWN.is_match(name)
}

/// Checks a regular expression.
pub(crate) fn regex(expression: &str) -> Result<(), String> {
    Regex::new(expression).map(drop).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        format!(
            "expected a regular expression: {}",
            reason.strip_prefix("error: ").unwrap_or(reason)
        )
    })
}

static VARIABLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{([^}]*)\}").expect("a literal that compiles"));

static KNOWN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^((account|type|name|service)(:[0-9]+)?|labels:.+)$").expect("a literal that compiles")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_and_expressions() {
        for good in [
            "*",
            "${account}/*",
            "/^team-[a-z]+$/",
            "/^${name:1}/",
            "${labels:group}/*",
            "",
            "/",
        ] {
            assert_eq!(check_pattern(good), Ok(()), "{good}");
        }
        for (bad, word) in [
            ("[", "glob"),
            ("/(/", "regular expression"),
            ("${acount}/*", "acount"),
            ("/[z-a]/", "regular"),
        ] {
            let message = check_pattern(bad).unwrap_err();
            assert!(
                message.contains(word) && message.starts_with("expected") && !message.contains('\n'),
                "{message}"
            );
        }
    }
}
