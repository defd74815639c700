//! When to look whether what is below `run/` is still there, and what could not be made again.

use std::time::{Duration, Instant};

/// How often to look: four `stat` calls. A lost socket shall be back within a second, new processes included.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long to wait after new processes did not become ready, the first time, and at most.
const RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Two clocks: when to look, and when to try new processes again.
#[derive(Debug)]
pub(super) struct RunDirWatch {
    next_look: Instant,
    next_try: Instant,
    retry: Duration,
    /// Why the registry's socket is still missing, if it is.
    pub(super) error: Option<String>,
    /// What could not be made again the last time, to say it once.
    told: Vec<String>,
}

impl RunDirWatch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_look: now + INTERVAL,
            next_try: now,
            retry: RETRY,
            error: None,
            told: Vec::new(),
        }
    }

    /// When new processes may be tried again.
    pub(super) fn next_try(&self) -> Instant {
        self.next_try
    }

    pub(super) fn looked(&mut self, now: Instant) {
        self.next_look = now + INTERVAL;
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.next_look
    }

    /// Says what cannot be made again, once.
    pub(super) fn tell(&mut self, errors: Vec<String>) {
        if errors != self.told {
            errors.iter().for_each(|error| tracing::error!("{error}"));
            self.told = errors;
        }
    }

    /// New processes did not become ready, so the socket is still missing.
    pub(super) fn failed(&mut self, error: String) {
        tracing::error!("run/registry.sock was removed and is not back: {error}");
        self.error = Some(error);
        self.next_try = Instant::now() + self.retry;
        self.retry = (self.retry * 4).min(LONGEST_RETRY);
    }

    /// The registry's socket is there.
    pub(super) fn is_back(&mut self, now: Instant) {
        (self.error, self.next_try, self.retry) = (None, now, RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_again_soon_and_less_and_less_often_while_it_fails() {
        let now = Instant::now();
        let mut restore = RunDirWatch::new(now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let failed = Instant::now();
            restore.failed("why".into());
            pauses.push((restore.next_try - failed).as_secs_f64().round());
        }
        assert_eq!(pauses, [0.0, 1.0, 4.0, 16.0, 30.0, 30.0]);
        restore.is_back(now);
        assert!(restore.error.is_none() && restore.next_try == now);
        restore.failed("why".into());
        assert!(restore.next_try <= Instant::now() + RETRY);
    }
}
