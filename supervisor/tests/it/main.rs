//! The whole program, from its command line: each test in a directory of its own, on a port of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod acme;
mod blocked_log;
mod certificates;
mod check;
mod commands;
mod configuration;
mod confinement;
mod connections;
mod debug;
mod docker_auth;
mod failures;
mod first_run;
mod halves;
mod hand_over;
mod harness;
mod hung;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod inside;
mod layering;
mod logs;
mod manager;
mod odd_places;
mod odd_requests;
mod owner;
mod ownership;
mod pebble;
mod pid_one;
mod reload;
mod removed;
mod served;
mod service;
mod status;
mod supervision;
mod systemd;
mod through_the_proxy;
mod tls;
mod untimely;
mod upgrade;
mod users;
mod variables;
