//! Waiting until the log has taken a line.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// How long a sink may take.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(5);

/// With a line on its way to a sink; dropped without [`Receipt::confirm`], the line is lost there.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    taken: UnboundedSender<()>,
    line: Arc<PendingLine>,
}

#[derive(Debug, Default)]
struct PendingLine {
    /// Whether some sink takes lines of this level.
    is_wanted: AtomicBool,
    /// Set when nobody waits any more: a line that has not been written yet is dropped.
    is_withdrawn: AtomicBool,
}

thread_local! {
    /// What a line that is logged on this thread goes with.
    static RECEIPT: RefCell<Option<Receipt>> = const { RefCell::new(None) };
}

impl Receipt {
    /// For a sink that wants the line which is being logged on this thread.
    pub(super) fn of_this_thread() -> Option<Self> {
        let receipt = RECEIPT.with_borrow(Clone::clone)?;
        receipt.line.is_wanted.store(true, Ordering::Relaxed);
        Some(receipt)
    }

    /// The line has been written.
    pub(super) fn confirm(&self) {
        // Nobody may wait for it any more.
        let _ = self.taken.send(());
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.line.is_withdrawn.load(Ordering::Relaxed)
    }
}

/// Withdraws the line unless it has been taken.
struct Wait {
    taken: UnboundedReceiver<()>,
    line: Arc<PendingLine>,
    is_taken: bool,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.line.is_withdrawn.store(!self.is_taken, Ordering::Relaxed);
    }
}

/// Calls `log`, which logs one line; resolves to whether a sink has taken it, or none wants it.
pub(super) fn confirmed(log: &dyn Fn()) -> impl Future<Output = bool> + Send + 'static {
    let (sender, taken) = unbounded_channel();
    let line = Arc::new(PendingLine::default());
    let receipt = Receipt {
        taken: sender,
        line: line.clone(),
    };
    RECEIPT.set(Some(receipt));
    log();
    RECEIPT.take();
    let mut wait = Wait {
        taken,
        line,
        is_taken: false,
    };
    async move {
        if !wait.line.is_wanted.load(Ordering::Relaxed) {
            return true;
        }
        wait.is_taken = matches!(timeout(RECEIPT_TIMEOUT, wait.taken.recv()).await, Ok(Some(())));
        wait.is_taken
    }
}
