//! Methods, in the two versions of the `http` crate that stand side by side here.

use actix_web::http::Method;

/// GET and HEAD.
pub(crate) fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// actix-web has the `http` crate's types of the last major version; the router has those of the present one.
pub(crate) fn for_router(method: &Method) -> http::Method {
    http::Method::from_bytes(method.as_str().as_bytes()).unwrap_or_default()
}
