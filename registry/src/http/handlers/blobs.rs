//! Blobs: `/v2/<name>/blobs/<digest>`.

use actix_web::HttpResponse;

use crate::http::context::request_context::RequestContext;
use crate::http::error::ApiError;
use crate::http::response::blob;
use crate::oci::{Digest, RepositoryName};

/// GET and HEAD.
pub(crate) async fn get(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<HttpResponse, ApiError> {
    let blob = context.app.registry.blob(repository, digest).await?;
    blob::respond(context, blob).await
}

/// DELETE: out of this repository; the content stays until it is collected.
pub(crate) async fn delete(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<HttpResponse, ApiError> {
    let registry = &context.app.registry;
    registry.require_deletable()?;
    context.audit(format_args!("the blob {repository}@{digest}")).await?;
    registry.delete_blob(repository, digest).await?;
    Ok(HttpResponse::Accepted().finish())
}
