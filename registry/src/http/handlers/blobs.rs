//! Blobs: `/v2/<name>/blobs/<digest>`.

use actix_web::HttpResponse;

use crate::http::context::call::Call;
use crate::http::error::ApiError;
use crate::http::response::blob_answer;
use crate::oci::{Digest, RepositoryName};

/// GET and HEAD.
pub(crate) async fn read(
    call: &Call<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<HttpResponse, ApiError> {
    let blob = call.app.registry.blob(repository, digest).await?;
    blob_answer::answer(call, blob).await
}

/// DELETE: out of this repository; the content stays until it is collected.
pub(crate) async fn delete(
    call: &Call<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<HttpResponse, ApiError> {
    let registry = &call.app.registry;
    registry.require_deletable()?;
    call.audit(format_args!("the blob {repository}@{digest}")).await?;
    registry.delete_blob(repository, digest).await?;
    Ok(HttpResponse::Accepted().finish())
}
