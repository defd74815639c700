//! The front door against a scripted registry: what crosses it, what does not, and what happens when things fail.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod access_log;
mod acme;
mod bodies;
mod client;
mod connections;
mod door;
mod failures;
mod floods;
mod handoff;
mod headers;
mod in_flight;
mod pages;
mod plain_http;
mod registry;
mod requests;
mod slow;
mod uploads;
