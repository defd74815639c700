//! Waiting for what takes its time: ask until it is so. No test sleeps in the hope that it suffices.
//!
//! ```
//! # use lockgate_testkit::eventually;
//! # let (log, pids) = ("draining", vec![7]);
//! eventually("the drain", || log.contains("draining"));
//! let pid = eventually("a process", || pids.first());
//! # assert_eq!(*pid, 7);
//! ```

use std::time::{Duration, Instant};

/// Nothing that a test waits for may take longer, on a machine that has other things to do.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether what is waited for is there: `true`, or `Some` with what it is.
pub trait Outcome {
    /// What [`eventually`] gives.
    type Found;

    /// `None` means to ask again.
    fn found(self) -> Option<Self::Found>;
}

impl Outcome for bool {
    type Found = ();

    fn found(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Outcome for Option<T> {
    type Found = T;

    fn found(self) -> Option<T> {
        self
    }
}

/// Asks again and again until there is an answer; fails with `what` after [`TIMEOUT`].
#[track_caller]
pub fn eventually<O: Outcome>(what: &str, ask: impl FnMut() -> O) -> O::Found {
    eventually_within(TIMEOUT, what, ask)
}

/// The same, for what takes longer, or has to be faster.
#[track_caller]
pub fn eventually_within<O: Outcome>(limit: Duration, what: &str, mut ask: impl FnMut() -> O) -> O::Found {
    let began = Instant::now();
    loop {
        if let Some(found) = ask().found() {
            return found;
        }
        assert!(began.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// [`eventually`] for tests that run in a tokio runtime.
pub async fn eventually_async<O: Outcome>(what: &str, mut ask: impl AsyncFnMut() -> O) -> O::Found {
    let began = Instant::now();
    loop {
        if let Some(found) = ask().await.found() {
            return found;
        }
        assert!(began.elapsed() < TIMEOUT, "waited {TIMEOUT:?} in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_until_there_is_an_answer() {
        let mut asked = 0;
        let found = eventually("three", || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(found, 3);
    }

    #[test]
    #[should_panic(expected = "in vain for a wonder")]
    fn it_fails_at_the_deadline_with_what_was_waited_for() {
        eventually_within(Duration::from_millis(20), "a wonder", || false);
    }
}
