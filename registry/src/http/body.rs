//! Bodies: those that are read whole, and those that are announced and not sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::error::ApiError;

/// The body of an answer to HEAD: its length is announced, none of it is sent (RFC 9110 section 9.3.2).
pub(crate) struct HeadBody(pub(crate) u64);

impl MessageBody for HeadBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

/// Reads a whole body, `limit` bytes at most, for `within` at most.
pub(crate) async fn read_whole(payload: Payload, limit: u64, within: Duration) -> Result<Bytes, ApiError> {
    let read = timeout(within, read_all(payload, limit)).await;
    read.map_err(|_| ApiError::body_slow())?
}

/// The next piece of a body that streams; `idle` is how long it may take.
pub(crate) async fn next_piece(payload: &mut Payload, idle: Option<Duration>) -> Result<Option<Bytes>, ApiError> {
    let piece = match idle {
        Some(idle) => timeout(idle, payload.next()).await.map_err(|_| ApiError::body_slow())?,
        None => payload.next().await,
    };
    piece.transpose().map_err(ApiError::body_cut)
}

async fn read_all(mut payload: Payload, limit: u64) -> Result<Bytes, ApiError> {
    let mut content = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(ApiError::body_cut)?;
        if (content.len() + piece.len()) as u64 > limit {
            return Err(ApiError::too_large(limit));
        }
        content.extend_from_slice(&piece);
    }
    Ok(content.freeze())
}
