//! Variables override the file. A variable that leaves something out opens nothing, and what set-up wrote is dropped
//! where a variable contradicts it.

use super::node::{Content, Node};
use super::parse::parse;
use crate::home::template;

/// A key of the file that is not in force, because a variable asks for something else in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverriddenKey {
    /// The key, as in `auth.issuer`.
    pub key: String,
    /// The variable, or one of several.
    pub variable: String,
}

impl std::fmt::Display for OverriddenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of the file is not in force: {} is set", self.key, self.variable)
    }
}

/// The kinds of access control, one of which is chosen.
const ACCESS: [&str; 4] = ["htpasswd", "token", "none", "silly"];
/// Where a certificate can come from.
const CERTIFICATES: [&str; 4] = ["certificate", "key", "letsencrypt", "auto"];

/// A variable may set a whole section, such as `REGISTRY_AUTH=htpasswd` or `REGISTRY_HTTP={addr: ":5000"}`. What it says
/// nothing about stays as in `file` where its absence would open the registry: the certificate, the kind of access
/// control, the rules.
pub(super) fn keep_closed(file: &Node, root: &mut Node) {
    if let (Some(before), Some(http)) = (at(file, &["http", "tls"]), root.child_mut("http")) {
        if http.child("tls").is_none_or(Node::is_null) {
            http.put("tls", before.clone());
        }
        if let Some(tls) = http.child_mut("tls") {
            keep_certificate(before, tls);
        }
    }
    if let (Some(before), Some(auth)) = (file.child("auth"), root.child_mut("auth")) {
        keep_access(before, auth);
    }
}

fn keep_certificate(before: &Node, tls: &mut Node) {
    if !CERTIFICATES
        .iter()
        .any(|kind| tls.child(kind).is_some_and(says_anything))
    {
        fill(before, tls, &CERTIFICATES);
    }
}

fn keep_access(before: &Node, auth: &mut Node) {
    let names = |auth: &Node, kinds: &[&str]| kinds.iter().any(|kind| auth.child(kind).is_some());
    if !names(auth, &ACCESS) {
        fill(before, auth, &ACCESS);
    }
    fill(before, auth, &["acl", "groups"]);
    if names(auth, &["htpasswd"]) && !names(auth, &["token", "none", "silly"]) {
        fill(before, auth, &["issuer"]);
    }
    if let (Some(before), Some(htpasswd)) = (before.child("htpasswd"), auth.child_mut("htpasswd")) {
        fill(before, htpasswd, &["path", "realm"]);
    }
}

/// `REGISTRY_STORAGE=filesystem` names the driver that the file has: its keys, and those beside it, stay.
pub(super) fn keep_storage(file: &Node, root: &mut Node) {
    let (Some(before), Some(storage)) = (file.child("storage"), root.child_mut("storage")) else {
        return;
    };
    if before.child("filesystem").is_none() || storage.child("filesystem").is_none() {
        return;
    }
    let names = |node: &Node| node.keys().map(str::to_owned).collect::<Vec<_>>();
    let beside = names(before);
    fill(before, storage, &beside.iter().map(String::as_str).collect::<Vec<_>>());
    if let (Some(before), Some(filesystem)) = (before.child("filesystem"), storage.child_mut("filesystem")) {
        let below = names(before);
        fill(
            before,
            filesystem,
            &below.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
}

/// Takes out of `root` what the generated file says and variables contradict. What a user wrote stays, and is an error.
pub(crate) fn remove_overridden(root: &mut Node) -> Vec<OverriddenKey> {
    let mut gave_way = Vec::new();
    if let Some(auth) = root.child_mut("auth") {
        let by = ["token", "none"].iter().find_map(|kind| set_by(auth.child(kind)?));
        if let Some(variable) = by {
            for key in ["issuer", "htpasswd"] {
                if auth.child(key).is_some_and(|node| is_generated(node, key)) {
                    auth.remove(key);
                    gave_way.push(instead_of(&format!("auth.{key}"), &variable));
                }
            }
        }
    }
    if let Some(tls) = root.child_mut("http").and_then(|http| http.child_mut("tls")) {
        let auto = tls.child("auto").filter(|auto| !auto.is_touched());
        // Whoever wrote `auto`: it is no file of theirs that would be ignored.
        let file = |key: &&str| tls.child(key).filter(|node| says_anything(node)).and_then(set_by);
        let files = ["certificate", "key"].iter().find_map(file);
        let ordered = tls.child("letsencrypt").and_then(set_by);
        let by = files.or(ordered.filter(|_| auto.is_some_and(asks_for_names_alone)));
        if let Some(variable) = by.filter(|_| auto.is_some()) {
            tls.remove("auto");
            gave_way.push(instead_of("http.tls.auto", &variable));
        }
    }
    if let Some(variable) = root.child("loglevel").and_then(set_by)
        && let Some(log) = root.child_mut("log")
        && log
            .child("level")
            .is_some_and(|level| !level.is_touched() && level.written() == "info")
    {
        log.remove("level");
        gave_way.push(instead_of("log.level", &variable));
    }
    gave_way
}

fn instead_of(key: &str, variable: &str) -> OverriddenKey {
    OverriddenKey {
        key: key.to_owned(),
        variable: variable.to_owned(),
    }
}

/// The variable that asks for `node`, when nothing but variables does.
fn set_by(node: &Node) -> Option<String> {
    node.origin().cloned()
}

/// Whether `node` is `auth.KEY` as set-up writes it, with no variable over it.
fn is_generated(node: &Node, key: &str) -> bool {
    let Ok(generated) = parse(template("", &[]).as_bytes()) else {
        return false;
    };
    let generated = at(&generated, &["auth", key]);
    !node.is_touched() && generated.is_some_and(|generated| generated.written() == node.written())
}

/// Whether `auto` is written as set-up writes it: with the names that were asked for, and nothing else.
fn asks_for_names_alone(auto: &Node) -> bool {
    auto.keys().eq(["hostnames"])
}

fn says_anything(node: &Node) -> bool {
    !node.is_null() && !matches!(&node.content, Content::Text(text) if text.is_empty())
}

/// Gives `node` those of `keys` that it has not, from `before`.
fn fill(before: &Node, node: &mut Node, keys: &[&str]) {
    if !matches!(node.content, Content::Map(_) | Content::Null) {
        return;
    }
    for key in keys {
        if let Some(value) = before.child(key)
            && node.child(key).is_none_or(Node::is_null)
        {
            node.put(key, value.clone());
        }
    }
}

fn at<'a>(root: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(root, |node, key| node.child(key))
}
