//! The proxy against a scripted registry: what crosses it, what does not, and what happens when things fail.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod access_log;
mod acme;
mod client;
mod connections;
mod docroot;
mod h2_floods;
mod handoff;
mod harness;
mod headers;
mod in_flight;
mod plain_http;
mod refused_requests;
mod registry_failures;
mod scripted_registry;
mod slow_bodies;
mod slow_clients;
mod upload_bodies;
