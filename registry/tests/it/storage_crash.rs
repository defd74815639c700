//! The process dies at each step that changes the disk; what it acknowledged before is there and verifies, and no link
//! points to nothing.

#![cfg(debug_assertions)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use lockgate_registry::internals::oci::{Algorithm, Digest};
use lockgate_registry::internals::storage::filesystem::{FilesystemSettings, failpoint};
use lockgate_registry::internals::storage::{
    BlobStore as _, Catalog as _, Error, FilesystemStorage, ManifestStore as _, TagStore as _, UploadStore as _,
};
use lockgate_testkit::own_process;
use tempfile::TempDir;

use crate::storage_suite::{content, manifest, name, put, read, sha256, tag, upload};

const CRASHES: u64 = 220;
/// Crashes that one directory goes through.
const CRASHES_PER_TREE: u64 = 20;

/// Runs as a child of this binary: pushes, says what is acknowledged, dies on the way.
#[tokio::test]
#[ignore = "a child of `dying_at_any_step_loses_nothing_that_was_acknowledged`"]
async fn child() {
    let var = |name| std::env::var(name).unwrap();
    let storage = FilesystemStorage::open(Path::new(&var("CRASH_ROOT")), FilesystemSettings::default()).unwrap();
    if let Ok(nth) = var("CRASH_AT").parse() {
        failpoint::abort_at(nth);
    }
    push(&storage, &var("CRASH_ROUND")).await;
    println!("\npoints {}", failpoint::passed());
}

/// Says a line for each step, before it (`+` and `-`: may be) and after it (`!`: is).
async fn push(storage: &FilesystemStorage, round: &str) {
    let big = content(700_000 + round.len());
    let own = Bytes::from(format!("layer of round {round}"));
    let blobs = [sha256(&big), sha256(&own)];
    for (content, digest) in [(&big, &blobs[0]), (&own, &blobs[1])] {
        let (first, last) = content.split_at(content.len() / 2);
        let id = storage.begin_upload(&name("a/b"), Algorithm::Sha256).await.unwrap();
        upload(storage, "a/b", &id, first).await;
        let mut writer = storage.append(&name("a/b"), &id, None).await.unwrap();
        writer.write(Bytes::copy_from_slice(last)).await.unwrap();
        writer.finish(digest).await.unwrap();
        println!("\n!blob a/b {digest}");
    }
    storage.mount_blob(&name("a/b"), &name("c"), &blobs[1]).await.unwrap();
    println!("\n!blob c {}", blobs[1]);

    let image = format!("image of round {round}");
    let digest = sha256(image.as_bytes());
    println!("\n+tag a/b latest {digest}\n+tag a/b {round} {digest}");
    manifest(storage, "a/b", &image, None, &["latest", round]).await;
    println!("\n!manifest a/b {digest}\n!tag a/b latest {digest}\n!tag a/b {round} {digest}");

    let signature = manifest(storage, "a/b", &format!("signature of {round}"), Some(&digest), &[]).await;
    println!("\n!manifest a/b {signature}");
    let old = manifest(storage, "a/b", &format!("old of {round}"), None, &["old", "older"]).await;
    println!("\n!manifest a/b {old}\n!tag a/b old {old}\n-tag a/b old");
    storage.delete_tag(&name("a/b"), &tag("old")).await.unwrap();
    println!("\n-manifest a/b {old}\n-tag a/b older\n-manifest a/b {signature}");
    storage.delete_manifest(&name("a/b"), &old, None).await.unwrap();
    println!("\n~manifest a/b {old}");
    storage
        .delete_manifest(&name("a/b"), &signature, Some(&digest))
        .await
        .unwrap();
    println!("\n~manifest a/b {signature}\n-blob c {}", blobs[1]);
    storage.delete_blob(&name("c"), &blobs[1]).await.unwrap();
    println!("\n~blob c {}", blobs[1]);
}

#[test]
fn dying_at_any_step_loses_nothing_that_was_acknowledged() {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let mut random = u64::from(seed) | 1;
    let points = {
        let root = directory();
        let output = run_child(root.path(), "0", "never");
        let said = output.lines().find_map(|line| line.strip_prefix("points "));
        said.expect(&output).parse::<u64>().unwrap()
    };
    assert!(points > 100, "{points}");

    let mut tree = directory();
    let mut expected = Expected::default();
    for crash in 0..CRASHES {
        if crash % CRASHES_PER_TREE == 0 {
            tree = directory();
            expected = Expected::default();
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Every point once, and then some.
        let point = if crash < points { crash + 1 } else { random % points + 1 };
        let output = run_child(tree.path(), &format!("r{crash}"), &point.to_string());
        expected.learn(&output);
        let context = format!("crash {crash} at point {point}, seed {seed}:\n{output}");
        check(tree.path(), &expected, &context);
    }
}

/// In memory where that can be: the death of a process, unlike power loss, leaves what was not synced.
fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

fn run_child(root: &Path, round: &str, at: &str) -> String {
    let output = own_process::command("storage_crash::child")
        .env("CRASH_ROOT", root)
        .env("CRASH_ROUND", round)
        .env("CRASH_AT", at)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let cause = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() == said.contains("points "), "{said}{cause}");
    assert!(
        output.status.success() || cause.contains("dies before"),
        "{said}{cause}"
    );
    said + &cause
}

/// What the children said. `true` is "is there", `false` is "is gone", absence is "may be either".
#[derive(Default)]
struct Expected {
    blobs: BTreeMap<(String, Digest), bool>,
    manifests: BTreeMap<(String, Digest), bool>,
    /// What a tag may point to; empty when it may also be gone.
    tags: BTreeMap<(String, String), Vec<Digest>>,
}

impl Expected {
    fn learn(&mut self, output: &str) {
        for line in output.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let digest = |at: usize| words[at].parse::<Digest>().unwrap();
            let key = |at: usize| (words[1].to_owned(), digest(at));
            match words[0] {
                "!blob" => drop(self.blobs.insert(key(2), true)),
                "-blob" => drop(self.blobs.remove(&key(2))),
                "~blob" => drop(self.blobs.insert(key(2), false)),
                "!manifest" => drop(self.manifests.insert(key(2), true)),
                "-manifest" => drop(self.manifests.remove(&key(2))),
                "~manifest" => drop(self.manifests.insert(key(2), false)),
                "+tag" => {
                    let tag = (words[1].to_owned(), words[2].to_owned());
                    // Only one that is there already must go on pointing somewhere.
                    if let Some(known) = self.tags.get_mut(&tag) {
                        known.push(digest(3));
                    }
                }
                "!tag" => drop(
                    self.tags
                        .insert((words[1].to_owned(), words[2].to_owned()), vec![digest(3)]),
                ),
                "-tag" => drop(self.tags.remove(&(words[1].to_owned(), words[2].to_owned()))),
                _ => {}
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn check(root: &Path, expected: &Expected, context: &str) {
    check_links(root, context);
    let storage = FilesystemStorage::open(root, FilesystemSettings::default()).unwrap();
    for ((repository, digest), there) in &expected.blobs {
        if *there {
            let content = read(&storage, repository, digest).await;
            assert_eq!(sha256(&content), *digest, "{context}");
        } else {
            let gone = storage.blob(&name(repository), digest).await;
            assert!(matches!(gone, Err(Error::BlobUnknown(_))), "{context}");
        }
    }
    for ((repository, digest), there) in &expected.manifests {
        // Verifies the digest.
        match storage.manifest(&name(repository), digest).await {
            Ok(_) => assert!(there, "{digest} was deleted, {context}"),
            Err(error) => assert!(!there, "{error}, {context}"),
        }
    }
    for ((repository, text), digests) in &expected.tags {
        let found = storage.resolve_tag(&name(repository), &tag(text)).await;
        assert!(
            digests.contains(found.as_ref().expect(context)),
            "{text}: {found:?}, {context}"
        );
    }
    for repository in storage.repositories(None, 100).await.unwrap().items {
        for tag in storage.tags(&repository, None, 1000).await.unwrap().items {
            let digest = storage.resolve_tag(&repository, &tag).await.unwrap();
            assert!(storage.has_manifest(&repository, &digest).await.unwrap(), "{context}");
        }
    }
    // What is left of uploads can be gone on with or purged; what was staged is gone with the first change.
    storage.purge_uploads(Duration::ZERO, false).await.unwrap();
    put(&storage, "after", b"the crash").await;
    let staging = fs::read_dir(root.join("docker/registry/v2/staging")).unwrap();
    assert_eq!(staging.count(), 1, "{context}");
}

/// Every link, read straight from disk.
fn check_links(root: &Path, context: &str) {
    let base = root.join("docker/registry/v2");
    let links: BTreeSet<PathBuf> = walk(&base.join("repositories"))
        .into_iter()
        .filter(|path| path.ends_with("link"))
        .collect();
    for link in &links {
        let text = fs::read_to_string(link).unwrap();
        let digest: Digest = text.parse().unwrap_or_else(|_| panic!("{link:?}: {text:?}, {context}"));
        let hex = digest.hex();
        let data = base.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]));
        assert_eq!(sha256(&fs::read(data).expect(context)), digest, "{link:?}, {context}");
        let path = link.to_str().unwrap();
        if let Some((repository, inside)) = path.split_once("/_manifests/")
            && !inside.starts_with("revisions/")
        {
            let revision = format!("{repository}/_manifests/revisions/sha256/{hex}/link");
            assert!(links.contains(Path::new(&revision)), "{link:?}, {context}");
        }
    }
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.append(&mut walk(&path)),
            false => files.push(path),
        }
    }
    files
}
