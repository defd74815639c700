//! A request from its head to its answer.

pub(crate) mod access_log;
pub(crate) mod active_count;
pub(crate) mod admission;
pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod certificate;
pub(crate) mod check;
pub(crate) mod connection_info;
pub(crate) mod context;
pub(crate) mod docroot;
pub(crate) mod early_answer;
pub(crate) mod error;
pub(crate) mod error_response;
pub(crate) mod failure;
pub(crate) mod forward;
pub(crate) mod hand_off;
pub(crate) mod head_error;
pub(crate) mod headers;
pub(crate) mod limits;
pub(crate) mod raw_head;
pub(crate) mod redirect;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod shutdown;
pub(crate) mod target;
