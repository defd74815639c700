//! Integration tests of the registry: one binary, a module a concern.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod storage_filesystem;
mod storage_suite;
mod storage_crash;
mod storage_interchange;
