//! Errors as answers: the codes of the OCI distribution specification, and which error becomes which.

mod api_error;
mod code;
mod error_map;

pub(crate) use api_error::ApiError;
