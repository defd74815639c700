//! Bodies of requests, read whole or piece by piece.

use std::time::Duration;

use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::http::error::{ApiError, ErrorKind};

/// Reads a whole body, for `within` at most. `check` is asked about the length so far, before more is kept.
pub(crate) async fn read_whole(
    payload: Payload,
    within: Duration,
    check: impl Fn(u64) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError> {
    let read = timeout(within, read_all(payload, check)).await;
    read.map_err(|_| ApiError::of(ErrorKind::RequestTimeout))?
}

/// The next piece of an upload; `idle` is how long it may take.
pub(crate) async fn next_piece(payload: &mut Payload, idle: Option<Duration>) -> Result<Option<Bytes>, ApiError> {
    let piece = match idle {
        Some(idle) => timeout(idle, payload.next())
            .await
            .map_err(|_| ApiError::of(ErrorKind::RequestTimeout))?,
        None => payload.next().await,
    };
    piece.transpose().map_err(ApiError::upload_cut)
}

async fn read_all(mut payload: Payload, check: impl Fn(u64) -> Result<(), ApiError>) -> Result<Bytes, ApiError> {
    let mut content = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(ApiError::body_cut)?;
        check((content.len() + piece.len()) as u64)?;
        content.extend_from_slice(&piece);
    }
    Ok(content.freeze())
}

#[cfg(test)]
mod tests {
    use actix_web::error::PayloadError;
    use actix_web::{FromRequest as _, dev, test};
    use futures_util::stream;

    use super::*;

    /// A body whose client goes away after four bytes.
    async fn cut() -> Payload {
        let pieces = stream::iter([Ok(Bytes::from_static(b"data")), Err(PayloadError::Incomplete(None))]);
        let mut payload: dev::Payload = dev::Payload::Stream {
            payload: Box::pin(pieces),
        };
        let request = test::TestRequest::default().to_http_request();
        Payload::from_request(&request, &mut payload).await.unwrap()
    }

    #[tokio::test]
    async fn only_an_upload_is_told_that_it_can_be_resumed() {
        let whole = read_whole(cut().await, Duration::from_secs(60), |_| Ok(()))
            .await
            .unwrap_err();
        assert_eq!(whole.message(), "the request's body ended early");
        let mut upload = cut().await;
        assert!(next_piece(&mut upload, None).await.unwrap().is_some());
        let piece = next_piece(&mut upload, None).await.unwrap_err();
        assert!(piece.message().contains("the upload can be resumed"), "{piece:?}");
    }

    #[tokio::test]
    async fn a_body_that_is_read_whole_is_refused_as_its_reader_says() {
        let within = Duration::from_secs(60);
        let most = |most| {
            move |length| {
                if length <= most {
                    Ok(())
                } else {
                    Err(ApiError::form_too_large(most))
                }
            }
        };
        let refused = read_whole(cut().await, within, most(3)).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 413);
        assert!(refused.message().contains("token request"), "{refused:?}");
        assert!(!refused.message().contains("manifest"), "{refused:?}");
        let read = read_whole(cut().await, within, most(4)).await.unwrap_err();
        assert_eq!(
            read.status().as_u16(),
            400,
            "four bytes are allowed, and then it is cut"
        );
    }
}
