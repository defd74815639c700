//! Several pieces of one blob, streamed as one body.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use lockgate_wire::Multipart;

use crate::storage::BlobStream;

/// `ranges` of a blob of `size` bytes.
pub(super) fn of_ranges(size: u64, ranges: Vec<Range<u64>>) -> Multipart {
    // Random, so that nobody can have written it into the blob.
    Multipart::new(uuid::Uuid::new_v4().simple().to_string(), size, ranges)
}

/// The body of `multipart`; `read` gives the blob's bytes of a range.
pub(super) fn body(
    multipart: Multipart,
    read: impl Fn(Range<u64>) -> BlobStream,
) -> impl Stream<Item = io::Result<Bytes>> {
    let tail = Bytes::from(multipart.tail());
    let parts = (0..).map_while(move |number| multipart.part(number));
    let parts = stream::iter(parts).flat_map(move |(head, range)| {
        let head = stream::iter([Ok(Bytes::from(head))]);
        head.chain(read(range))
    });
    parts.chain(stream::iter([Ok(tail)]))
}
