//! Resumes an upload whose registry went away in the middle of a body.
//!
//! ```text
//! client ══ body ══▶ proxy ══ body ══▶ registry ✝        what it wrote is in the upload's file
//!                      │ keeps the last 3 MiB
//!                      ├── GET   upload status        ──▶ registry, the next
//!                      ├── PATCH what is missing     ──▶
//!                      └══ the rest of the body      ══▶
//! ```
//!
//! The client sees a pause. Without this it would see 503, and many send the whole layer again, or give up.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use lockgate_wire::headers::OFFSET;
use pingora::http::RequestHeader;
use tokio::time::Instant;

use crate::upstream::ask::{ask, retry_until};
use crate::upstream::connect::Upstream;

/// Bytes on the way at most: Pingora's pipe (0.3 MiB), the socket (0.2), and in the registry actix's buffers and the
/// upload's batches (1.3); and half as much again.
const MAX_REPLAY_SIZE: usize = 3 * 1024 * 1024;

/// The last bytes of an upload's body, to be sent again when the registry goes away.
#[derive(Debug)]
pub(crate) struct ReplayBuffer {
    /// Where the upload stands when the registry has everything that came so far.
    end: u64,
    /// The last pieces that came, and their length.
    kept: VecDeque<Bytes>,
    length: usize,
    /// What Pingora sends again by itself, its own copy of a short beginning, is to be dropped.
    pub(crate) drops_repeat: bool,
    /// `end` at the last failure: beyond it, there was progress.
    failed_at: Option<u64>,
}

/// Whether `method` and `path` append to an upload.
pub(crate) fn appends(method: &Method, path: &str) -> bool {
    let id = path.split_once("/blobs/uploads/").map_or("", |(_, id)| id);
    !id.is_empty() && (method == Method::PATCH || method == Method::PUT)
}

impl ReplayBuffer {
    /// Begins with the body of `request`, of which the registry has nothing yet. `None` where the upload's status cannot be
    /// asked for before `deadline`: the request itself will show why.
    pub(crate) async fn begin(upstream: &Upstream, request: &RequestHeader, deadline: Instant) -> Option<Self> {
        let announced = request.headers.get(header::CONTENT_RANGE).map(|range| {
            let first = range.to_str().ok()?.split('-').next()?;
            first.trim_start_matches("bytes ").parse().ok()
        });
        let end = match announced {
            Some(first) => first?,
            None => match retry_until(deadline, || upload_offset(upstream, request)).await {
                Ok(UploadOffset::At(offset)) => offset,
                Ok(UploadOffset::Unknown) | Err(_) => return None,
            },
        };
        Some(Self {
            end,
            kept: VecDeque::new(),
            length: 0,
            drops_repeat: false,
            failed_at: None,
        })
    }

    /// Keeps a piece of the body that is sent now.
    pub(crate) fn pass(&mut self, piece: &Bytes) {
        self.end += piece.len() as u64;
        self.length += piece.len();
        self.kept.push_back(piece.clone());
        while let Some(first) = self.kept.front()
            && self.length - first.len() >= MAX_REPLAY_SIZE
        {
            self.length -= first.len();
            self.kept.pop_front();
        }
    }

    /// Whether any byte of the body was sent yet.
    pub(crate) fn has_passed(&self) -> bool {
        self.length > 0
    }

    /// Notes that the registry went away. Returns whether anything came since it last did.
    pub(crate) fn failed(&mut self) -> bool {
        self.failed_at.replace(self.end) != Some(self.end)
    }

    /// Brings the upload to where the client is, before `deadline`, and makes `request` one for the rest of the body.
    /// `is_done`: the whole body has passed already.
    pub(crate) async fn catch_up(
        &self,
        upstream: &Upstream,
        request: &mut RequestHeader,
        is_done: bool,
        deadline: Instant,
    ) -> io::Result<()> {
        retry_until(deadline, || self.send_rest(upstream, request, is_done)).await?;
        self.shorten(request, is_done)
    }

    async fn send_rest(&self, upstream: &Upstream, request: &RequestHeader, is_done: bool) -> io::Result<()> {
        match upload_offset(upstream, request).await? {
            UploadOffset::At(offset) if offset < self.end => self.send_missing(upstream, request, offset).await,
            UploadOffset::At(offset) if offset == self.end => Ok(()),
            // It ended, and its answer was lost: sent again, without a body, it gets the same answer.
            UploadOffset::Unknown if is_done && request.method == Method::PUT => Ok(()),
            UploadOffset::At(offset) => Err(hopeless(format!("it stands at {offset}, not {}", self.end))),
            UploadOffset::Unknown => Err(hopeless("it is unknown now".to_owned())),
        }
    }

    async fn send_missing(&self, upstream: &Upstream, request: &RequestHeader, offset: u64) -> io::Result<()> {
        let missing = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
        let Some(mut skip) = self.length.checked_sub(missing) else {
            return Err(hopeless(format!(
                "{missing} bytes are missing, {} are kept",
                self.length
            )));
        };
        let mut body = Vec::with_capacity(missing);
        for piece in &self.kept {
            let from = skip.min(piece.len());
            body.extend_from_slice(&piece[from..]);
            skip -= from;
        }
        let range = format!("Content-Range: {offset}-{}\r\n", self.end - 1);
        match ask(upstream, request, &line("PATCH", request), &range, &body)
            .await?
            .status
        {
            StatusCode::ACCEPTED => Ok(()),
            status => Err(hopeless(format!("what was missing is answered {status}"))),
        }
    }

    /// What has come is there: `request` announces the rest alone.
    fn shorten(&self, request: &mut RequestHeader, is_done: bool) -> io::Result<()> {
        let failed = |error: Box<pingora::Error>| hopeless(error.to_string());
        let number = |text: &str| text.parse::<u64>().ok();
        request.remove_header(&header::EXPECT);
        let range = request.remove_header(&header::CONTENT_RANGE);
        if is_done {
            request.remove_header(&header::TRANSFER_ENCODING);
            request.insert_header(header::CONTENT_LENGTH, 0).map_err(failed)?;
            return Ok(());
        }
        let announced = request.headers.get(header::CONTENT_LENGTH).is_some();
        let last = range.and_then(|range| number(range.to_str().ok()?.rsplit('-').next()?));
        if let Some(last) = last {
            request
                .insert_header(header::CONTENT_RANGE, format!("{}-{last}", self.end))
                .map_err(failed)?;
        }
        if announced {
            // Its total is no longer the length of what is sent; chunks need none.
            request.remove_header(&header::CONTENT_LENGTH);
            request
                .insert_header(header::TRANSFER_ENCODING, "chunked")
                .map_err(failed)?;
        }
        Ok(())
    }
}

/// An error that another try will not help: its kind is final for [`retry_until`].
fn hopeless(why: String) -> io::Error {
    io::Error::other(format!("the upload cannot be resumed: {why}"))
}

enum UploadOffset {
    At(u64),
    Unknown,
}

async fn upload_offset(upstream: &Upstream, request: &RequestHeader) -> io::Result<UploadOffset> {
    let answer = ask(upstream, request, &line("GET", request), "", b"").await?;
    let offset = answer.header(OFFSET).and_then(|offset| offset.parse().ok());
    match (answer.status, offset) {
        (StatusCode::NO_CONTENT, Some(offset)) => Ok(UploadOffset::At(offset)),
        (StatusCode::NOT_FOUND, _) => Ok(UploadOffset::Unknown),
        (status, _) => Err(hopeless(format!(
            "asked where it stands, the registry answers {status}"
        ))),
    }
}

fn line(method: &str, request: &RequestHeader) -> String {
    format!("{method} {}", request.uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(end: u64) -> ReplayBuffer {
        ReplayBuffer {
            end,
            kept: VecDeque::new(),
            length: 0,
            drops_repeat: false,
            failed_at: None,
        }
    }

    #[test]
    fn bodies_of_uploads_alone_are_kept() {
        for (method, path, expected) in [
            (Method::PATCH, "/v2/a/blobs/uploads/1", true),
            (Method::PUT, "/v2/a/blobs/uploads/1", true),
            (Method::POST, "/v2/a/blobs/uploads/", false),
            (Method::PUT, "/v2/a/blobs/uploads/", false),
            (Method::GET, "/v2/a/blobs/uploads/1", false),
            (Method::PUT, "/v2/a/manifests/1", false),
        ] {
            assert_eq!(appends(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_last_bytes_are_kept_and_no_more() {
        let mut replay = replay(7);
        let piece = Bytes::from(vec![1; 64 * 1024]);
        for _ in 0..1000 {
            replay.pass(&piece);
        }
        assert_eq!(replay.end, 7 + 1000 * 64 * 1024);
        assert_eq!(replay.length, MAX_REPLAY_SIZE);
        assert_eq!(replay.kept.iter().map(Bytes::len).sum::<usize>(), MAX_REPLAY_SIZE);
    }

    #[test]
    fn progress_is_what_came_since_the_last_failure() {
        let mut replay = replay(0);
        assert!(replay.failed());
        assert!(!replay.failed());
        replay.pass(&Bytes::from_static(b"x"));
        assert!(replay.failed());
    }

    #[test]
    fn the_rest_is_announced_alone() {
        let mut request = RequestHeader::build("PATCH", b"/v2/a/blobs/uploads/1", None).unwrap();
        request.insert_header("Content-Length", 100).unwrap();
        request.insert_header("Content-Range", "10-109").unwrap();
        request.insert_header("Expect", "100-continue").unwrap();
        let mut done = request.clone();
        replay(60).shorten(&mut request, false).unwrap();
        assert_eq!(request.headers["content-range"], "60-109");
        assert_eq!(request.headers["transfer-encoding"], "chunked");
        assert!(!request.headers.contains_key("content-length") && !request.headers.contains_key("expect"));
        replay(110).shorten(&mut done, true).unwrap();
        assert_eq!(done.headers["content-length"], "0");
        assert!(!done.headers.contains_key("content-range"));
    }
}
