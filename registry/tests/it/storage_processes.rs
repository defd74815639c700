//! Two processes over one tree, as during a hand-over: what one changes never breaks what the other does.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use lockgate_files::flock::{self, Kind};
use lockgate_registry::internals::oci::Algorithm;
use lockgate_registry::internals::storage::filesystem::FilesystemSettings;
use lockgate_registry::internals::storage::{
    Error, FilesystemStorage, ManifestStore as _, TagStore as _, UploadId, UploadStore as _,
};
use lockgate_testkit::own_process;

use crate::storage_suite::{content, manifest, name, read, sha256, tag};

/// How long the two get in each other's way.
const MEETING: Duration = Duration::from_secs(3);
const TAGS: [&str; 4] = ["t0", "t1", "t2", "t3"];

/// The other process, told line by line what to do; it answers each with a line.
struct Other {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Other {
    fn start(root: &Path) -> Self {
        let mut process = own_process::command("storage_processes::other")
            .env("OTHER_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self {
            process,
            orders,
            answers: BufReader::new(answers),
        }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    /// The next answer; the test runner's own lines are none.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                self.answers.read_line(&mut line).unwrap() > 0,
                "the other process ended"
            );
            if let Some(answer) = line.strip_prefix("answer ") {
                return answer.trim().to_owned();
            }
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Does what it is told, on a storage of its own over the same directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child of the other tests"]
async fn other() {
    let root = std::env::var("OTHER_ROOT").unwrap();
    let storage = FilesystemStorage::open(Path::new(&root), FilesystemSettings::default()).unwrap();
    let mut writer = None;
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["push", repository] => {
                let end = Instant::now() + MEETING;
                let mut times = 0;
                while Instant::now() < end {
                    let storage = &storage;
                    // `manifest` panics when one fails, and the test hears nothing any more.
                    let pushes = TAGS.map(|tag| async move { manifest(storage, repository, "{}", None, &[tag]).await });
                    futures_util::future::join_all(pushes).await;
                    times += 1;
                }
                println!("\nanswer pushed {times}");
            }
            ["write", repository, id, length] => {
                let id: UploadId = id.parse().unwrap();
                let mut open = storage.append(&name(repository), &id, Some(0)).await.unwrap();
                open.write(content(length.parse().unwrap())).await.unwrap();
                writer = Some(open);
                println!("\nanswer written");
            }
            ["leave"] => {
                drop(writer.take());
                println!("\nanswer left");
            }
            _ => panic!("{line}"),
        }
    }
}

// proves: SECURE-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_pushed_there_and_deleted_here_neither_fail_nor_point_nowhere() {
    // In memory where that can be: they meet more often where nothing waits for a disk.
    let root = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let storage = FilesystemStorage::open(root.path(), FilesystemSettings::default()).unwrap();
    let mut other = Other::start(root.path());
    let (repository, digest) = (name("a/b"), sha256(b"{}"));
    let manifests = root.path().join("docker/registry/v2/repositories/a/b/_manifests");
    other.order("push a/b");

    let end = Instant::now() + MEETING;
    let (mut deleted, mut met) = (0, 0);
    while Instant::now() < end {
        for text in TAGS {
            match storage.delete_tag(&repository, &tag(text)).await {
                Ok(()) | Err(Error::TagUnknown(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        match storage.delete_manifest(&repository, &digest, None).await {
            Ok(()) => deleted += 1,
            Err(Error::ManifestUnknown(_)) => {}
            Err(error) => panic!("{error}"),
        }
        // Whoever holds the lock sees the repository at rest.
        let Ok(directory) = File::open(&manifests) else {
            continue;
        };
        flock::lock(&directory, Kind::Exclusive).unwrap();
        let tags = storage.tags(&repository, None, 9).await.unwrap().items;
        let there = storage.has_manifest(&repository, &digest).await.unwrap();
        assert!(tags.is_empty() || there, "{tags:?} point nowhere");
        met += usize::from(!tags.is_empty());
    }
    let pushed = other.answer();
    assert!(deleted > 5 && met > 5, "{pushed}, {deleted} deleted, {met} times seen");
}

// proves: SECURE-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_has_one_writer_among_all_processes() {
    let root = tempfile::tempdir().unwrap();
    let storage = FilesystemStorage::open(root.path(), FilesystemSettings::default()).unwrap();
    let mut other = Other::start(root.path());
    let repository = name("a");
    let whole = content(3_000_000);
    let id = storage.begin_upload(&repository, Algorithm::Sha256).await.unwrap();
    other.order(&format!("write a {id} 2000000"));
    assert_eq!(other.answer(), "written");

    let refused = storage.append(&repository, &id, Some(0)).await.err();
    assert!(matches!(refused, Some(Error::UploadBusy(_))), "{refused:?}");
    let refused = storage.cancel_upload(&repository, &id).await;
    assert!(matches!(refused, Err(Error::UploadBusy(_))), "{refused:?}");
    assert_eq!(storage.purge_uploads(Duration::ZERO, false).await.unwrap(), []);

    // The client was cut there and asks here where to go on: the answer holds.
    other.order("leave");
    assert_eq!(other.answer(), "left");
    let offset = storage.upload(&repository, &id).await.unwrap().offset;
    let rest = whole.slice(usize::try_from(offset).unwrap()..);
    let mut writer = storage.append(&repository, &id, Some(offset)).await.unwrap();
    writer.write(rest).await.unwrap();
    writer.finish(&sha256(&whole)).await.unwrap();
    assert!(read(&storage, "a", &sha256(&whole)).await == whole);
}
