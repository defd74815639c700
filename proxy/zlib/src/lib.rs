//! zlib in the place of zlib-ng: the two have one interface, and Lockgate never compresses.

pub use libz_sys::*;
