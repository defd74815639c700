//! The whole program, from its command line: each test in a directory of its own, on a port of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod acme;
mod blocked_log;
mod certificates;
mod check;
mod command_line;
mod concurrent_commands;
mod configuration;
mod debug;
mod docker_auth;
mod documentation;
mod first_run;
mod hand_over;
mod harness;
mod home_paths;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod inside;
mod layering;
mod logs;
mod malformed_requests;
mod ownership;
mod pid_one;
mod reload;
mod root_lock;
mod run_directory;
mod sandbox;
mod sd_notify;
mod served_home;
mod service;
mod standalone;
mod startup_errors;
mod status;
mod supervision;
mod systemd;
mod through_the_proxy;
mod tls_connections;
mod upgrade;
mod users;
mod variables;
mod watchdog;
