//! Formats an event as one line.

use std::collections::BTreeMap;
use std::fmt::Write;

use lockgate_config::Formatter;
use serde_json::{Map, Value};
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::fields::Fields;

/// The format of lines.
#[derive(Debug)]
pub(super) struct LineFormat {
    process: &'static str,
    formatter: Formatter,
    /// `log.fields`
    fields: BTreeMap<String, String>,
}

impl LineFormat {
    pub(super) fn new(process: &'static str, formatter: Formatter, fields: &BTreeMap<String, String>) -> Self {
        Self {
            process,
            formatter,
            fields: fields.clone(),
        }
    }

    /// One event, with its line feed.
    pub(super) fn line(&self, level: Level, target: &str, fields: &Fields) -> String {
        let mut line = match self.formatter {
            Formatter::Text => self.text(level, fields),
            Formatter::Json => self.json(level, target, fields),
            Formatter::Logstash => self.logstash(level, target, fields),
        };
        line.push('\n');
        line
    }

    /// What happened, without when and how grave: others add that.
    pub(super) fn message(&self, fields: &Fields) -> String {
        let mut text = fields.message().map(printable).unwrap_or_default();
        for (name, value) in fields.others() {
            // Writing to a String cannot fail.
            let _ = write!(text, " {name}={}", word(value));
        }
        for (name, value) in &self.fields {
            let _ = write!(text, " {name}={}", word(&Value::String(value.clone())));
        }
        text
    }

    /// `2026-01-02T03:04:05.678901Z INFO  proxy: message name=value`
    fn text(&self, level: Level, fields: &Fields) -> String {
        format!("{} {level:<5} {}: {}", now(), self.process, self.message(fields))
    }

    /// The keys of distribution's JSON lines.
    fn json(&self, level: Level, target: &str, fields: &Fields) -> String {
        let mut object = self.common(target, fields);
        object.insert("time".into(), now().into());
        object.insert("level".into(), name_of(level).into());
        object.insert("msg".into(), fields.message().unwrap_or_default().into());
        Value::Object(object).to_string()
    }

    /// The keys of distribution's logstash lines.
    fn logstash(&self, level: Level, target: &str, fields: &Fields) -> String {
        let mut object = self.common(target, fields);
        object.insert("@timestamp".into(), now().into());
        object.insert("@version".into(), "1".into());
        object.insert("level".into(), name_of(level).into());
        object.insert("message".into(), fields.message().unwrap_or_default().into());
        Value::Object(object).to_string()
    }

    fn common(&self, target: &str, fields: &Fields) -> Map<String, Value> {
        let mut object = Map::new();
        object.extend(
            self.fields
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into())),
        );
        object.extend(fields.others().map(|(name, value)| (name.to_owned(), value.clone())));
        object.insert("target".into(), target.into());
        object.insert("process".into(), self.process.into());
        object
    }
}

/// RFC 3339, UTC.
fn now() -> String {
    let mut text = String::with_capacity(256);
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// distribution's names of levels.
fn name_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// No line can pretend to be two, and no terminal is told what to do.
fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// A value that reads as one word, quoted where it would not.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=');
            if !text.is_empty() && text.chars().all(plain) {
                text.clone()
            } else {
                Value::String(printable(text)).to_string()
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(formatter: Formatter) -> LineFormat {
        LineFormat::new("proxy", formatter, &[("environment".into(), "home lab".into())].into())
    }

    /// What an event looks like, through the real machinery.
    fn logged(formatter: Formatter) -> String {
        use std::sync::{Arc, Mutex};
        use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

        struct Catch(LineFormat, Arc<Mutex<String>>);
        impl<S: tracing::Subscriber> Layer<S> for Catch {
            fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
                let mut fields = Fields::default();
                event.record(&mut fields);
                *self.1.lock().unwrap() = self.0.line(*event.metadata().level(), "access", &fields);
            }
        }
        let caught = Arc::new(Mutex::new(String::new()));
        let subscriber = tracing_subscriber::registry().with(Catch(style(formatter), caught.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(status = 200, path = "/v2/a b", user = %"x\ny", "served\x1b[2J it");
        });
        caught.lock().unwrap().clone()
    }

    #[test]
    fn a_text_line_is_one_line_and_quotes_what_needs_it() {
        // proves: HOMELAB-03
        let line = logged(Formatter::Text);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with('Z'), "{time}");
        let expected =
            r#"WARN  proxy: served\u{1b}[2J it status=200 path="/v2/a b" user="x\\ny" environment="home lab""#;
        assert_eq!(rest, format!("{expected}\n"));
    }

    #[test]
    fn a_json_line_has_distributions_keys() {
        let line: Value = serde_json::from_str(&logged(Formatter::Json)).unwrap();
        assert_eq!(line["level"], "warning");
        assert_eq!(line["msg"], "served\u{1b}[2J it");
        assert_eq!(line["status"], 200);
        assert_eq!(line["process"], "proxy");
        assert_eq!(line["environment"], "home lab");
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_logstash_line_has_its_own() {
        let line: Value = serde_json::from_str(&logged(Formatter::Logstash)).unwrap();
        assert_eq!(line["@version"], "1");
        assert_eq!(line["message"], "served\u{1b}[2J it");
        assert!(line["@timestamp"].is_string());
    }
}
