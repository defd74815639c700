//! Bodies: those that are read whole, and those that are announced and not sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

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

/// Reads a whole body, `limit` bytes at most.
pub(crate) async fn read(mut payload: Payload, limit: u64) -> Result<Bytes, ApiError> {
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
