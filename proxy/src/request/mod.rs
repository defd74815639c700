//! A request from its head to its answer.

pub(crate) mod access_log;
pub(crate) mod body;
pub(crate) mod connection_info;
pub(crate) mod context;
pub(crate) mod docroot;
pub(crate) mod error_response;
pub(crate) mod failure;
pub(crate) mod head_error;
pub(crate) mod headers;
pub(crate) mod in_flight;
pub(crate) mod limits;
pub(crate) mod redirect;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod shutdown;
pub(crate) mod target;
