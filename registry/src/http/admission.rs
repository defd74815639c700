//! How many requests are served at once, where no proxy of Lockgate's own limits them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use lockgate_admission::{Admission, Caller, Permit};
use lockgate_wire::is_probe;

use super::context::origin::RequestOrigin;
use super::context::settings::HttpSettings;
use super::error::ApiError;

/// A request that is being served.
pub(crate) struct InFlight {
    admission: Arc<Admission>,
    caller: Caller,
    permit: Permit,
}

/// Waits for the turn of `request`. `None` where nothing is counted.
pub(crate) async fn admit(
    settings: &HttpSettings,
    origin: &RequestOrigin,
    request: &HttpRequest,
) -> Result<Option<InFlight>, ApiError> {
    let Some(admission) = settings
        .admission
        .clone()
        .filter(|_| !is_probe(request.method().as_str(), request.uri().path()))
    else {
        return Ok(None);
    };
    let authorization = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    let caller = admission.caller(origin.client, authorization);
    let permit = admission.acquire(&caller).await?;
    Ok(Some(InFlight {
        admission,
        caller,
        permit,
    }))
}

impl InFlight {
    /// Holds its place until the body of `response` is sent. `signed_in`: the credentials were good.
    pub(crate) fn end_with(self, response: HttpResponse, signed_in: bool) -> HttpResponse {
        if signed_in {
            self.admission.remember(&self.caller);
        }
        response.map_body(|_, body| match body.size() {
            BodySize::None | BodySize::Sized(0) => body,
            _ => BoxBody::new(Held {
                body,
                _permit: self.permit,
            }),
        })
    }
}

struct Held {
    body: BoxBody,
    _permit: Permit,
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
