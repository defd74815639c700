//! What a sender must be allowed to do, by the operation asked for. Pure.

use super::route::Route;
use crate::auth::{Actions, Scope};

/// The right that `route` takes; `None`: to be known at all (`GET /v2/`).
///
/// As CNCF distribution asks for them: writing takes pull and push, deleting takes delete. Cancelling an upload is
/// the end of a push, not a delete. The source of a mount is asked for where it is read.
pub(crate) fn required_scope(route: &Route) -> Option<Scope> {
    let of = |repository, actions| Some(Scope::repository(repository, actions));
    match route {
        Route::Support => None,
        Route::Catalog { .. } => Some(Scope::catalog()),
        Route::Tags { repository, .. }
        | Route::GetManifest { repository, .. }
        | Route::GetBlob { repository, .. }
        | Route::Referrers { repository, .. } => of(repository, Actions::PULL),
        Route::PutManifest { repository, .. }
        | Route::BeginUpload { repository, .. }
        | Route::UploadStatus { repository, .. }
        | Route::AppendUpload { repository, .. }
        | Route::FinishUpload { repository, .. }
        | Route::CancelUpload { repository, .. } => of(repository, Actions::PULL | Actions::PUSH),
        Route::DeleteManifest { repository, .. } | Route::DeleteBlob { repository, .. } => {
            of(repository, Actions::DELETE)
        }
    }
}

/// What a challenge asks for besides: with a token for the target alone, the next answer to a mount would be another one.
pub(crate) fn mount_source_scope(route: &Route) -> Option<Scope> {
    let Route::BeginUpload { repository, begin } = route else {
        return None;
    };
    let source = begin.mount.as_ref()?.from.as_ref()?;
    (source != repository).then(|| Scope::repository(source, Actions::PULL))
}
