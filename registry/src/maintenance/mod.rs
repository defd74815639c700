//! What runs by itself beside the requests.

mod uploads;

pub use uploads::purge_loop;
