//! Paths in unit files: quoting of systemd.syntax(7), specifiers of systemd.unit(5); and in XML.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One word of a list, in double quotes, with `%` doubled. Bytes that are no plain ASCII stay when they are UTF-8, and
/// become `\xNN` when they are not.
pub(super) fn quoted(path: &Path) -> String {
    format!("\"{}\"", unquoted(path))
}

fn unquoted(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '%' => text += "%%",
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text += "\\n",
                '\t' => text += "\\t",
                c if c.is_ascii_control() => write!(text, "\\x{:02x}", c as u32).expect("a String takes everything"),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a String takes everything");
        }
    }
    text
}

/// Text in an XML element.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn what_means_something_to_systemd_is_escaped() {
        for (path, expected) in [
            ("/srv/lockgate", "\"/srv/lockgate\""),
            ("/srv/a b", "\"/srv/a b\""),
            ("/srv/100%", "\"/srv/100%%\""),
            ("/srv/\"x\"\\y", "\"/srv/\\\"x\\\"\\\\y\""),
            ("/srv/ä\n", "\"/srv/ä\\n\""),
            ("/srv/'", "\"/srv/'\""),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
        assert_eq!(quoted(Path::new(OsStr::from_bytes(b"/a\xff\x1b"))), "\"/a\\xff\\x1b\"");
    }
}
