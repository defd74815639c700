//! Integration tests of the registry: one binary, a module a concern.

mod storage_filesystem;
mod storage_suite;
