//! Which lines are shown at which level.

use lockgate_config::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The target of the lines that tell of one request each; `log.accesslog.disabled` silences them.
pub(super) const ACCESS: &str = "access";
/// The target of the lines that tell of a removal before it happens; `log.level: silent` alone silences them.
pub(super) const AUDIT: &str = "audit";
/// Our own crates, and the binary: all their targets begin so.
const OWN: &str = "lockgate";

/// Our own lines at `level`. Libraries never below `info`: their debug output shows headers, passwords among them.
pub(super) fn targets(level: Level, access: bool) -> Targets {
    let own = filter_of(level);
    let libraries = match level {
        Level::Silent => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn | Level::Info => LevelFilter::WARN,
        Level::Debug | Level::Trace => LevelFilter::INFO,
    };
    let access = if access { own } else { LevelFilter::OFF };
    let audit = match level {
        Level::Silent => LevelFilter::OFF,
        _ => own.max(LevelFilter::INFO),
    };
    // The proxy logs what these would say, once, and with the request's id.
    let quiet = lockgate_proxy::QUIET_TARGETS
        .iter()
        .map(|target| (*target, LevelFilter::OFF));
    Targets::new()
        .with_default(libraries)
        .with_targets(quiet)
        .with_target(OWN, own)
        .with_target(ACCESS, access)
        .with_target(AUDIT, audit)
}

fn filter_of(level: Level) -> LevelFilter {
    match level {
        Level::Silent => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(level: Level, access: bool, target: &str, event: tracing::Level) -> bool {
        targets(level, access).would_enable(target, &event)
    }

    #[test]
    fn libraries_never_show_their_debug_output() {
        assert!(shown(
            Level::Trace,
            true,
            "lockgate_proxy::request::hand_off",
            tracing::Level::TRACE
        ));
        assert!(shown(Level::Trace, true, "actix_http::h1", tracing::Level::INFO));
        assert!(!shown(Level::Trace, true, "actix_http::h1", tracing::Level::DEBUG));
        assert!(!shown(Level::Info, true, "actix_http::h1", tracing::Level::INFO));
        // The proxy logs what these would say, with the request's id.
        assert!(!shown(
            Level::Trace,
            true,
            "pingora_core::server",
            tracing::Level::ERROR
        ));
    }

    #[test]
    fn the_access_log_is_a_switch_of_its_own() {
        assert!(shown(Level::Info, true, ACCESS, tracing::Level::INFO));
        assert!(!shown(Level::Info, false, ACCESS, tracing::Level::INFO));
        assert!(shown(Level::Info, false, "lockgate_proxy", tracing::Level::INFO));
    }

    #[test]
    fn audit_lines_are_shown_unless_a_sink_is_silent() {
        for level in [Level::Error, Level::Warn, Level::Info, Level::Trace] {
            assert!(shown(level, false, AUDIT, tracing::Level::INFO), "{level:?}");
        }
    }

    #[test]
    fn silent_shows_nothing() {
        for target in ["lockgate", "access", "audit", "actix_http"] {
            assert!(!shown(Level::Silent, true, target, tracing::Level::ERROR));
        }
    }
}
