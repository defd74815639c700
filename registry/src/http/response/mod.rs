//! Bodies and headers of answers that several kinds of request share.

pub(crate) mod blob;
pub(crate) mod conditional;
pub(crate) mod head_body;
mod multipart;
