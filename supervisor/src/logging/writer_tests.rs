//! Tests of `writer`.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use lockgate_config::Formatter;

use super::*;
use crate::logging::receipt::confirmed;
use crate::logging::system::SystemLog;

const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A sink whose every write waits for an answer, and the other side of it.
struct Slow {
    writes: Sender<Vec<String>>,
    answers: Receiver<io::Result<bool>>,
}

struct Reader {
    writes: Receiver<Vec<String>>,
    answers: Sender<io::Result<bool>>,
}

impl Sink for Slow {
    fn write(&mut self, lines: &[(Level, &str)]) -> io::Result<bool> {
        let lines = lines.iter().map(|(_, text)| (*text).to_owned()).collect();
        self.writes.send(lines).map_err(io::Error::other)?;
        self.answers.recv().map_err(io::Error::other)?
    }

    fn has_own_time(&self) -> bool {
        true
    }
}

impl Reader {
    /// The next lines, which are taken.
    fn take(&self) -> Vec<String> {
        self.answer(Ok(true))
    }

    fn answer(&self, answer: io::Result<bool>) -> Vec<String> {
        let lines = self.begun();
        self.answers.send(answer).unwrap();
        lines
    }

    /// The next lines, whose write does not end yet.
    fn begun(&self) -> Vec<String> {
        self.writes.recv_timeout(TEST_TIMEOUT).unwrap()
    }

    /// Takes everything until `last` has come.
    fn take_until(&self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.iter().any(|line| line == last) {
            lines.extend(self.take());
        }
        lines
    }
}

fn writer(capacity: usize) -> (Writer, Reader) {
    let line_format: SharedFormat = Arc::new(RwLock::new(Arc::new(LineFormat::new(
        "test",
        Formatter::Text,
        &BTreeMap::new(),
    ))));
    let writer = Writer::with_capacity("log.test", capacity);
    let reader = follow(&writer);
    writer.start(&line_format).unwrap();
    (writer, reader)
}

/// Lines go to another reader from now on.
fn follow(writer: &Writer) -> Reader {
    let (write, writes) = channel();
    let (answer, answers) = channel();
    let slow = Slow { writes: write, answers };
    writer.change(Box::new(|_| Some(Box::new(slow))));
    Reader {
        writes,
        answers: answer,
    }
}

fn push(writer: &Writer, importance: Importance, text: &str) {
    let line = Line {
        level: Level::INFO,
        text: text.to_owned(),
        receipt: Receipt::of_this_thread(),
    };
    writer.push(importance, line);
}

fn numbered(writer: &Writer, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| push(writer, Importance::Access, &number.to_string()));
}

fn eventually(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < TEST_TIMEOUT);
        std::thread::yield_now();
    }
}

#[test]
fn lines_beyond_what_may_wait_are_counted_and_told_of_when_it_flows_again() {
    let (writer, reader) = writer(10 * (OVERHEAD + 4));
    push(&writer, Importance::Vital, "blocked");
    assert_eq!(reader.begun(), ["blocked"]);
    // Nothing of this waits for the reader.
    numbered(&writer, 1000..1100);
    push(&writer, Importance::Vital, "dire");
    assert_eq!(writer.missing(), 91, "ten wait, one of them went for the error");
    reader.answers.send(Ok(true)).unwrap();
    let mut lines = reader.take_until("dire");
    let told = lines.iter().position(|line| line.contains("were lost")).unwrap();
    let kept: Vec<String> = (1000..1000 + told).map(|number| number.to_string()).collect();
    assert_eq!(lines[..told], kept);
    assert_eq!(
        lines.remove(told),
        format!(
            "{lost} lines of this log were lost here, it did not take them \
             access_lines={lost} errors_and_audit_lines=0 other_lines=0",
            lost = 91
        )
    );
    assert_eq!(lines[told..], ["dire"]);
    assert_eq!((told, writer.missing()), (9, 0));
    push(&writer, Importance::Vital, "after");
    assert_eq!(reader.take(), ["after"], "told once");
}

#[test]
fn lines_are_written_together_and_never_more_than_a_pipe_takes_at_once() {
    let (writer, reader) = writer(CAPACITY);
    let long = "x".repeat(BATCH / 4);
    push(&writer, Importance::Vital, "blocked");
    reader.begun();
    (0..9).for_each(|_| push(&writer, Importance::Access, &long));
    push(&writer, Importance::Access, &"y".repeat(3 * BATCH));
    reader.answers.send(Ok(true)).unwrap();
    let sizes: Vec<usize> = (0..4).map(|_| reader.take().concat().len()).collect();
    assert_eq!(sizes, [BATCH, BATCH, BATCH / 4, 3 * BATCH]);
}

#[test]
fn a_sink_that_fails_is_tried_with_the_next_line_and_what_was_lost_is_told_of() {
    let (writer, reader) = writer(CAPACITY);
    let full = || Err(io::ErrorKind::StorageFull.into());
    push(&writer, Importance::Vital, "a");
    assert_eq!(reader.answer(full()), ["a"]);
    push(&writer, Importance::Vital, "b");
    let lines = reader.answer(full());
    assert!(lines[0].starts_with("1 lines") && lines[1] == "b", "{lines:?}");
    eventually(|| writer.missing() == 2);
    push(&writer, Importance::Access, "c");
    let lines = reader.take();
    assert!(lines[0].starts_with("2 lines") && lines[1] == "c", "{lines:?}");
}

#[test]
fn a_change_comes_after_the_lines_before_it() {
    let (writer, first) = writer(CAPACITY);
    push(&writer, Importance::Vital, "blocked");
    first.begun();
    push(&writer, Importance::Access, "of the first");
    let second = follow(&writer);
    push(&writer, Importance::Access, "of the second");
    first.answers.send(Ok(true)).unwrap();
    assert_eq!(first.take(), ["of the first"]);
    assert_eq!(second.take(), ["of the second"]);
}

#[test]
fn a_flush_waits_for_what_waits_and_not_for_what_stands_still() {
    let (writer, reader) = writer(CAPACITY);
    numbered(&writer, 0..100);
    let reading = std::thread::spawn(move || (reader.take_until("99"), reader));
    writer.flush(writer.request_flush(), Instant::now());
    let (lines, reader) = reading.join().unwrap();
    assert_eq!(lines.len(), 100);

    push(&writer, Importance::Access, "blocked");
    let began = Instant::now();
    writer.flush(writer.request_flush(), began);
    assert!(began.elapsed() >= NO_PROGRESS && began.elapsed() < LONGEST_FLUSH);
    drop(reader);
}

#[tokio::test]
async fn who_waits_for_a_line_hears_that_it_was_taken_or_lost_or_that_nobody_wants_it() {
    let (writer, reader) = writer(OVERHEAD + 10);
    let audited = confirmed(&|| push(&writer, Importance::Vital, "taken"));
    reader.take();
    assert!(audited.await);
    let audited = confirmed(&|| push(&writer, Importance::Vital, "failed"));
    reader.answer(Err(io::ErrorKind::StorageFull.into()));
    assert!(!audited.await);
    // A sink that nobody reads, such as a system's log without a daemon.
    let audited = confirmed(&|| push(&writer, Importance::Vital, "unread"));
    reader.answer(Ok(false));
    assert!(!audited.await);
    let audited = confirmed(&|| push(&writer, Importance::Vital, &"too long".repeat(10)));
    assert!(!audited.await);
    assert!(confirmed(&|| ()).await);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_nobody_waits_for_any_more_is_not_written() {
    let (writer, reader) = writer(CAPACITY);
    push(&writer, Importance::Vital, "blocked");
    reader.begun();
    // Five seconds, on a clock that does not wait.
    assert!(!confirmed(&|| push(&writer, Importance::Vital, "removing a")).await);
    drop(confirmed(&|| push(&writer, Importance::Vital, "removing b")));
    push(&writer, Importance::Vital, "after");
    reader.answers.send(Ok(true)).unwrap();
    assert_eq!(reader.take(), ["after"]);
    assert_eq!(writer.missing(), 0);
}

#[tokio::test]
async fn one_sink_that_takes_a_line_is_enough_and_the_others_get_it_too() {
    let ((first, quick), (second, slow)) = (writer(CAPACITY), writer(CAPACITY));
    push(&second, Importance::Vital, "blocked");
    slow.begun();
    let audited = confirmed(&|| {
        push(&first, Importance::Vital, "removing");
        push(&second, Importance::Vital, "removing");
    });
    assert_eq!(quick.take(), ["removing"]);
    assert!(audited.await);
    slow.answers.send(Ok(true)).unwrap();
    assert_eq!(slow.take(), ["removing"]);
}

#[test]
fn a_system_log_that_reads_nothing_keeps_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let daemon = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let (writer, _) = writer(CAPACITY);
    writer.change(Box::new(move |_| Some(Box::new(SystemLog::new(path, "test")))));
    // Many more than a socket holds (unix(7), max_dgram_qlen).
    numbered(&writer, 1000..3000);
    let mut packet = [0; 128];
    for number in 1000..3000 {
        let length = daemon.recv(&mut packet).unwrap();
        let packet = String::from_utf8_lossy(&packet[..length]);
        assert!(packet.ends_with(&format!(": {number}")), "{packet}");
    }
    assert_eq!(writer.missing(), 0);
}
