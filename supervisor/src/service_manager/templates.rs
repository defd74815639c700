//! Definitions for other service managers, printed and never installed. Lockgate runs on Linux: on a Mac they start a
//! container, on Windows WSL. Each is a text file beside this one, where `@NAME@` and its like stand for what varies.

use super::definition::ServiceDefinition;
use super::escape::xml;

/// launchd.plist(5).
const LAUNCHD: &str = include_str!("launchd.plist");
/// A service as WinSW takes it, which wraps programs that know nothing of Windows services.
const WINDOWS: &str = include_str!("windows.xml");

/// A launchd daemon, as a property list. `port`: where clients reach it.
pub(crate) fn launchd(definition: &ServiceDefinition, port: u16) -> String {
    fill(LAUNCHD, definition, &[("@PORT@", port.to_string())])
}

/// A Windows service.
pub(crate) fn windows(definition: &ServiceDefinition) -> String {
    let locations = definition.places();
    let words = locations.iter().map(|word| format!("\"{}\"", word.display()));
    let words: Vec<_> = words.collect();
    let values = [
        ("@PROGRAM@", definition.program.display().to_string()),
        ("@LOCATIONS@", words.join(" ")),
    ];
    fill(WINDOWS, definition, &values)
}

/// `template` with `values`, and with what every definition has, as text of XML.
fn fill(template: &str, definition: &ServiceDefinition, values: &[(&str, String)]) -> String {
    let common = [
        ("@NAME@", definition.name.to_string()),
        ("@HOME@", definition.home.root().display().to_string()),
        ("@STOP_SECONDS@", definition.stop_seconds().to_string()),
    ];
    let values: Vec<_> = common.iter().chain(values).collect();
    let mut text = String::new();
    let mut rest = template;
    // One pass, so that a path which holds `@NAME@` stays what it is.
    while let Some(start) = rest.find('@') {
        text += &rest[..start];
        rest = &rest[start..];
        match values.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                text += &xml(value);
                rest = &rest[name.len()..];
            }
            None => {
                text.push('@');
                rest = &rest[1..];
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockgate_config::Home;

    use super::*;
    use crate::service_manager::definition::ServiceScope;

    fn definition(home: &str) -> ServiceDefinition {
        ServiceDefinition {
            name: "lockgate-a".parse().unwrap(),
            scope: ServiceScope::System,
            program: "/usr/bin/lockgate".into(),
            home: Home::new(home),
            config: Some("/etc/c.yml".into()),
            drain: Duration::from_secs(12),
            writes: Vec::new(),
            reads: Vec::new(),
            sockets: Vec::new(),
        }
    }

    #[test]
    fn every_value_is_filled_in_and_escaped() {
        for text in [launchd(&definition("/srv/a&b"), 5443), windows(&definition("/srv/a&b"))] {
            assert!(!text.contains('@'), "{text}");
            assert!(text.contains("/srv/a&amp;b") && text.contains("lockgate-a"), "{text}");
            assert!(
                text.contains(">42</integer>") || text.contains(">42 sec</stoptimeout>"),
                "{text}"
            );
        }
        assert!(launchd(&definition("/srv"), 5443).contains("<string>5443:5443</string>"));
        let windows = windows(&definition("/srv"));
        let start = "&quot;/usr/bin/lockgate&quot; start &quot;--home&quot; &quot;/srv&quot; &quot;--config&quot; \
            &quot;/etc/c.yml&quot;<";
        assert!(windows.contains(start), "{windows}");
    }

    #[test]
    fn a_path_that_looks_like_a_placeholder_stays() {
        let text = launchd(&definition("/srv/@PORT@@x"), 443);
        assert!(text.contains("<string>/srv/@PORT@@x:/srv</string>"), "{text}");
    }
}
