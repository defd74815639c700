//! Reads the header `Forwarded` (RFC 7239).

use std::borrow::Cow;

use crate::token::is_token;

/// What one proxy on the way said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ForwardedElement<'a> {
    pub(crate) client: Option<Cow<'a, str>>,
    pub(crate) proto: Option<Cow<'a, str>>,
    pub(crate) host: Option<Cow<'a, str>>,
}

/// All elements of all `lines`, from the client's side. `None` when one of them cannot be read: where a quote stays open,
/// nobody knows which part of the rest the client wrote and which its proxies.
///
/// Values that should be quoted (`host=a:5000`, `for=[::1]`) are taken without quotes too: proxies send them that way.
pub(crate) fn elements<'a>(lines: &[&'a [u8]]) -> Option<Vec<ForwardedElement<'a>>> {
    let mut elements = Vec::new();
    for line in lines {
        let mut rest = std::str::from_utf8(line).ok()?.trim_matches(SPACE);
        loop {
            let (element, after) = element(rest)?;
            // RFC 9110 section 5.6.1: empty members do not count.
            elements.extend(element);
            match after.strip_prefix(',') {
                Some(next) => rest = next.trim_start_matches(SPACE),
                None if after.is_empty() => break,
                None => return None,
            }
        }
    }
    Some(elements)
}

const SPACE: [char; 2] = [' ', '\t'];

/// The first element of `text`, and what follows it.
fn element(text: &str) -> Option<(Option<ForwardedElement<'_>>, &str)> {
    let mut element = ForwardedElement::default();
    let mut is_empty = true;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(SPACE);
        if !rest.starts_with([';', ',']) && !rest.is_empty() {
            let (name, value) = rest.split_once('=')?;
            let (value, after) = value_of(value)?;
            let place = match name.to_ascii_lowercase().as_str() {
                "for" => Some(&mut element.client),
                "proto" => Some(&mut element.proto),
                "host" => Some(&mut element.host),
                name if is_token(name.as_bytes()) => None,
                _ => return None,
            };
            if place.is_some_and(|place| place.replace(value).is_some()) {
                return None;
            }
            is_empty = false;
            rest = after.trim_start_matches(SPACE);
        }
        match rest.strip_prefix(';') {
            Some(next) => rest = next,
            None => return Some(((!is_empty).then_some(element), rest)),
        }
    }
}

/// A value, and what follows it.
fn value_of(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';']).unwrap_or(text.len());
        let value = text[..end].trim_end_matches(SPACE);
        let is_plain = !value.is_empty() && !value.contains(['"', '=', ' ', '\t']);
        return is_plain.then(|| (Cow::Borrowed(value), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(value), &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Option<Vec<[String; 3]>> {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let text = |value: Option<Cow<'_, str>>| value.unwrap_or_default().into_owned();
        let elements = elements(&lines)?.into_iter();
        Some(
            elements
                .map(|element| [element.client, element.proto, element.host].map(text))
                .collect(),
        )
    }

    #[test]
    fn elements_are_read_as_rfc_7239_says() {
        for (lines, expected) in [
            // The RFC's own examples.
            (
                &["for=\"_gazonk\"", "For=\"[2001:db8:cafe::17]:4711\""][..],
                &[["_gazonk", "", ""], ["[2001:db8:cafe::17]:4711", "", ""]][..],
            ),
            (
                &["for=192.0.2.60;proto=http;by=203.0.113.43"],
                &[["192.0.2.60", "http", ""]],
            ),
            (
                &["for=192.0.2.43, for=198.51.100.17"],
                &[["192.0.2.43", "", ""], ["198.51.100.17", "", ""]],
            ),
            // Quotes hide commas, semicolons and quotes.
            (
                &["host=\"a,b;c\\\"d\";proto=HTTPS , for=unknown"],
                &[["", "HTTPS", "a,b;c\"d"], ["unknown", "", ""]],
            ),
            // What is sent though it should be quoted.
            (&["for=[::1]:5;host=a:5000"], &[["[::1]:5", "", "a:5000"]]),
            // Empty members, empty pairs, extensions.
            (&[" , ;for=a;;secret=x; ,,"], &[["a", "", ""]]),
            (&["", "for=a"], &[["a", "", ""]]),
            (&["secret=x"], &[["", "", ""]]),
        ] {
            let expected: Vec<[String; 3]> = expected.iter().map(|element| element.map(str::to_owned)).collect();
            assert_eq!(read(lines), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn one_that_cannot_be_read_spoils_all() {
        for line in [
            "for",
            "for=",
            "for=;proto=https",
            "=a",
            "for=\"a",
            "for=\"a\\",
            "for=\"a\"b",
            "for=a\"b\"",
            "for=a b",
            "for=a;for=b",
            "for=a;FOR=b",
            "f r=a",
            "for=a=b",
            "for=1.2.3.4, \"",
            "for=a, proto=https\"",
        ] {
            assert_eq!(read(&[line]), None, "{line}");
            assert_eq!(read(&["for=1.2.3.4", line]), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line in "[ -~é\\t]{0,60}") {
            let _ = read(&[&line]);
        }
    }
}
