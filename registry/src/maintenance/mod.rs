//! Work that the registry does by itself, beside requests.

mod uploads;

pub use uploads::purge_loop;
