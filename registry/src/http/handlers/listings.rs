//! Listings: tags, the catalog, referrers. Each is paged; `Link` leads to the next page (RFC 8288).

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, LINK};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::json;

use crate::http::context::request_context::RequestContext;
use crate::http::error::ApiError;
use crate::oci::{Digest, MediaType, RepositoryName};

/// GET `/v2/<name>/tags/list`.
pub(crate) async fn tags(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    n: Option<usize>,
    last: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let page = context.app.registry.tags(repository, n, last).await?;
    let tags: Vec<&str> = page.items.iter().map(|tag| tag.as_str()).collect();
    let next = page.more.then(|| tags.last().copied()).flatten();
    let mut response = HttpResponse::Ok();
    if let Some(last) = next {
        let path = format!("/v2/{repository}/tags/list");
        response.insert_header((LINK, next_page(context, &path, n.unwrap_or(tags.len()), last)));
    }
    Ok(response.json(json!({ "name": repository.as_str(), "tags": tags })))
}

/// GET `/v2/_catalog`: what the sender may read.
pub(crate) async fn catalog(
    context: &RequestContext<'_>,
    n: Option<usize>,
    last: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let may_read = |repository: &RepositoryName| context.may_know_of(repository);
    let page = context.app.registry.catalog(n, last, &may_read).await?;
    let names: Vec<&str> = page.items.iter().map(RepositoryName::as_str).collect();
    let next = page.more.then(|| names.last().copied()).flatten();
    let mut response = HttpResponse::Ok();
    if let Some(last) = next {
        response.insert_header((LINK, next_page(context, "/v2/_catalog", n.unwrap_or(names.len()), last)));
    }
    Ok(response.json(json!({ "repositories": names })))
}

/// GET `/v2/<name>/referrers/<digest>`: an image index of the manifests that name the digest.
pub(crate) async fn referrers(
    context: &RequestContext<'_>,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    last: Option<&Digest>,
) -> Result<HttpResponse, ApiError> {
    let page = context
        .app
        .registry
        .referrers(repository, subject, artifact_type, last)
        .await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, MediaType::OCI_INDEX.as_str()));
    if artifact_type.is_some() {
        response.insert_header(("OCI-Filters-Applied", "artifactType"));
    }
    if let Some(last) = &page.next {
        let path = format!("/v2/{repository}/referrers/{subject}");
        let filter = artifact_type
            .map(|kind| format!("artifactType={}&", encoded(kind)))
            .unwrap_or_default();
        response.insert_header((
            LINK,
            format!("<{}?{filter}last={last}>; rel=\"next\"", context.location(&path)),
        ));
    }
    Ok(response.body(page.content))
}

fn next_page(context: &RequestContext<'_>, path: &str, n: usize, last: &str) -> String {
    format!(
        "<{}?last={}&n={n}>; rel=\"next\"",
        context.location(path),
        encoded(last)
    )
}

/// A query's value: everything but RFC 3986's unreserved characters is encoded.
fn encoded(value: &str) -> PercentEncode<'_> {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(value, RESERVED)
}
