//! Tells the handler that a body cannot be read any further: closing the connection would leave no way to answer.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use actix_web::error::PayloadError;
use actix_web::web::Payload;
use actix_web::{Error, FromRequest, HttpRequest, dev};
use futures_util::Stream as _;
use futures_util::task::AtomicWaker;

/// Whether the body of the connection's last request cannot be read any further.
#[derive(Clone, Default)]
pub(crate) struct BrokenBody(Arc<State>);

#[derive(Default)]
struct State {
    is_set: AtomicBool,
    reader: AtomicWaker,
}

impl BrokenBody {
    pub(super) fn set(&self) {
        self.0.is_set.store(true, Ordering::Release);
        self.0.reader.wake();
    }

    fn is_set(&self, cx: &Context<'_>) -> bool {
        self.0.reader.register(cx.waker());
        self.0.is_set.load(Ordering::Acquire)
    }
}

/// A request's body, with an error where it cannot be read any further.
pub(crate) struct ReadableBody(pub(crate) Payload);

impl FromRequest for ReadableBody {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        if let (Some(broken), dev::Payload::H1 { .. }) = (request.conn_data::<BrokenBody>().cloned(), &*payload) {
            let mut inner = payload.take();
            let body = futures_util::stream::poll_fn(move |cx| match Pin::new(&mut inner).poll_next(cx) {
                Poll::Pending if broken.is_set(cx) => Poll::Ready(Some(Err(PayloadError::EncodingCorrupted))),
                piece => piece,
            });
            *payload = dev::Payload::Stream {
                payload: Box::pin(body),
            };
        }
        ready(Payload::from_request(request, payload).into_inner().map(Self))
    }
}
