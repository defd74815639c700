//! Several pieces of one blob in one answer: `multipart/byteranges`, RFC 9110 section 14.6.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use crate::storage::BlobStream;

/// The parts of an answer, in order. Lockgate's proxy renders the same (`proxy/src/byteranges.rs`).
pub(super) struct Multipart {
    boundary: String,
    size: u64,
    ranges: Vec<Range<u64>>,
}

impl Multipart {
    /// `ranges` of a blob of `size` bytes.
    pub(super) fn new(size: u64, ranges: Vec<Range<u64>>) -> Self {
        Self {
            // Nobody can have written it into a blob before.
            boundary: uuid::Uuid::new_v4().simple().to_string(),
            size,
            ranges,
        }
    }

    /// Of the whole answer; each part has the blob's own.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// For the proxy: `multipart <boundary> <size> <first>-<last>,...`
    pub(super) fn handoff(&self) -> String {
        let ranges: Vec<String> = self
            .ranges
            .iter()
            .map(|range| format!("{}-{}", range.start, range.end - 1))
            .collect();
        format!("multipart {} {} {}", self.boundary, self.size, ranges.join(","))
    }

    /// Bytes of the body.
    pub(super) fn length(&self) -> u64 {
        let parts = (0..self.ranges.len()).map(|number| {
            let range = &self.ranges[number];
            self.head(number).len() as u64 + (range.end - range.start)
        });
        parts.sum::<u64>() + self.tail().len() as u64
    }

    /// The body; `read` gives the blob's bytes of a range.
    pub(super) fn body(
        self,
        read: impl Fn(Range<u64>) -> BlobStream + 'static,
    ) -> impl Stream<Item = io::Result<Bytes>> {
        let (count, tail) = (self.ranges.len(), Bytes::from(self.tail()));
        let parts = stream::iter(0..count).flat_map(move |number| {
            let head = Bytes::from(self.head(number));
            stream::iter([Ok(head)]).chain(read(self.ranges[number].clone()))
        });
        parts.chain(stream::iter([Ok(tail)]))
    }

    fn head(&self, number: usize) -> String {
        let range = &self.ranges[number];
        let line_end = if number == 0 { "" } else { "\r\n" };
        format!(
            "{line_end}--{}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
            self.boundary,
            range.start,
            range.end - 1,
            self.size
        )
    }

    fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_heads_content_and_tail() {
        let multipart = Multipart {
            boundary: "B".into(),
            size: 1000,
            ranges: vec![0..10, 990..1000],
        };
        assert_eq!(multipart.content_type(), "multipart/byteranges; boundary=B");
        assert_eq!(multipart.handoff(), "multipart B 1000 0-9,990-999");
        let body = "--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-9/1000\r\n\r\n0123456789\
                    \r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 990-999/1000\r\n\r\n0123456789\
                    \r\n--B--\r\n";
        assert_eq!(multipart.length(), body.len() as u64);
        assert!(body.starts_with(&multipart.head(0)) && body.contains(&multipart.head(1)));
        assert!(body.ends_with(&multipart.tail()));
    }
}
