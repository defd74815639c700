//! Work that the registry does by itself, beside requests.

mod purge_loop;

pub use purge_loop::purge_loop;
