//! A blob as an answer: one decision (status, headers, range), rendered in three ways.
//!
//! ```text
//! Handoff   [`headers::BLOB`]: offset length path     Lockgate's proxy streams the file
//! Accel     X-Accel-Redirect: /location/path         nginx streams the file, and does ranges itself
//! Stream    the body                                 the registry streams it
//! ```

use std::ops::Range;
use std::path::Path;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use lockgate_wire::{Handoff, HandoffContent, headers};

use super::conditional::{etag, none_match};
use super::head_body::HeadBody;
use super::multipart;
use crate::http::context::request_context::RequestContext;
use crate::http::context::settings::Delivery;
use crate::http::error::ApiError;
use crate::oci::range::{self, Selection};
use crate::storage::Blob;

/// Content never changes under its digest: caches may keep it for a year, as CNCF distribution says too.
const CACHE_FOREVER: &str = "max-age=31536000";

/// Answers GET and HEAD of `blob`.
pub(crate) async fn respond(context: &RequestContext<'_>, blob: Blob) -> Result<HttpResponse, ApiError> {
    if none_match(context.header(IF_NONE_MATCH.as_str()), &blob.digest) {
        return Ok(with_blob_headers(HttpResponse::NotModified(), &blob).finish());
    }
    // A range is for GET alone (RFC 9110 section 14.2); nginx cuts its own from the whole file.
    let nginx_decides = matches!(context.settings.delivery, Delivery::Accel(_)) && blob.file.is_some();
    let selection = if context.is_head() || nginx_decides {
        Selection::Whole
    } else {
        selection(context, &blob)
    };
    match selection {
        Selection::Whole => {
            deliver(
                context,
                with_blob_headers(HttpResponse::Ok(), &blob),
                &blob,
                0..blob.size,
            )
            .await
        }
        Selection::Part(part) => {
            let mut response = with_blob_headers(HttpResponse::PartialContent(), &blob);
            response.insert_header((
                CONTENT_RANGE,
                format!("bytes {}-{}/{}", part.start, part.end - 1, blob.size),
            ));
            deliver(context, response, &blob, part).await
        }
        Selection::Parts(parts) => Ok(deliver_parts(context, blob, parts)),
        Selection::Unsatisfiable => Err(ApiError::range_not_satisfiable(blob.size)),
        Selection::TooMany => Err(ApiError::too_many_ranges()),
    }
}

fn selection(context: &RequestContext<'_>, blob: &Blob) -> Selection {
    let Some(range) = context.header(RANGE.as_str()) else {
        return Selection::Whole;
    };
    // If-Range compares strongly (RFC 9110 section 13.1.5); a date never matches, for blobs have none.
    match context.header(IF_RANGE.as_str()) {
        Some(validator) if validator.trim() != etag(&blob.digest) => Selection::Whole,
        Some(_) | None => range::select(range, blob.size),
    }
}

fn with_blob_headers(mut response: HttpResponseBuilder, blob: &Blob) -> HttpResponseBuilder {
    response
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header(("Docker-Content-Digest", blob.digest.to_string()))
        .insert_header((ETAG, etag(&blob.digest)))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CACHE_CONTROL, CACHE_FOREVER));
    response
}

async fn deliver(
    context: &RequestContext<'_>,
    mut response: HttpResponseBuilder,
    blob: &Blob,
    part: Range<u64>,
) -> Result<HttpResponse, ApiError> {
    let length = part.end - part.start;
    if context.is_head() {
        return Ok(response.body(HeadBody(length)));
    }
    match (&context.settings.delivery, &blob.file) {
        (Delivery::Handoff, Some(file)) => {
            let handoff = Handoff::new(HandoffContent::Range(part), slashed(file));
            response.insert_header((headers::BLOB, handoff.to_string()));
            Ok(response.finish())
        }
        (Delivery::Accel(location), Some(file)) => {
            response.insert_header(("X-Accel-Redirect", format!("{location}/{}", slashed(file))));
            Ok(response.finish())
        }
        (Delivery::Handoff | Delivery::Accel(_) | Delivery::Stream, _) => {
            let stream = context.app.registry.read_blob(blob, part).await?;
            Ok(response.body(SizedStream::new(length, stream)))
        }
    }
}

/// Never for HEAD, and never for nginx.
fn deliver_parts(context: &RequestContext<'_>, blob: Blob, parts: Vec<Range<u64>>) -> HttpResponse {
    let multipart = multipart::of_ranges(blob.size, parts);
    let mut response = with_blob_headers(HttpResponse::PartialContent(), &blob);
    response.insert_header((CONTENT_TYPE, multipart.content_type()));
    match (&context.settings.delivery, &blob.file) {
        (Delivery::Handoff, Some(file)) => {
            let handoff = Handoff::new(HandoffContent::Parts(multipart), slashed(file));
            response.insert_header((headers::BLOB, handoff.to_string()));
            response.finish()
        }
        (Delivery::Handoff | Delivery::Accel(_) | Delivery::Stream, _) => {
            let (length, read) = (multipart.length(), context.app.registry.blob_reader(blob));
            response.body(SizedStream::new(length, multipart::body(multipart, read)))
        }
    }
}

/// Digests are plain ASCII, so a blob's path is a header value and a URL path as it stands.
fn slashed(file: &Path) -> String {
    file.components()
        .map(|component| component.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}
