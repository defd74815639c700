//! Bodies and headers of answers that several kinds of request share.

pub(crate) mod blob_answer;
mod byteranges;
pub(crate) mod conditional;
