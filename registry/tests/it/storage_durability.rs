//! What is acknowledged survives power loss: the system calls of a push, traced, come in the order that guarantees it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use lockgate_registry::internals::oci::Algorithm;
use lockgate_registry::internals::storage::filesystem::FilesystemSettings;
use lockgate_registry::internals::storage::{
    BlobStore as _, FilesystemStorage, ManifestStore as _, TagStore as _, UploadStore as _,
};
use lockgate_testkit::{own_process, require, skip};
use tempfile::TempDir;

use crate::storage_suite::{content, manifest, name, put, sha256, tag};

const CALLS: &str = "trace=mkdir,mkdirat,write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2";

/// Runs as a child under strace: pushes, and says what is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child of `data_renames_and_directories_are_synced_before_each_acknowledgement`"]
async fn child() {
    let root = std::env::var("TRACE_ROOT").unwrap();
    let storage = FilesystemStorage::open(Path::new(&root), FilesystemSettings::default()).unwrap();
    let content = content(9 << 20);
    let digest = sha256(&content);
    let id = storage.begin_upload(&name("a/b"), Algorithm::Sha256).await.unwrap();
    let mut writer = storage.append(&name("a/b"), &id, None).await.unwrap();
    for piece in content.chunks(1 << 20) {
        writer.write(content.slice_ref(piece)).await.unwrap();
    }
    writer.finish(&digest).await.unwrap();
    println!("\nacknowledged: upload");
    storage.mount_blob(&name("a/b"), &name("c"), &digest).await.unwrap();
    println!("\nacknowledged: mount");
    put(&storage, "a/b", b"small").await;
    println!("\nacknowledged: blob");
    manifest(&storage, "a/b", "{}", Some(&digest), &["latest"]).await;
    println!("\nacknowledged: manifest");
    manifest(&storage, "a/b", "[]", None, &["latest"]).await;
    println!("\nacknowledged: tag");
}

#[test]
fn data_renames_and_directories_are_synced_before_each_acknowledgement() {
    let root = tempfile::tempdir().unwrap();
    let Some(trace) = trace("child", &root.path().join("root"), &["-e", CALLS]) else {
        return;
    };
    let steps = parse(&trace);
    let placed = check(&steps).unwrap_or_else(|missing| panic!("{missing}\n{steps:#?}"));

    // Content, revision, referrer, tag index, tag current.
    let parts = ["blobs", "_layers", "_layers", "blobs", "_layers"]
        .into_iter()
        .chain(["blobs", "revisions", "referrers", "index", "current"])
        .chain(["blobs", "revisions", "index", "current"]);
    let parts: Vec<_> = parts.collect();
    assert_eq!(placed.len(), parts.len(), "{placed:#?}");
    for (path, part) in placed.iter().zip(parts) {
        assert!(path.iter().any(|component| component == part), "{path:?} is no {part}");
    }
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Acknowledge)).count(), 5);

    // The check sees it when any of the syncs is missing.
    let synced: BTreeSet<_> = steps.iter().filter_map(|step| step.synced()).collect();
    // That an upload which ended is gone is not promised.
    for path in synced.into_iter().filter(|path| !path.ends_with("_uploads")) {
        let without = steps.iter().filter(|step| step.synced() != Some(path));
        let without: Vec<_> = without.cloned().collect();
        assert!(check(&without).is_err(), "not noticed: no sync of {path:?}");
    }
}

/// Runs as a child under strace: comes after one that died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child of `what_is_built_on_a_dead_processes_changes_waits_until_they_are_on_disk`"]
async fn heir() {
    let root = std::env::var("TRACE_ROOT").unwrap();
    let storage = FilesystemStorage::open(Path::new(&root), FilesystemSettings::default()).unwrap();
    let found = storage.resolve_tag(&name("a"), &tag("latest")).await.unwrap();
    println!("\nserves: {}", storage.manifest(&name("a"), &found).await.is_ok());
    let built = storage.mount_blob(&name("a"), &name("b"), &sha256(b"layer")).await;
    println!("\nacknowledged: {}", built.is_ok());
    let another = Bytes::from_static(b"another manifest");
    let put = async || {
        storage
            .put_manifest(&name("b"), &sha256(&another), another.clone(), None, &[])
            .await
    };
    // strace counts the calls that it lets fail in each thread.
    let mut tries = 0..100;
    while put().await.is_err() {
        tries.next().expect("it fails for ever");
    }
    println!("\nacknowledged: true");
}

/// A tree with an image in it, and the staging directory of a process that died.
fn tree_of_the_dead() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let storage = FilesystemStorage::open(root.path(), FilesystemSettings::default()).unwrap();
        put(&storage, "a", b"layer").await;
        manifest(&storage, "a", "{}", None, &["latest"]).await;
    });
    std::fs::create_dir(root.path().join("docker/registry/v2/staging/of-a-dead-process")).unwrap();
    root
}

/// A restart waits for no disk, which may be busy for seconds; what is acknowledged does.
#[test]
fn what_is_built_on_a_dead_processes_changes_waits_until_they_are_on_disk() {
    let root = tree_of_the_dead();
    // Before the call: what strace shows of it comes after the delay, where it ends.
    let slow = ["-e", "trace=write,syncfs", "-e", "inject=syncfs:delay_enter=1500000"];
    let Some(trace) = trace("heir", root.path(), &slow) else {
        return;
    };
    let at = |text: &str| {
        let found = trace.find(text);
        found.unwrap_or_else(|| panic!("{text} is missing:\n{trace}"))
    };
    assert!(at("serves: true") < at("(DELAYED)"), "{trace}");
    assert!(at("(DELAYED)") < at("acknowledged: true"), "{trace}");
    assert_eq!(trace.matches("syncfs(").count(), 1, "once is enough:\n{trace}");
    assert!(
        !root
            .path()
            .join("docker/registry/v2/staging/of-a-dead-process")
            .exists()
    );
}

#[test]
fn nothing_is_acknowledged_on_what_cannot_be_brought_to_disk() {
    let root = tree_of_the_dead();
    // The thread's attempt, and the first change's own.
    let broken = ["-e", "trace=write,syncfs", "-e", "inject=syncfs:error=EIO:when=1"];
    let Some(trace) = trace("heir", root.path(), &broken) else {
        return;
    };
    assert!(trace.matches("INJECTED").count() >= 2, "{trace}");
    let answers: Vec<_> = ["serves: true", "acknowledged: false", "acknowledged: true"]
        .into_iter()
        .map(|answer| trace.find(answer))
        .collect();
    assert!(answers.iter().all(Option::is_some) && answers.is_sorted(), "{trace}");
}

#[derive(Debug, Clone)]
enum Step {
    Write(PathBuf),
    Sync(PathBuf),
    MakeDirectory(PathBuf),
    Rename(PathBuf, PathBuf),
    Acknowledge,
}

impl Step {
    fn synced(&self) -> Option<&Path> {
        match self {
            Self::Sync(path) => Some(path),
            _ => None,
        }
    }
}

/// Gives what was renamed into place, in order, or what was done before it was safe.
fn check(steps: &[Step]) -> Result<Vec<PathBuf>, String> {
    let mut dirty = BTreeMap::new();
    let mut unsynced_directories = BTreeSet::new();
    let mut new_directories: BTreeSet<&Path> = BTreeSet::new();
    let mut placed: Vec<PathBuf> = Vec::new();
    for step in steps {
        if matches!(step, Step::Rename(..) | Step::Acknowledge) {
            if let Some(directory) = unsynced_directories.first() {
                return Err(format!("{directory:?} is not synced before {step:?}"));
            }
            let ancestors = placed.iter().flat_map(|path| path.ancestors());
            if let Some(directory) = ancestors.into_iter().find(|path| new_directories.contains(path)) {
                return Err(format!("the entry of {directory:?} is not synced before {step:?}"));
            }
        }
        match step {
            Step::Write(path) => drop(dirty.insert(path, true)),
            Step::Sync(path) => {
                dirty.insert(path, false);
                unsynced_directories.remove(&**path);
                new_directories.retain(|directory| directory.parent() != Some(path));
            }
            Step::MakeDirectory(path) => drop(new_directories.insert(path)),
            Step::Rename(from, to) => {
                if dirty.remove(from) != Some(false) {
                    return Err(format!("{from:?} is not synced before it becomes {to:?}"));
                }
                unsynced_directories.insert(to.parent().unwrap());
                placed.push(to.clone());
            }
            Step::Acknowledge => {}
        }
    }
    Ok(placed)
}

fn parse(trace: &str) -> Vec<Step> {
    let mut unfinished = BTreeMap::new();
    let mut steps = Vec::new();
    for line in trace.lines() {
        let (thread, call) = line.trim().split_once(' ').unwrap();
        let call = call.trim();
        // Another thread's call came between; the call counts when it is complete.
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, start.to_owned());
            continue;
        }
        let call = match call.split_once("resumed>") {
            Some((_, end)) => unfinished.remove(thread).unwrap() + end,
            None => call.to_owned(),
        };
        steps.extend(step(&call));
    }
    steps
}

fn step(call: &str) -> Option<Step> {
    let (function, arguments) = call.split_once('(')?;
    if call.contains(" = -1 ") {
        return None;
    }
    // As strace shows them: an open file as `7</path>`, a path as `"/path"`.
    let file = || Some(PathBuf::from(arguments.split_once('<')?.1.split_once('>')?.0));
    let mut quoted = arguments.split('"').skip(1).step_by(2).map(PathBuf::from);
    match function {
        "write" if arguments.contains("acknowledged: ") => Some(Step::Acknowledge),
        "write" | "writev" | "pwrite64" | "pwritev" => Some(Step::Write(file()?)),
        "fsync" | "fdatasync" => Some(Step::Sync(file()?)),
        "mkdir" | "mkdirat" => Some(Step::MakeDirectory(quoted.next()?)),
        "rename" | "renameat" | "renameat2" => Some(Step::Rename(quoted.next()?, quoted.next()?)),
        _ => None,
    }
}

/// What `test` does with the storage at `root`; `None` without strace.
fn trace(test: &str, root: &Path, options: &[&str]) -> Option<String> {
    if !require(&["strace"]) {
        return None;
    }
    let output = tempfile::NamedTempFile::new().unwrap();
    let traced = Command::new("strace")
        .args(["-f", "-y", "-qq", "-s", "32"])
        .args(options)
        .arg("-o")
        .arg(output.path())
        .args(own_process::command_line(&format!("storage_durability::{test}")))
        .env("TRACE_ROOT", root)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&traced.stderr);
    if !traced.status.success() && error.contains("ptrace") && traced.stdout.is_empty() {
        skip(&format!("tracing is not allowed here: {}", error.trim()));
        return None;
    }
    assert!(traced.status.success(), "{error}");
    Some(std::fs::read_to_string(output).unwrap())
}
