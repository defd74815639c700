//! Errors as answers: one table of kinds, and one conversion for each layer.

mod api_error;
mod code;
mod error_map;
mod kind;

pub(crate) use api_error::ApiError;
pub(crate) use kind::ErrorKind;
