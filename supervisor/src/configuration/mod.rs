//! What a configuration means to these processes: where it is read from, what overrides it, where it listens, and how
//! clients reach that.

pub(crate) mod copy_paths;
pub(crate) mod listeners;
pub(crate) mod public_url;
pub(crate) mod source;
pub(crate) mod stop_time;
pub(crate) mod variables;
