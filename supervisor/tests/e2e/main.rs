//! Real clients against a started `lockgate`, over TLS, through a host name.
//!
//! A test gets a [`support::machine::Machine`]: a network, a hosts file, an `/etc/docker` and processes of its own, all
//! gone when the test ends. In it run one Lockgate and the engines, so names, ports and trust are those of the
//! documentation, and tests do not meet.
//!
//! This needs root and the clients that `.ci/run` installs; `lockgate_testkit::require` says what becomes of the tests
//! without them.

mod acme;
mod anonymous;
mod container;
mod containerd;
mod cosign;
mod crane;
mod docker;
mod faults;
mod helm;
mod kill_loops;
mod large_layer;
mod logs;
mod nginx;
mod partial_pulls;
mod plain_http;
mod podman;
mod regctl;
mod rust_client;
mod skopeo;
mod soak;
mod support;
mod upgrade;
mod variables;
