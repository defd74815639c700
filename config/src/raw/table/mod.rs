//! The table of every key.

mod auth;
mod http;
mod key;
mod log;
mod root;
mod storage;

pub(crate) use key::{Key, KeyStatus, Shape};
pub(crate) use root::ROOT;
