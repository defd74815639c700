//! `/readyz`: whether the registry can serve, checked when it is asked.

use actix_web::HttpResponse;
use serde_json::json;

use crate::http::context::app::App;
use crate::http::error::ApiError;
use crate::storage::Condition;

/// The API may be refused already, and a failure of this moment is not yet seen by the background check: both count.
pub(crate) async fn ready(app: &App) -> HttpResponse {
    let condition = match app.health.is_healthy() {
        true => app.health.check(&app.registry).await,
        false => None,
    };
    match condition {
        None => ApiError::unhealthy().into_response(),
        Some(condition) => match remark(condition).filter(|_| !app.registry.is_read_only()) {
            Some(remark) => HttpResponse::Ok().json(json!({ "remarks": [remark] })),
            None => HttpResponse::Ok().finish(),
        },
    }
}

/// What whoever runs the registry should know; `lockgate status` passes it on.
fn remark(condition: Condition) -> Option<&'static str> {
    match condition {
        Condition::Writable => None,
        Condition::Full => Some("no space is left on the storage device: pulls are served, pushes are refused"),
        Condition::ReadOnly => Some(
            "the storage is on a read-only filesystem: pulls are served, pushes are refused; where that is meant, say \
             storage.maintenance.readonly: {enabled: true}",
        ),
    }
}
