//! One function a kind of request: from a parsed route to an answer. The rules are in `service`.

pub(crate) mod blobs;
pub(crate) mod health;
pub(crate) mod listings;
pub(crate) mod manifests;
mod request_body;
pub(crate) mod tokens;
pub(crate) mod uploads;
