//! The home directory, and the configuration that set-up writes into it.

mod paths;
mod template;

pub use paths::Home;
pub use template::template;
