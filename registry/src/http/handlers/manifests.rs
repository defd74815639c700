//! Manifests: `/v2/<name>/manifests/<reference>`.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use actix_web::web::Payload;

use super::request_body;
use crate::http::context::request_context::RequestContext;
use crate::http::error::ApiError;
use crate::http::response::conditional::{etag, none_match};
use crate::http::response::head_body::HeadBody;
use crate::oci::{Reference, RepositoryName, Tag};

/// GET and HEAD.
pub(crate) async fn get(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<HttpResponse, ApiError> {
    let manifest = context.app.registry.manifest(repository, reference).await?;
    let unchanged = none_match(context.header(IF_NONE_MATCH.as_str()), &manifest.digest);
    let mut response = if unchanged {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((CONTENT_TYPE, manifest.media_type.as_str()))
        .insert_header(("Docker-Content-Digest", manifest.digest.to_string()))
        .insert_header((ETAG, etag(&manifest.digest)));
    Ok(match (unchanged, context.is_head()) {
        (true, _) => response.finish(),
        (false, true) => response.body(HeadBody(manifest.content.len() as u64)),
        (false, false) => response.body(manifest.content),
    })
}

/// PUT: 201 once it is durable.
pub(crate) async fn put(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    reference: &Reference,
    tags: &[Tag],
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let limit = context.app.registry.manifest_limit();
    let content = request_body::read_whole(
        payload,
        context.settings.body_timeout,
        |length| Ok(limit.check(length)?),
    )
    .await?;
    let content_type = context.header(CONTENT_TYPE.as_str());
    let stored = context
        .app
        .registry
        .put_manifest(repository, reference, content_type, content, tags)
        .await?;
    let mut response = HttpResponse::Created();
    response
        .insert_header((
            LOCATION,
            context.location(&format!("/v2/{repository}/manifests/{}", stored.digest)),
        ))
        .insert_header(("Docker-Content-Digest", stored.digest.to_string()));
    if let Some(subject) = &stored.subject {
        response.insert_header(("OCI-Subject", subject.to_string()));
    }
    for tag in &stored.tags {
        response.append_header(("OCI-Tag", tag.as_str()));
    }
    Ok(response.finish())
}

/// DELETE: a tag alone, or a revision with the tags that point to it.
pub(crate) async fn delete(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<HttpResponse, ApiError> {
    let registry = &context.app.registry;
    registry.require_deletable()?;
    match reference {
        Reference::Tag(tag) => context.audit(format_args!("the tag {repository}:{tag}")).await?,
        Reference::Digest(digest) => {
            context
                .audit(format_args!("the manifest {repository}@{digest}"))
                .await?
        }
    }
    registry.delete_manifest(repository, reference).await?;
    Ok(HttpResponse::Accepted().finish())
}
