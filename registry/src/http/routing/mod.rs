//! Which operation a request asks for, and which right that takes. Pure.

pub(crate) mod required_scope;
pub(crate) mod route;
