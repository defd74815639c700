//! Secrets appear in no output.

use crate::harness::{config, config_with, lines, mistakes, mistakes_with};

const SECRET: &str = "hunter2";

#[test]
fn not_in_debug() {
    let config = config("{version: 0.1, storage: filesystem, http: {secret: hunter2}}");
    assert_eq!(config.http.secret.as_ref().unwrap().reveal(), SECRET);
    assert!(!format!("{config:?} {config:#?}").contains(SECRET));
    let config = config_with(
        "{version: 0.1, storage: filesystem}",
        &[("REGISTRY_HTTP_SECRET", SECRET)],
    );
    assert!(config.http.secret.is_some() && !format!("{config:?}").contains(SECRET));
}

#[test]
fn not_in_mistakes_or_warnings() {
    for text in [
        "http: {secret: [hunter2]}",
        "http: {secret: {a: hunter2}}",
        "http: {sercet: hunter2}",
        "sercet: {deep: [hunter2]}",
        "http: {host: 'https://admin:hunter2@registry.example.com'}",
        "proxy: {remoteurl: 'https://admin:hunter2@registry-1.docker.io', password: hunter2}",
        "notifications: {endpoints: [{name: a, url: http://a/, headers: {Authorization: [hunter2]}}]}",
        "log: {hooks: [{type: mail, options: {smtp: {password: hunter2}}}]}",
        "auth: {htpasswd: [hunter2]}",
    ] {
        let found = mistakes(&format!("version: 0.1\nstorage: filesystem\n{text}\n"));
        let told = format!("{}{found:?}", lines(&found));
        assert!(!found.is_empty() && !told.contains(SECRET), "{told}");
    }
    let found = mistakes_with(
        "{storage: filesystem}",
        &[("REGISTRY_HTTP_SECRET", SECRET), ("REGISTRY_PASSWORD", SECRET)],
    );
    assert!(!format!("{found:?}").contains(SECRET), "{found:?}");
}
