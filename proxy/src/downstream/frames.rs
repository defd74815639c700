//! The frames that an h2 client sends, counted as they are read.
//!
//! WINDOW_UPDATE, PRIORITY, SETTINGS, PING and the like cost the client nothing, and h2 works through them without end. Here
//! they are paid from a budget, which requests, data in either direction and time fill again; a client that has used
//! it up is sent away (RFC 9113 section 10.5).

use std::time::Duration;

use tokio::time::Instant;

/// Useless frames that may come at once.
const BUDGET: u32 = 1000;

/// What comes back in each interval: a client may ask whether anybody is there.
const REFILL: u32 = 100;
const REFILL_INTERVAL: Duration = Duration::from_secs(1);

/// What a request brings: clients set priorities, and end or give up streams.
const REQUEST_REFILL: u32 = 20;

/// Bytes sent to the client for which it may send one: clients that open their window in the smallest steps known do so twice
/// in 4 KiB.
const BYTES_PER_REFILL: usize = 512;

/// After so many in a row other connections have their turn.
const MAX_IN_A_ROW: u32 = 64;

/// "PRI * HTTP/2.0" and what follows it (RFC 9113 section 3.4).
const PREFACE: usize = 24;
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// How much a client may still cost, and how far the present frame was read.
#[derive(Debug)]
pub(crate) struct FrameBudget {
    budget: u32,
    filled: Instant,
    /// Of the preface, or of the payload of a frame.
    skip: usize,
    header: [u8; HEADER],
    header_length: usize,
    in_a_row: u32,
    last_stream: u32,
    sent: usize,
}

impl FrameBudget {
    pub(crate) fn new() -> Self {
        Self {
            budget: BUDGET,
            filled: Instant::now(),
            skip: PREFACE,
            header: [0; HEADER],
            header_length: 0,
            in_a_row: 0,
            last_stream: 0,
            sent: 0,
        }
    }

    /// Counts the frames in `bytes`, which were read from the client.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = self.skip.min(bytes.len());
            (self.skip, bytes) = (self.skip - skipped, &bytes[skipped..]);
            let taken = (HEADER - self.header_length).min(bytes.len());
            if taken == 0 {
                return;
            }
            let end = self.header_length + taken;
            self.header[self.header_length..end].copy_from_slice(&bytes[..taken]);
            (self.header_length, bytes) = (end, &bytes[taken..]);
            if end == HEADER {
                self.count();
            }
        }
    }

    fn count(&mut self) {
        let [a, b, c, kind, _, stream @ ..] = self.header;
        self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
        self.header_length = 0;
        match kind {
            HEADERS => {
                self.last_stream = self.last_stream.max(u32::from_be_bytes(stream) & (u32::MAX >> 1));
                self.fill(REQUEST_REFILL);
            }
            DATA if self.skip > 0 => self.fill(1),
            _ => {
                self.refill();
                self.budget = self.budget.saturating_sub(1);
                self.in_a_row += 1;
                return;
            }
        }
        self.in_a_row = 0;
    }

    /// Refills the budget for `bytes` that were sent to the client.
    pub(crate) fn sent(&mut self, bytes: usize) {
        let sent = self.sent + bytes;
        self.sent = sent % BYTES_PER_REFILL;
        self.fill(u32::try_from(sent / BYTES_PER_REFILL).unwrap_or(BUDGET));
    }

    /// Whether other connections have their turn before more is read here.
    pub(crate) fn should_yield(&mut self) -> bool {
        let takes = self.in_a_row >= MAX_IN_A_ROW;
        if takes {
            self.in_a_row = 0;
        }
        takes
    }

    /// The GOAWAY frame with ENHANCE_YOUR_CALM for a client that has used up its budget.
    pub(crate) fn goaway(&self) -> Option<[u8; HEADER + 8]> {
        if self.budget > 0 {
            return None;
        }
        let mut frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb];
        frame[HEADER..HEADER + 4].copy_from_slice(&self.last_stream.to_be_bytes());
        Some(frame)
    }

    fn fill(&mut self, frames: u32) {
        // Nothing brings back one that is sent away.
        if self.budget > 0 {
            self.budget = self.budget.saturating_add(frames).min(BUDGET);
        }
    }

    fn refill(&mut self) {
        if self.budget >= BUDGET / 2 {
            return;
        }
        let intervals = self.filled.elapsed().as_secs() / REFILL_INTERVAL.as_secs();
        if intervals > 0 {
            self.filled = Instant::now();
            self.fill(REFILL.saturating_mul(u32::try_from(intervals).unwrap_or(u32::MAX)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, payload: usize) -> Vec<u8> {
        let mut frame = u32::try_from(payload).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0]);
        frame.extend(stream.to_be_bytes());
        frame.extend(vec![0xff; payload]);
        frame
    }

    fn begun() -> FrameBudget {
        let mut frames = FrameBudget::new();
        frames.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames
    }

    #[tokio::test(start_paused = true)]
    async fn useless_frames_are_bounded_however_they_arrive() {
        for kind in [2, 3, 4, 6, 8, 9, 0xfa] {
            let mut frames = begun();
            frames.read(&frame(HEADERS, 5, 30));
            let flood = frame(kind, 0, 5).repeat(BUDGET as usize);
            for bytes in flood[..flood.len() - 14].chunks(7) {
                frames.read(bytes);
            }
            assert_eq!(frames.goaway(), None, "{kind}");
            frames.read(&flood[..14 * 2]);
            let goaway = frames.goaway().unwrap();
            assert_eq!(goaway, [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0xb], "{kind}");
            frames.read(&frame(HEADERS, 7, 30));
            assert!(frames.goaway().is_some(), "{kind}");
        }
        let mut frames = begun();
        frames.read(&frame(DATA, 1, 0).repeat(BUDGET as usize));
        assert!(frames.goaway().is_some(), "empty DATA");
    }

    #[tokio::test(start_paused = true)]
    async fn useful_ones_what_is_sent_and_time_fill_the_budget() {
        let mut frames = begun();
        let flood = |frames: &mut FrameBudget, number: u32| frames.read(&frame(8, 1, 4).repeat(number as usize));
        // A pull: two window updates for 4 KiB.
        for _ in 0..2 * BUDGET {
            frames.sent(4096);
            flood(&mut frames, 2);
        }
        // A push: data, and a ping now and then.
        for _ in 0..2 * BUDGET {
            frames.read(&frame(DATA, 1, 16_384));
            flood(&mut frames, 1);
        }
        // Requests.
        for stream in 0..2 * BUDGET {
            frames.read(&frame(HEADERS, stream, 30));
            flood(&mut frames, REQUEST_REFILL);
        }
        for _ in 0..100 {
            tokio::time::advance(REFILL_INTERVAL).await;
            flood(&mut frames, REFILL);
        }
        assert_eq!(frames.goaway(), None);
        flood(&mut frames, BUDGET);
        assert!(frames.goaway().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn many_in_a_row_let_others_have_their_turn() {
        let mut frames = begun();
        frames.read(&frame(8, 0, 4).repeat(MAX_IN_A_ROW as usize - 1));
        assert!(!frames.should_yield());
        frames.read(&frame(8, 0, 4));
        assert!(frames.should_yield() && !frames.should_yield());
    }
}
