//! The pure modules of the registry, compiled alone: they need no actix-web, no tokio and no files, so the instrumented
//! build takes seconds. That they compile here is part of what is shown.
#![allow(dead_code, unused_imports, reason = "the registry uses what the targets do not")]

#[path = "../../registry/src/oci/mod.rs"]
pub mod oci;

/// Scopes of tokens.
#[path = "../../registry/src/auth/policy/scope.rs"]
pub mod scope;

#[path = "../../registry/src/http/routing/route.rs"]
mod router;

#[path = "../../registry/src/storage/upload_id.rs"]
mod upload_id;

/// What the router needs of the storage.
mod storage {
    pub(crate) use crate::upload_id::UploadId;
}

use router::Route;

/// Routes a request; gives the repository that it is for, if it is for one.
pub fn route(method: &str, path: &str, query: Option<&str>) -> Option<oci::RepositoryName> {
    let method = method.parse().ok()?;
    match router::route(&method, path, query).ok()? {
        Route::Support | Route::Catalog { .. } => None,
        Route::Tags { repository, .. }
        | Route::GetManifest { repository, .. }
        | Route::PutManifest { repository, .. }
        | Route::DeleteManifest { repository, .. }
        | Route::GetBlob { repository, .. }
        | Route::DeleteBlob { repository, .. }
        | Route::BeginUpload { repository, .. }
        | Route::UploadStatus { repository, .. }
        | Route::AppendUpload { repository, .. }
        | Route::FinishUpload { repository, .. }
        | Route::CancelUpload { repository, .. }
        | Route::Referrers { repository, .. } => Some(repository),
    }
}
