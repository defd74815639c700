//! Commands that are proposed to a person, as a POSIX shell takes them.

/// `text` as one word of a POSIX shell.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        assert_eq!(shell_word("/srv/lockgate/tls/ca.crt"), "/srv/lockgate/tls/ca.crt");
        assert_eq!(shell_word("/srv/my gate/it's"), r"'/srv/my gate/it'\''s'");
    }
}
