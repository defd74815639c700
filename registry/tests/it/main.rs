//! Integration tests of the registry: one binary, a module a concern.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod api_access;
mod api_attacks;
mod api_audit;
mod api_before_login;
mod api_blobs;
mod api_conformance;
mod api_disk_faults;
mod api_forwarded;
mod api_in_flight;
mod api_large_manifests;
mod api_listings;
mod api_login_memory;
mod api_malformed_requests;
mod api_manifests;
mod api_password_guessing;
mod api_uploads;
mod auth_interchange;
mod concurrency;
mod distribution;
mod harness;
mod maintenance;
mod put_blob;
mod storage_crash;
mod storage_durability;
mod storage_filesystem;
mod storage_full;
mod storage_interchange;
mod storage_processes;
mod storage_speed;
mod storage_suite;
