//! Words and commands of a POSIX shell.

/// A word of a POSIX shell: brackets of an IPv6 address are a pattern there, blanks end a word.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%~".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A command that writes these lines. Not a heredoc: its end is not found when the block is copied with its indent.
pub(super) fn write_lines(path: &str, text: &str) -> String {
    let lines: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(quoted).collect();
    format!(
        "printf '%s\\n' {} | sudo tee {} >/dev/null",
        lines.join(" "),
        quoted(path)
    )
}
