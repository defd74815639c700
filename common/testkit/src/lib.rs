//! What the tests of all packages share. One file a thing, and each begins with an example:
//!
//! | module           | holds                                                                       |
//! |------------------|-----------------------------------------------------------------------------|
//! | [`answer`]       | an HTTP answer, read whole, and what tests ask of it                        |
//! | [`client`]       | the HTTP/1.1 client, over TCP, a Unix socket or TLS                         |
//! | [`async_client`] | the same for tests that run in a tokio runtime                              |
//! | [`tls`]          | TLS connections to what an authority vouches for                            |
//! | [`wait`]         | `eventually`: asks until it is so, and never sleeps in the hope that it is  |
//! | [`skip()`]       | the rule for programs and rights that are not on every machine              |
//! | [`own_process`]  | starts one test again, as a process of its own                              |
//! | [`process`]      | what `/proc` says of a process                                              |
//! | [`digest`]       | digests of content, as registries write them                                |
//! | [`address`]      | ports that are free                                                         |
//! | [`notify`]       | the service manager's end of `NOTIFY_SOCKET`                                |
//! | [`pebble`]       | an ACME server                                                              |
//! | [`certificates`] | certificates of other authorities than Lockgate's                           |
//!
//! A development dependency only; it imports none of the other packages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

pub mod address;
pub mod answer;
pub mod async_client;
pub mod certificates;
pub mod client;
pub mod digest;
pub mod notify;
pub mod own_process;
pub mod pebble;
pub mod process;
pub mod skip;
pub mod tls;
pub mod wait;

pub use answer::Answer;
pub use async_client::AsyncClient;
pub use client::{Client, basic_auth, exchange};
pub use digest::{sha256, sha512};
pub use notify::NotifySocket;
pub use skip::{missing, on_path, require, require_root, say, skip};
pub use wait::{TIMEOUT, eventually, eventually_async, eventually_within};
