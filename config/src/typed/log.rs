//! `log`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::level::Level;
use super::section::Section;

/// `log`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `log.level`: the default of every sink; `info` unless set. `loglevel`, distribution's older key, counts when this
    /// one is missing.
    pub level: Level,
    /// `log.formatter`
    pub formatter: Formatter,
    /// `log.fields`: added to each line.
    pub fields: BTreeMap<String, String>,
    /// `log.accesslog.disabled` negated.
    pub access: bool,
    /// `log.console.level`, default `log.level`.
    pub console: Level,
    /// `log.file`, off unless set.
    pub file: Option<LogFile>,
    /// `log.system.level`, off unless set.
    pub system: Option<Level>,
}

/// `log.file`: one file a process below `directory`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// `log.file.directory`; `None` = `<home>/log`.
    pub directory: Option<PathBuf>,
    /// `log.file.level`, default `log.level`.
    pub level: Level,
    /// `log.file.maxsize` in bytes: rotated when larger. 100 MiB unless set.
    pub max_size: u64,
    /// `log.file.maxage`: rotated files older than this are removed. 28 days unless set.
    pub max_age: Duration,
}

/// `log.formatter`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formatter {
    /// One line an event, for people.
    Text,
    /// One JSON object a line.
    Json,
    /// One JSON object a line with logstash's field names (`@timestamp`, `@version`).
    Logstash,
}

const MAX_SIZE: u64 = 100 << 20;
const MAX_AGE: Duration = Duration::from_secs(28 * 24 * 3600);

impl Log {
    /// From the whole file: `loglevel` stands beside `log`.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let log = root.section("log");
        let older = root.parse("loglevel");
        if older.is_some() && log.has("level") {
            root.warning("loglevel", "without effect: log.level is set and wins");
        }
        let level = log.parse("level").or(older).unwrap_or(Level::Info);
        Self {
            level,
            formatter: log.parse("formatter").unwrap_or(Formatter::Text),
            fields: log.texts_by_name("fields").into_iter().collect(),
            access: !log.section("accesslog").flag("disabled").unwrap_or(false),
            console: log.section("console").parse("level").unwrap_or(level),
            file: log.switch("file").then(|| LogFile::read(&log.section("file"), level)),
            system: log.section("system").parse("level"),
        }
    }
}

impl LogFile {
    fn read(file: &Section<'_>, level: Level) -> Self {
        let max_size = file.size("maxsize");
        if max_size == Some(0) {
            file.mistake("maxsize", "expected a size of at least 1 byte, such as 100MiB");
        }
        Self {
            directory: file.path("directory"),
            level: file.parse("level").unwrap_or(level),
            max_size: max_size.unwrap_or(MAX_SIZE),
            max_age: file.duration("maxage").unwrap_or(MAX_AGE),
        }
    }
}

impl FromStr for Formatter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "logstash" => Ok(Self::Logstash),
            _ => Err("expected text, json or logstash"),
        }
    }
}
