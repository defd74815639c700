//! Doors for the fuzz targets in `fuzz/`, and for nobody else.

use crate::http::route::{self, Route};
use crate::oci::RepositoryName;

/// Routes a request; the repository that it is for, if it is for one.
pub fn route(method: &str, path: &str, query: Option<&str>) -> Option<RepositoryName> {
    let method = method.parse().ok()?;
    match route::route(&method, path, query).ok()? {
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
