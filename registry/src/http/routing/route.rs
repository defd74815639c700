//! The router: a method, a path and a query in, one operation with parsed values out. Pure.
//!
//! OCI distribution specification, "Endpoints", and CNCF distribution's `/v2/_catalog`.
//!
//! ```text
//! /v2/                                     GET               determine support
//! /v2/_catalog                             GET               ?n ?last
//! /v2/<name>/tags/list                     GET               ?n ?last
//! /v2/<name>/manifests/<tag-or-digest>     GET PUT DELETE    PUT ?tag (repeatable)
//! /v2/<name>/blobs/<digest>                GET DELETE
//! /v2/<name>/blobs/uploads/                POST              ?digest ?digest-algorithm ?mount ?from
//! /v2/<name>/blobs/uploads/<id>            GET PATCH PUT DELETE    PUT ?digest
//! /v2/<name>/referrers/<digest>            GET               ?artifactType ?last
//! ```
//!
//! HEAD goes where GET goes. An endpoint is known by the end of the path, so a repository may be named `tags/list` or
//! `a/blobs/b`. The path is decoded once, before it is cut, as in CNCF distribution: `%2F` separates like `/`. What the
//! grammar of names forbids (`..`, empty components, NUL, anything encoded twice) is refused by it.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::oci::{Algorithm, Digest, InvalidDigest, InvalidReference, InvalidRepositoryName, InvalidTag};
use crate::oci::{Reference, RepositoryName, Tag};
use crate::storage::UploadId;

/// An operation, with all that path and query say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `GET /v2/`
    Support,
    /// `GET /v2/_catalog`
    Catalog { page: PageQuery },
    /// `GET /v2/<name>/tags/list`
    Tags {
        repository: RepositoryName,
        page: PageQuery,
    },
    /// `GET /v2/<name>/manifests/<tag-or-digest>`
    GetManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    /// `PUT /v2/<name>/manifests/<tag-or-digest>`, `tags` from the query.
    PutManifest {
        repository: RepositoryName,
        reference: Reference,
        tags: Vec<Tag>,
    },
    /// `DELETE /v2/<name>/manifests/<tag-or-digest>`
    DeleteManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    /// `GET /v2/<name>/blobs/<digest>`
    GetBlob { repository: RepositoryName, digest: Digest },
    /// `DELETE /v2/<name>/blobs/<digest>`
    DeleteBlob { repository: RepositoryName, digest: Digest },
    /// `POST /v2/<name>/blobs/uploads/`
    BeginUpload {
        repository: RepositoryName,
        begin: BeginUpload,
    },
    /// `GET <blob-push-location>`
    UploadStatus { repository: RepositoryName, id: UploadId },
    /// `PATCH <blob-push-location>`
    AppendUpload { repository: RepositoryName, id: UploadId },
    /// `PUT <blob-push-location>?digest=<digest>`
    FinishUpload {
        repository: RepositoryName,
        id: UploadId,
        digest: Digest,
    },
    /// `DELETE <blob-push-location>`
    CancelUpload { repository: RepositoryName, id: UploadId },
    /// `GET /v2/<name>/referrers/<digest>`
    Referrers {
        repository: RepositoryName,
        subject: Digest,
        query: ReferrersQuery,
    },
}

/// `n` and `last` of a listing, as given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PageQuery {
    /// How many at most.
    pub(crate) n: Option<usize>,
    /// Only what comes after this.
    pub(crate) last: Option<String>,
}

/// How an upload begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BeginUpload {
    /// What the upload is to be hashed with: `digest-algorithm`, else that of the digest given, else SHA-256.
    pub(crate) algorithm: Algorithm,
    /// `digest`: the body is the whole blob.
    pub(crate) digest: Option<Digest>,
    /// `mount`
    pub(crate) mount: Option<Mount>,
}

/// A blob that may be here already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// `mount`
    pub(crate) digest: Digest,
    /// `from`; without it, any repository will do.
    pub(crate) from: Option<RepositoryName>,
}

/// Which referrers are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReferrersQuery {
    /// Only those of this type.
    pub(crate) artifact_type: Option<String>,
    /// Only those after this one; our own `Link` puts it there.
    pub(crate) last: Option<Digest>,
}

/// Why a request is for no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteError {
    /// No endpoint has this path.
    #[error("there is nothing at this path, the API begins at /v2/")]
    NotFound,
    /// The endpoint has other methods.
    #[error("the endpoint does not have this method, it has {}", .allow.join(", "))]
    MethodNotAllowed {
        /// Those that it has, for the `Allow` header.
        allow: &'static [&'static str],
    },
    /// The repository's name.
    #[error(transparent)]
    NameInvalid(#[from] InvalidRepositoryName),
    /// A digest, in the path or the query.
    #[error(transparent)]
    DigestInvalid(#[from] InvalidDigest),
    /// The upload is to be finished, and the query has no `digest`.
    #[error("the closing request of an upload has the digest of the whole blob in its query, ?digest=algorithm:hex")]
    DigestMissing,
    /// A tag, in the path or the query.
    #[error(transparent)]
    TagInvalid(#[from] InvalidTag),
    /// More `tag` parameters than one request may have.
    #[error("a manifest is pushed with {max} tags at most, send the others in further requests")]
    TooManyTags {
        /// How many it may have.
        max: usize,
    },
    /// The upload's id was not made here.
    #[error("the upload is not known, begin a new one")]
    UploadUnknown,
    /// `n` of a listing.
    #[error("`n` is the number of entries wanted, 0 or more; `{0}` is not")]
    PaginationInvalid(String),
}

impl From<InvalidReference> for RouteError {
    fn from(error: InvalidReference) -> Self {
        match error {
            InvalidReference::Tag(error) => Self::TagInvalid(error),
            InvalidReference::Digest(error) => Self::DigestInvalid(error),
        }
    }
}

/// Each tag is a few durable writes, so their number is bounded; the specification asks for 10 at least.
const MAX_TAGS: usize = 100;

const READ: &[&str] = &["GET", "HEAD"];
const MANIFEST: &[&str] = &["GET", "HEAD", "PUT", "DELETE"];
const BLOB: &[&str] = &["GET", "HEAD", "DELETE"];
const UPLOADS: &[&str] = &["POST"];
const UPLOAD: &[&str] = &["GET", "HEAD", "PATCH", "PUT", "DELETE"];

/// Finds the operation. `path` is as on the wire, after `http.prefix`, which the caller has taken off.
pub(crate) fn route(method: &Method, path: &str, query: Option<&str>) -> Result<Route, RouteError> {
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| RouteError::NotFound)?;
    let query = Query(query.unwrap_or_default());
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let Some(path) = path.strip_prefix("/v2/") else {
        return if path == "/v2" {
            support(method)
        } else {
            Err(RouteError::NotFound)
        };
    };
    match path {
        "" => return support(method),
        "_catalog" => return only_get(method, || Ok(Route::Catalog { page: query.page()? })),
        _ => {}
    }
    let (rest, last) = path.rsplit_once('/').ok_or(RouteError::NotFound)?;
    let (name, kind) = rest.rsplit_once('/').ok_or(RouteError::NotFound)?;
    match (kind, last) {
        ("tags", "list") => only_get(method, || {
            Ok(Route::Tags {
                repository: name.parse()?,
                page: query.page()?,
            })
        }),
        ("manifests", reference) => manifest(method, name, reference, query),
        ("blobs", "uploads") => begin_upload(method, name, query),
        ("blobs", digest) => blob(method, name, digest),
        ("referrers", digest) => only_get(method, || {
            Ok(Route::Referrers {
                repository: name.parse()?,
                subject: digest.parse()?,
                query: query.referrers()?,
            })
        }),
        ("uploads", id) => match (name.strip_suffix("/blobs"), id) {
            (None, _) => Err(RouteError::NotFound),
            (Some(name), "") => begin_upload(method, name, query),
            (Some(name), id) => upload(method, name, id, query),
        },
        _ => Err(RouteError::NotFound),
    }
}

/// The path of the endpoint that a GET of `path` means: with one slash where there are several, and without one at its
/// end. Peers answer with a redirection there.
pub(crate) fn clean(path: &str) -> Option<String> {
    let is_endpoint = |path: &str| route(&Method::GET, path, None).is_ok();
    let clean = single_slashes(path);
    let found = match clean.trim_end_matches('/') {
        "/v2" => Some("/v2/".to_owned()),
        _ if is_endpoint(&clean) => Some(clean),
        shorter if is_endpoint(shorter) => Some(shorter.to_owned()),
        _ => None,
    };
    // An escaped slash is no place to send anybody: `%2Fv2` behind a prefix, `/v2%2F`.
    found.filter(|path| path.starts_with("/v2/"))
}

/// `path` with one slash wherever there are several in a row.
pub(crate) fn single_slashes(path: &str) -> String {
    let mut single = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    single
}

fn support(method: &Method) -> Result<Route, RouteError> {
    only_get(method, || Ok(Route::Support))
}

fn only_get(method: &Method, route: impl FnOnce() -> Result<Route, RouteError>) -> Result<Route, RouteError> {
    match *method {
        Method::GET => route(),
        _ => Err(RouteError::MethodNotAllowed { allow: READ }),
    }
}

fn manifest(method: &Method, name: &str, reference: &str, query: Query<'_>) -> Result<Route, RouteError> {
    let parse = || Ok::<_, RouteError>((name.parse()?, reference.parse()?));
    match *method {
        Method::GET => parse().map(|(repository, reference)| Route::GetManifest { repository, reference }),
        Method::DELETE => parse().map(|(repository, reference)| Route::DeleteManifest { repository, reference }),
        Method::PUT => {
            let (repository, reference) = parse()?;
            Ok(Route::PutManifest {
                repository,
                reference,
                tags: query.tags()?,
            })
        }
        _ => Err(RouteError::MethodNotAllowed { allow: MANIFEST }),
    }
}

fn blob(method: &Method, name: &str, digest: &str) -> Result<Route, RouteError> {
    let parse = || Ok::<_, RouteError>((name.parse()?, digest.parse()?));
    match *method {
        Method::GET => parse().map(|(repository, digest)| Route::GetBlob { repository, digest }),
        Method::DELETE => parse().map(|(repository, digest)| Route::DeleteBlob { repository, digest }),
        _ => Err(RouteError::MethodNotAllowed { allow: BLOB }),
    }
}

fn begin_upload(method: &Method, name: &str, query: Query<'_>) -> Result<Route, RouteError> {
    match *method {
        Method::POST => Ok(Route::BeginUpload {
            repository: name.parse()?,
            begin: query.begin_upload()?,
        }),
        _ => Err(RouteError::MethodNotAllowed { allow: UPLOADS }),
    }
}

fn upload(method: &Method, name: &str, id: &str, query: Query<'_>) -> Result<Route, RouteError> {
    let parse = || Ok::<_, RouteError>((name.parse()?, id.parse().map_err(|_| RouteError::UploadUnknown)?));
    match *method {
        Method::GET => parse().map(|(repository, id)| Route::UploadStatus { repository, id }),
        Method::PATCH => parse().map(|(repository, id)| Route::AppendUpload { repository, id }),
        Method::DELETE => parse().map(|(repository, id)| Route::CancelUpload { repository, id }),
        Method::PUT => {
            let (repository, id) = parse()?;
            let digest = query.first("digest").ok_or(RouteError::DigestMissing)?.parse()?;
            Ok(Route::FinishUpload { repository, id, digest })
        }
        _ => Err(RouteError::MethodNotAllowed { allow: UPLOAD }),
    }
}

/// A query, still encoded.
///
/// `+` stays `+`: no value of this API holds a space, while `?artifactType=application/spdx+json` typed by hand is
/// common.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// The values of `key`; one that is empty or no UTF-8 counts as absent.
    fn all(self, key: &'static str) -> impl Iterator<Item = Cow<'a, str>> {
        self.0
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(move |(name, _)| *name == key)
            .filter_map(|(_, value)| percent_decode_str(value).decode_utf8().ok())
            .filter(|value| !value.is_empty())
    }

    fn first(self, key: &'static str) -> Option<Cow<'a, str>> {
        self.all(key).next()
    }

    fn digest(self, key: &'static str) -> Result<Option<Digest>, RouteError> {
        Ok(self.first(key).map(|text| text.parse()).transpose()?)
    }

    fn page(self) -> Result<PageQuery, RouteError> {
        let number = |text: Cow<'_, str>| match text.parse() {
            Ok(n) => Ok(n),
            Err(_) => Err(RouteError::PaginationInvalid(text.chars().take(80).collect())),
        };
        Ok(PageQuery {
            n: self.first("n").map(number).transpose()?,
            last: self.first("last").map(Cow::into_owned),
        })
    }

    fn tags(self) -> Result<Vec<Tag>, RouteError> {
        let mut tags = Vec::new();
        for text in self.all("tag") {
            let tag = text.parse()?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
            if tags.len() > MAX_TAGS {
                return Err(RouteError::TooManyTags { max: MAX_TAGS });
            }
        }
        Ok(tags)
    }

    fn begin_upload(self) -> Result<BeginUpload, RouteError> {
        let digest = self.digest("digest")?;
        let mounted = self.digest("mount")?;
        let algorithm = match self.first("digest-algorithm") {
            Some(name) => name.parse()?,
            None => mounted
                .as_ref()
                .or(digest.as_ref())
                .map_or(Algorithm::Sha256, Digest::algorithm),
        };
        // A source that cannot be a repository here has nothing to mount: the upload then begins as any other.
        let from = self.first("from").map(|name| name.parse::<RepositoryName>());
        let mount = match (mounted, from) {
            (None, _) | (_, Some(Err(_))) => None,
            (Some(digest), from) => Some(Mount {
                digest,
                from: from.and_then(Result::ok),
            }),
        };
        Ok(BeginUpload {
            algorithm,
            digest,
            mount,
        })
    }

    fn referrers(self) -> Result<ReferrersQuery, RouteError> {
        Ok(ReferrersQuery {
            artifact_type: self.first("artifactType").map(Cow::into_owned),
            last: self.digest("last")?,
        })
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
