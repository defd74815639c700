//! Uploads: `/v2/<name>/blobs/uploads/`.
//!
//! ```text
//! POST  ─▶ 202 Location ─▶ PATCH… ─▶ 202 Range ─▶ PUT ?digest= ─▶ 201
//! POST ?digest=  (single POST)  ─▶ 201         POST ?mount=  ─▶ 201, or 202 as a plain begin
//! ```

use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use actix_web::web::Payload;
use actix_web::{HttpResponse, HttpResponseBuilder};
use lockgate_wire::headers;

use super::request_body;
use crate::http::context::request_context::RequestContext;
use crate::http::error::{ApiError, ErrorKind};
use crate::oci::{Algorithm, ContentRange, Digest, RepositoryName};
use crate::service::{self, Chunk};
use crate::storage::{Blob, UploadId};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// For the proxy, which goes on with an upload that was cut; it strips the header.
const OFFSET: HeaderName = HeaderName::from_static(headers::OFFSET);

/// POST: a new session.
pub(crate) async fn begin(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    algorithm: Algorithm,
) -> Result<HttpResponse, ApiError> {
    let account = context.principal.account();
    let id = context
        .app
        .registry
        .begin_upload(account, repository, algorithm)
        .await?;
    let mut response = upload_response(context, HttpResponse::Accepted(), repository, &id, 0);
    if let Some(least) = context.app.registry.chunk_min_length() {
        response.insert_header(("OCI-Chunk-Min-Length", least.to_string()));
    }
    Ok(response.finish())
}

/// POST with `mount`: the blob of another repository, where the sender may read it; else a plain begin.
pub(crate) async fn mount(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    digest: &Digest,
    from: Option<&RepositoryName>,
) -> Result<HttpResponse, ApiError> {
    if let Some(source) = from {
        context.require_mount(source, repository)?;
    }
    // A source that is named takes a right of its own; one that is found, only the knowledge that it exists.
    let may_read = |source: &RepositoryName| match from {
        Some(_) => context.may_pull(source),
        None => context.may_know_of(source),
    };
    match context.app.registry.mount(from, repository, digest, &may_read).await? {
        Some(blob) => Ok(created(context, repository, &blob)),
        None => begin(context, repository, digest.algorithm()).await,
    }
}

/// POST with `digest`: the whole blob in one request.
pub(crate) async fn single_post(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    digest: &Digest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let registry = &context.app.registry;
    let account = context.principal.account();
    let id = registry.begin_upload(account, repository, digest.algorithm()).await?;
    let chunk = registry.append(repository, &id, None, None).await?;
    let finished = match receive(chunk, payload, context.settings.stall).await {
        Ok(chunk) => chunk.finish(digest).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    match finished {
        Ok(blob) => Ok(created(context, repository, &blob)),
        Err(error) => {
            // Nobody knows the id of this session, so nobody could go on with it.
            if let Err(left) = registry.cancel_upload(repository, &id).await {
                tracing::debug!(%left, upload = %id, "an upload of a single POST was left to the purge");
            }
            Err(error)
        }
    }
}

/// GET: how far it is.
pub(crate) async fn status(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    id: &UploadId,
) -> Result<HttpResponse, ApiError> {
    let status = context.app.registry.upload_status(repository, id).await?;
    Ok(upload_response(context, HttpResponse::NoContent(), repository, id, status.offset).finish())
}

/// PATCH: a piece, at the end of what is there.
pub(crate) async fn append(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    id: &UploadId,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let chunk = open_chunk(context, repository, id).await?;
    let offset = receive(chunk, payload, context.settings.stall).await?.pause().await?;
    Ok(upload_response(context, HttpResponse::Accepted(), repository, id, offset).finish())
}

/// PUT: a last piece, possibly empty, then the digest is verified.
pub(crate) async fn finish(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    id: &UploadId,
    digest: &Digest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let chunk = match open_chunk(context, repository, id).await {
        Ok(chunk) => chunk,
        // Sent again after its answer was lost: what it asked for is so.
        Err(error) if error.is(ErrorKind::UploadUnknown) => {
            let blob = context.app.registry.finished_before(repository, digest).await?;
            return blob.map(|blob| created(context, repository, &blob)).ok_or(error);
        }
        Err(error) => return Err(error),
    };
    let blob = receive(chunk, payload, context.settings.stall)
        .await?
        .finish(digest)
        .await?;
    Ok(created(context, repository, &blob))
}

/// DELETE: ends the session, and its bytes go.
pub(crate) async fn cancel(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    id: &UploadId,
) -> Result<HttpResponse, ApiError> {
    let registry = &context.app.registry;
    registry.require_writable()?;
    context.audit(format_args!("the upload {id} of {repository}")).await?;
    registry.cancel_upload(repository, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn open_chunk(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    id: &UploadId,
) -> Result<Chunk, ApiError> {
    let range = context
        .header(CONTENT_RANGE.as_str())
        .map(str::parse::<ContentRange>)
        .transpose();
    let range = range.map_err(service::Error::from)?;
    let length = context
        .header(CONTENT_LENGTH.as_str())
        .and_then(|length| length.parse::<u64>().ok());
    Ok(context.app.registry.append(repository, id, range, length).await?)
}

/// Everything that the client sends is written. A connection that is cut leaves the upload resumable.
async fn receive(mut chunk: Chunk, mut payload: Payload, idle: Option<Duration>) -> Result<Chunk, ApiError> {
    while let Some(piece) = request_body::next_piece(&mut payload, idle).await? {
        chunk.write(piece).await?;
    }
    Ok(chunk)
}

fn created(context: &RequestContext<'_>, repository: &RepositoryName, blob: &Blob) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((
            LOCATION,
            context.location(&format!("/v2/{repository}/blobs/{}", blob.digest)),
        ))
        .insert_header(("Docker-Content-Digest", blob.digest.to_string()))
        .finish()
}

/// Where an upload stands. An empty one is `0-0`, as CNCF distribution writes it and docker expects it.
fn upload_response(
    context: &RequestContext<'_>,
    mut response: HttpResponseBuilder,
    repository: &RepositoryName,
    id: &UploadId,
    offset: u64,
) -> HttpResponseBuilder {
    response
        .insert_header((
            LOCATION,
            context.location(&format!("/v2/{repository}/blobs/uploads/{id}")),
        ))
        .insert_header((RANGE, format!("0-{}", offset.saturating_sub(1))))
        .insert_header((UPLOAD_ID, id.as_str()));
    if context.settings.is_behind_own_proxy() {
        response.insert_header((OFFSET, offset));
    }
    response
}
