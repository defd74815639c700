//! Writes the lines of one sink, on a thread of its own: whoever logs never waits for a log.
//!
//! ```text
//! push ─▶ queue (bounded) ─▶ thread ─▶ sink
//! ```
//!
//! The thread is started once its process is confined; until then lines wait.

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow};
use tracing::Level;

use super::fields::Fields;
use super::line::LineFormat;
use super::queue::{Importance, LostLines, Next, Queue};
use super::receipt::Receipt;
use super::sinks::Sink;

/// Bytes that may wait.
const CAPACITY: usize = 4 << 20;
/// Bytes of memory that a line takes beside its text.
const OVERHEAD: usize = 96;
/// Lines are written together up to this size: a pipe takes so much in one piece (pipe(7), PIPE_BUF), so that lines of
/// several processes are not mixed.
const BATCH: usize = 4096;
/// How long the first access line may wait for others. What is rarer waits for nothing.
const LINGER: Duration = Duration::from_millis(20);
/// How long a flush goes on when nothing is taken...
const NO_PROGRESS: Duration = Duration::from_secs(1);
/// ... and how long at most.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

/// A line as its sink takes it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) text: String,
    /// Present when somebody waits until the line is written.
    pub(super) receipt: Option<Receipt>,
}

/// Makes the new sink from the old one.
pub(super) type SinkChange = Box<dyn FnOnce(Option<Box<dyn Sink>>) -> Option<Box<dyn Sink>> + Send>;

/// The format of lines, which a reload changes.
pub(super) type SharedFormat = Arc<RwLock<Arc<LineFormat>>>;

/// Sends lines to one sink.
#[derive(Clone)]
pub(super) struct Writer {
    name: &'static str,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when there is something to write.
    wake: Condvar,
    /// Signalled when something has been written.
    written: Condvar,
}

struct State {
    queue: Queue<Item>,
    is_running: bool,
    is_asleep: bool,
    is_urgent: bool,
    /// Items below this number are written, or lost.
    settled: u64,
}

enum Item {
    Line(Line),
    Change(SinkChange),
}

/// The next step of the thread.
enum Work {
    Write(Batch),
    Change(SinkChange),
}

#[derive(Default)]
struct Batch {
    lines: Vec<(Importance, Line)>,
    /// Lost lines, which are reported before the others.
    lost: Option<LostLines>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.lost.is_none()
    }
}

impl Writer {
    /// `name` is the key of the configuration, for messages.
    pub(super) fn new(name: &'static str) -> Self {
        Self::with_capacity(name, CAPACITY)
    }

    fn with_capacity(name: &'static str, capacity: usize) -> Self {
        let state = State {
            queue: Queue::new(capacity),
            is_running: false,
            is_asleep: false,
            is_urgent: false,
            settled: 0,
        };
        let shared = Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            written: Condvar::new(),
        };
        Self {
            name,
            shared: Arc::new(shared),
        }
    }

    /// Adds a line; never waits.
    pub(super) fn push(&self, importance: Importance, line: Line) {
        let mut state = self.shared.lock();
        let size = line.text.len() + OVERHEAD;
        state.queue.push(importance, size, Item::Line(line));
        self.shared.wake(&mut state, importance > Importance::Access);
    }

    /// Changes the sink, after the lines that wait have been written to the one before.
    pub(super) fn change(&self, change: SinkChange) {
        let mut state = self.shared.lock();
        state.queue.push_always(Item::Change(change));
        self.shared.wake(&mut state, true);
    }

    /// Starts the thread, unless it runs. It hears no signal, and what its process may not do, it may not either.
    pub(super) fn start(&self, line_format: &SharedFormat) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.is_running {
            return Ok(());
        }
        let (name, shared, line_format) = (self.name, self.shared.clone(), line_format.clone());
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let thread = std::thread::Builder::new().name(name.to_owned());
        let started = thread.spawn(move || write_forever(name, &shared, &line_format));
        before.thread_set_mask()?;
        started?;
        state.is_running = true;
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        self.shared.lock().is_running
    }

    /// Has the thread write at once; returns the number that [`Writer::flush`] waits for.
    pub(super) fn request_flush(&self) -> u64 {
        let mut state = self.shared.lock();
        self.shared.wake(&mut state, true);
        state.queue.next()
    }

    /// Waits until everything below `number` is written, for as long as something is.
    pub(super) fn flush(&self, number: u64, began: Instant) {
        let mut state = self.shared.lock();
        while state.is_running && state.settled < number && began.elapsed() < LONGEST_FLUSH {
            let settled = state.settled;
            let waited = self
                .shared
                .written
                .wait_timeout_while(state, NO_PROGRESS, |state| state.settled == settled);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return;
            }
        }
    }

    /// How many lines are lost by now, while the sink takes nothing.
    pub(super) fn missing(&self) -> u64 {
        self.shared.lock().queue.missing()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, state: &mut State, urgent: bool) {
        let is_news = urgent && !mem::replace(&mut state.is_urgent, true);
        if mem::take(&mut state.is_asleep) || is_news {
            self.wake.notify_one();
        }
    }

    /// Waits until there is something to write; a gap at the very end is, when `tell_at_end`.
    fn wait(&self, tell_at_end: bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if state.queue.peek(tell_at_end).is_some() {
            return state;
        }
        state.is_urgent = false;
        while state.queue.peek(tell_at_end).is_none() {
            state.is_asleep = true;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.is_asleep = false;
        }
        let lingered = self.wake.wait_timeout_while(state, LINGER, |state| !state.is_urgent);
        lingered.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    /// What can be written in one go, or a change of the sink.
    fn take(&mut self, tell_at_end: bool) -> Work {
        let (mut batch, mut size) = (Batch::default(), 0);
        loop {
            match self.queue.peek(tell_at_end) {
                Some(Next::Gap) if batch.is_empty() => batch.lost = Some(self.queue.take_lost()),
                Some(Next::Item(Item::Change(_))) if batch.is_empty() => {
                    if let Some((_, Item::Change(change))) = self.queue.pop() {
                        return Work::Change(change);
                    }
                }
                Some(Next::Item(Item::Line(line))) if batch.lines.is_empty() || size + line.text.len() <= BATCH => {
                    size += line.text.len();
                    if let Some((importance, Item::Line(line))) = self.queue.pop()
                        && !line.is_withdrawn()
                    {
                        batch.lines.push((importance, line));
                    }
                }
                _ => return Work::Write(batch),
            }
        }
    }

    /// Records whether a batch was written.
    fn settle(&mut self, batch: Batch, written: &io::Result<bool>) {
        let lines = batch.lines.iter();
        match written {
            Ok(true) => lines
                .filter_map(|(_, line)| line.receipt.as_ref())
                .for_each(Receipt::confirm),
            Ok(false) => {}
            Err(_) => {
                lines.for_each(|(importance, _)| self.queue.lose_popped(*importance));
                if let Some(lost) = batch.lost {
                    self.queue.put_back(lost);
                }
            }
        }
    }
}

impl Line {
    fn is_withdrawn(&self) -> bool {
        self.receipt.as_ref().is_some_and(Receipt::is_withdrawn)
    }
}

fn write_forever(name: &'static str, shared: &Shared, line_format: &SharedFormat) {
    let mut sink: Option<Box<dyn Sink>> = None;
    // A sink that fails is tried again when there is a line for it, not again and again.
    let mut is_broken = false;
    loop {
        let work = shared.wait(!is_broken).take(!is_broken);
        match work {
            Work::Change(change) => {
                sink = change(sink.take());
                is_broken = sink.is_none();
            }
            Work::Write(batch) if batch.is_empty() => {}
            Work::Write(batch) => {
                let written = write(sink.as_deref_mut(), &batch, line_format);
                shared.lock().settle(batch, &written);
                let was_broken = mem::replace(&mut is_broken, written.is_err());
                if let Err(error) = written
                    && !was_broken
                {
                    tracing::error!("{name} cannot be written, its lines are lost until it can: {error}");
                }
            }
        }
        let mut state = shared.lock();
        state.settled = state.queue.first();
        shared.written.notify_all();
    }
}

/// Whether somebody has taken it; an error when it is lost.
fn write(sink: Option<&mut (dyn Sink + 'static)>, batch: &Batch, line_format: &SharedFormat) -> io::Result<bool> {
    let sink = sink.ok_or(io::ErrorKind::NotConnected)?;
    let told = batch.lost.map(|lost| tell(lost, sink.has_own_time(), line_format));
    let lines = batch.lines.iter().map(|(_, line)| (line.level, line.text.as_str()));
    let told = told.as_deref().map(|text| (Level::WARN, text));
    sink.write(&told.into_iter().chain(lines).collect::<Vec<_>>())
}

/// The line that reports lost ones.
fn tell(lost: LostLines, has_own_time: bool, line_format: &SharedFormat) -> String {
    let line_format = line_format.read().unwrap_or_else(PoisonError::into_inner).clone();
    let lines = lost.sum();
    let fields = Fields::new(
        format!("{lines} lines of this log were lost here, it did not take them"),
        [
            ("access_lines", lost.access),
            ("errors_and_audit_lines", lost.vital),
            ("other_lines", lost.common),
        ],
    );
    if has_own_time {
        line_format.message(&fields)
    } else {
        line_format.line(Level::WARN, "lockgate::logging", &fields)
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
