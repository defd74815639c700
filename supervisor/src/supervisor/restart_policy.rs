//! When a child is started again, and when it is given up. Pure: the clock is an argument, nothing here touches the
//! system.
//!
//! ```text
//!            started           ready
//! Waiting ──────────▶ Starting ─────▶ Ready
//!    ▲                   │ exited       │ exited, or silent for too long: killed
//!    └───────────────────┴──────────────┘        (give up when it is hopeless)
//! any of them ── drain ──▶ Draining ── exited ──▶ Stopped
//! ```
//!
//! A child that comes after another is `Held` until there is something for it to serve.

use std::time::{Duration, Instant};

use crate::exit_code;

/// A child that was ready for this long starts afresh: its next restart is immediate.
const HEALTHY_AFTER: Duration = Duration::from_secs(1);
/// A child that is not ready after this long is killed.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A child that has not sent `WATCHDOG=1` for this long is killed; it sends three times as often.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(9);
/// The first wait after the immediate restart; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A child is given up after this many ends in a row without being ready, within [`QUICK`]; or after [`MANY`], however
/// long they took.
const FEW: u32 = 5;
const QUICK: Duration = Duration::from_secs(10);
const MANY: u32 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildState {
    /// Not running; it is started once [`RestartTracker::release`] is called.
    Held,
    /// Not running; it is started at that time.
    Waiting {
        until: Instant,
    },
    Starting {
        since: Instant,
    },
    /// Serving; its last sign of life was `heard`.
    Ready {
        since: Instant,
        heard: Instant,
    },
    /// Killed for its silence, after or before it was ready; its end has not been seen yet.
    Killed {
        was_ready: bool,
    },
    /// Asked to finish; killed at the deadline.
    Draining {
        deadline: Instant,
    },
    /// Ended, not to be started again.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DueAction {
    Start,
    /// With the reason, for the log.
    Kill(&'static str),
}

/// What follows from the end of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartDecision {
    /// It is started again after this wait.
    Restart(Duration),
    /// It refuses its configuration, so no start will succeed.
    Refused,
    /// It ended this many times in a row, within this time, without being ready: it is given up.
    Hopeless(u32, Duration),
    /// It ended since it was asked to.
    Stopped,
}

/// Counts the starts and ends of one child, to decide on the next.
#[derive(Debug)]
pub(crate) struct RestartTracker {
    state: ChildState,
    /// Starts after the first one.
    restarts: u32,
    /// Ends in a row, none after a healthy while.
    ends: u32,
    /// Ends in a row without being ready, and when the first of these starts was.
    fruitless: u32,
    fruitless_since: Instant,
    ever_ready: bool,
    ever_started: bool,
}

impl RestartTracker {
    /// A child to be started at once.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: ChildState::Waiting { until: now },
            restarts: 0,
            ends: 0,
            fruitless: 0,
            fruitless_since: now,
            ever_ready: false,
            ever_started: false,
        }
    }

    /// A child to be started when it is released.
    pub(crate) fn held(now: Instant) -> Self {
        Self {
            state: ChildState::Held,
            ..Self::new(now)
        }
    }

    /// A child that another binary started, running already.
    pub(crate) fn adopted(now: Instant, is_ready: bool, restarts: u32) -> Self {
        let state = if is_ready {
            ChildState::Ready { since: now, heard: now }
        } else {
            ChildState::Starting { since: now }
        };
        Self {
            state,
            restarts,
            ever_ready: is_ready,
            ever_started: true,
            ..Self::new(now)
        }
    }

    pub(crate) fn release(&mut self, now: Instant) {
        if self.state == ChildState::Held {
            self.state = ChildState::Waiting { until: now };
        }
    }

    pub(crate) fn state(&self) -> ChildState {
        self.state
    }

    /// Starts after the first one.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, ChildState::Ready { .. })
    }

    /// What is due at `now`, if anything.
    pub(crate) fn due(&self, now: Instant) -> Option<DueAction> {
        if now < self.next()? {
            return None;
        }
        match self.state {
            ChildState::Waiting { .. } => Some(DueAction::Start),
            ChildState::Starting { .. } => Some(DueAction::Kill("it was not ready in time")),
            ChildState::Ready { .. } => Some(DueAction::Kill("it stopped answering the watchdog")),
            ChildState::Draining { .. } => Some(DueAction::Kill("the drain deadline passed")),
            ChildState::Held | ChildState::Killed { .. } | ChildState::Stopped => None,
        }
    }

    /// When something will be due next.
    pub(crate) fn next(&self) -> Option<Instant> {
        match self.state {
            ChildState::Waiting { until } => Some(until),
            ChildState::Starting { since } => Some(since + START_LIMIT),
            ChildState::Ready { heard, .. } => Some(heard + WATCHDOG),
            ChildState::Draining { deadline } => Some(deadline),
            ChildState::Held | ChildState::Killed { .. } | ChildState::Stopped => None,
        }
    }

    pub(crate) fn started(&mut self, now: Instant) {
        if self.fruitless == 0 {
            self.fruitless_since = now;
        }
        self.restarts += u32::from(self.ever_started);
        self.ever_started = true;
        self.state = ChildState::Starting { since: now };
    }

    pub(crate) fn ready(&mut self, now: Instant) {
        if matches!(self.state, ChildState::Starting { .. }) {
            self.state = ChildState::Ready { since: now, heard: now };
            self.fruitless = 0;
            self.ever_ready = true;
        }
    }

    pub(crate) fn alive(&mut self, now: Instant) {
        if let ChildState::Ready { heard, .. } = &mut self.state {
            *heard = now;
        }
    }

    /// It was sent SIGKILL; `exited` follows.
    pub(crate) fn killed(&mut self) {
        self.state = match self.state {
            ChildState::Draining { .. } | ChildState::Stopped => ChildState::Stopped,
            ChildState::Starting { .. } => ChildState::Killed { was_ready: false },
            _ => ChildState::Killed { was_ready: true },
        };
    }

    /// It was asked to finish until `deadline`. A child that waits for a start is not started any more.
    pub(crate) fn drain(&mut self, deadline: Instant) {
        self.state = match self.state {
            ChildState::Held | ChildState::Waiting { .. } | ChildState::Stopped => ChildState::Stopped,
            _ => ChildState::Draining { deadline },
        };
    }

    /// It ended, with this exit code unless a signal ended it.
    pub(crate) fn exited(&mut self, now: Instant, code: Option<i32>) -> RestartDecision {
        let was = self.state;
        if matches!(was, ChildState::Draining { .. } | ChildState::Stopped) {
            self.state = ChildState::Stopped;
            return RestartDecision::Stopped;
        }
        self.state = ChildState::Stopped;
        if code == Some(exit_code::CONFIGURATION.into()) && !self.ever_ready {
            return RestartDecision::Refused;
        }
        match was {
            ChildState::Ready { since, .. } if now >= since + HEALTHY_AFTER => self.ends = 0,
            ChildState::Starting { .. } | ChildState::Killed { was_ready: false } => {
                self.fruitless += 1;
                let took = now.saturating_duration_since(self.fruitless_since);
                if self.fruitless >= MANY || (self.fruitless >= FEW && took <= QUICK) {
                    return RestartDecision::Hopeless(self.fruitless, took);
                }
            }
            _ => {}
        }
        let wait = wait_before(self.ends);
        self.ends = self.ends.saturating_add(1);
        self.state = ChildState::Waiting { until: now + wait };
        RestartDecision::Restart(wait)
    }
}

/// The wait before a start, after this many ends in a row.
fn wait_before(ends: u32) -> Duration {
    match ends {
        0 => Duration::ZERO,
        n => FIRST_WAIT.saturating_mul(1 << (n - 1).min(16)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A tracker whose clock the test moves.
    struct Clocked(RestartTracker, Instant);

    impl Clocked {
        fn new() -> Self {
            let now = Instant::now();
            Self(RestartTracker::new(now), now)
        }

        fn after(&mut self, time: Duration) -> &mut Self {
            self.1 += time;
            self
        }

        fn start(&mut self) -> &mut Self {
            assert_eq!(self.0.due(self.1), Some(DueAction::Start));
            self.0.started(self.1);
            self
        }

        fn ready(&mut self) -> &mut Self {
            self.0.ready(self.1);
            assert!(self.0.is_ready());
            self
        }

        fn exit(&mut self, code: Option<i32>) -> RestartDecision {
            self.0.exited(self.1, code)
        }
    }

    #[test]
    fn a_ready_child_that_is_killed_starts_again_at_once_every_time() {
        let mut child = Clocked::new();
        for restarts in 0..50 {
            let decision = child.start().ready().after(Duration::from_secs(2)).exit(None);
            assert_eq!(decision, RestartDecision::Restart(Duration::ZERO));
            assert_eq!(child.0.restarts(), restarts);
        }
    }

    #[test]
    fn short_lives_wait_longer_and_longer_until_one_was_healthy() {
        let mut child = Clocked::new();
        let waits: Vec<_> = (0..9)
            .map(|_| match child.start().ready().after(MS).exit(None) {
                RestartDecision::Restart(wait) => {
                    child.after(wait);
                    wait.as_millis()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        let decision = child.start().ready().after(HEALTHY_AFTER).exit(None);
        assert_eq!(decision, RestartDecision::Restart(Duration::ZERO));
    }

    #[test]
    fn five_quick_ends_without_being_ready_are_hopeless() {
        let mut child = Clocked::new();
        for _ in 0..4 {
            let RestartDecision::Restart(wait) = child.start().after(10 * MS).exit(Some(1)) else {
                panic!()
            };
            child.after(wait);
        }
        let decision = child.start().after(10 * MS).exit(Some(1));
        assert!(
            matches!(decision, RestartDecision::Hopeless(5, took) if took < QUICK),
            "{decision:?}"
        );
    }

    #[test]
    fn slow_ends_without_being_ready_are_hopeless_after_ten() {
        let mut child = Clocked::new();
        for _ in 0..9 {
            let RestartDecision::Restart(wait) = child.start().after(5000 * MS).exit(Some(1)) else {
                panic!()
            };
            child.after(wait);
        }
        assert!(matches!(
            child.start().after(5000 * MS).exit(Some(1)),
            RestartDecision::Hopeless(10, _)
        ));
    }

    #[test]
    fn being_ready_once_clears_the_count_of_fruitless_starts() {
        let mut child = Clocked::new();
        for _ in 0..3 {
            for _ in 0..4 {
                let RestartDecision::Restart(wait) = child.start().after(MS).exit(Some(1)) else {
                    panic!()
                };
                child.after(wait);
            }
            let RestartDecision::Restart(wait) = child.start().ready().after(HEALTHY_AFTER).exit(None) else {
                panic!()
            };
            child.after(wait);
        }
    }

    #[test]
    fn a_refused_configuration_ends_the_first_start_only() {
        assert_eq!(
            Clocked::new().start().exit(Some(exit_code::CONFIGURATION.into())),
            RestartDecision::Refused
        );
        let mut child = Clocked::new();
        child.start().ready().after(HEALTHY_AFTER).exit(None);
        assert!(matches!(
            child.start().exit(Some(exit_code::CONFIGURATION.into())),
            RestartDecision::Restart(_)
        ));
    }

    #[test]
    fn silence_is_noticed_and_pings_put_it_off() {
        let mut child = Clocked::new();
        child.start().ready().after(WATCHDOG - MS);
        assert_eq!(child.0.due(child.1), None);
        child.0.alive(child.1);
        child.after(WATCHDOG - MS);
        assert_eq!(child.0.due(child.1), None);
        child.after(MS);
        assert!(matches!(child.0.due(child.1), Some(DueAction::Kill(_))));
        child.0.killed();
        assert_eq!(child.0.due(child.1), None);
        assert!(matches!(child.exit(None), RestartDecision::Restart(_)));
    }

    #[test]
    fn a_start_that_takes_for_ever_is_killed() {
        let mut child = Clocked::new();
        child.start().after(START_LIMIT);
        assert!(matches!(child.0.due(child.1), Some(DueAction::Kill(_))));
    }

    #[test]
    fn draining_ends_in_stopped_whatever_the_exit_code_and_has_a_deadline() {
        let mut child = Clocked::new();
        child.start().ready();
        let deadline = child.1 + 30 * MS;
        child.0.drain(deadline);
        assert_eq!(child.0.next(), Some(deadline));
        child.after(29 * MS);
        assert_eq!(child.0.due(child.1), None);
        child.after(MS);
        assert!(matches!(child.0.due(child.1), Some(DueAction::Kill(_))));
        assert_eq!(child.exit(Some(1)), RestartDecision::Stopped);
        assert_eq!(child.0.state(), ChildState::Stopped);
    }

    #[test]
    fn a_held_child_starts_when_it_is_released() {
        let mut child = Clocked::new();
        child.0 = RestartTracker::held(child.1);
        child.after(START_LIMIT * 2);
        assert_eq!((child.0.due(child.1), child.0.next()), (None, None));
        child.0.release(child.1);
        child.start().ready();
        assert_eq!(child.0.restarts(), 0);
        child.0.release(child.1);
        assert!(child.0.is_ready(), "released already");
    }

    #[test]
    fn an_adopted_child_goes_on_where_it_was() {
        let now = Instant::now();
        let mut child = Clocked(RestartTracker::adopted(now, true, 3), now);
        assert!(child.0.is_ready());
        let decision = child.after(HEALTHY_AFTER).exit(Some(exit_code::CONFIGURATION.into()));
        assert_eq!(decision, RestartDecision::Restart(Duration::ZERO), "it served once");
        assert_eq!(child.start().0.restarts(), 4);
        assert!(!RestartTracker::adopted(now, false, 0).is_ready());
    }

    #[test]
    fn a_child_that_waits_for_its_start_is_stopped_by_a_drain() {
        let mut child = Clocked::new();
        child.start().ready().after(MS).exit(None);
        child.0.drain(child.1);
        assert_eq!(child.0.state(), ChildState::Stopped);
        assert_eq!(child.0.due(child.1), None);
    }
}
