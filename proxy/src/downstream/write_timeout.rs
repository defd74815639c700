//! A timeout for writes that make no progress.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Ends writes that make no progress. The timer is set once per idle time, not once per write.
pub(crate) struct WriteTimeout {
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    progressed: bool,
}

impl WriteTimeout {
    /// After `idle` a write that waits is over; it may take twice as long to notice.
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            idle,
            timer: None,
            progressed: false,
        }
    }

    /// Passes `outcome` on, or ends what has been waiting for too long.
    pub(crate) fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.progressed = true;
            return outcome;
        }
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.idle)));
        while timer.as_mut().poll(cx).is_ready() {
            if !self.progressed {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client takes no data any more",
                )));
            }
            timer.as_mut().reset(Instant::now() + self.idle);
            self.progressed = false;
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_write_without_progress_ends() {
        let mut write_timeout = WriteTimeout::new(Duration::from_secs(60));
        let began = Instant::now();
        for _ in 0..10 {
            let slow = tokio::time::sleep(Duration::from_secs(59));
            tokio::pin!(slow);
            let written = poll_fn(|cx| {
                let outcome = slow.as_mut().poll(cx).map(Ok);
                write_timeout.watch(cx, outcome)
            });
            written.await.unwrap();
        }
        assert_eq!(began.elapsed().as_secs(), 590);
        let stuck = poll_fn(|cx| write_timeout.watch::<()>(cx, Poll::Pending))
            .await
            .unwrap_err();
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed().as_secs() <= 590 + 120);
    }
}
