//! What the tests stand on.

pub(crate) mod clients;
pub(crate) mod daemon;
pub(crate) mod engine;
pub(crate) mod images;
pub(crate) mod lockgate;
pub(crate) mod machine;
pub(crate) mod oci_layout;
