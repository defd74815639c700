//! What is removed is told of before, or it is not removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lockgate_registry::{ConfirmedLog, Frontend};
use lockgate_testkit::Answer;

use crate::harness::{OPEN, Served};

/// A log that takes audit lines, or does not.
#[derive(Default)]
struct Log {
    is_full: AtomicBool,
    asked: AtomicUsize,
}

impl Log {
    fn of(log: &Arc<Self>) -> ConfirmedLog {
        let log = log.clone();
        Box::new(move |line| {
            line();
            log.asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::ready(!log.is_full.load(Ordering::Relaxed)))
        })
    }
}

fn start(yaml: &str) -> (Served, Arc<Log>) {
    let log = Arc::new(Log::default());
    let home = tempfile::tempdir().unwrap();
    (Served::start_with(home, yaml, Frontend::Other, Log::of(&log)), log)
}

fn delete(served: &Served, path: &str) -> Answer {
    served.send("DELETE", path, &[], b"")
}

#[test]
fn without_its_audit_line_nothing_is_removed() {
    let (served, log) = start(OPEN);
    let (manifest, _) = served.push_image("a", "v1", b"layer");
    let blob = served.push_blob("a", b"a blob");
    let begun = served.send("POST", "/v2/a/blobs/uploads/", &[], b"");
    let things = [
        format!("/v2/a/blobs/{blob}"),
        "/v2/a/manifests/v1".to_owned(),
        format!("/v2/a/manifests/{manifest}"),
        begun.expect(202).location().to_owned(),
    ];
    log.is_full.store(true, Ordering::Relaxed);
    for path in &things {
        let refused = delete(&served, path);
        refused.expect_error(503, "UNAVAILABLE");
        assert_eq!(refused.header("retry-after"), "10");
        assert!((200..300).contains(&served.get(path).status), "{path}");
    }
    log.is_full.store(false, Ordering::Relaxed);
    for path in &things {
        assert!((200..300).contains(&delete(&served, path).status), "{path}");
        served.get(path).expect(404);
    }
    assert_eq!(log.asked.load(Ordering::Relaxed), 2 * things.len());
}

#[test]
fn what_may_not_be_removed_is_not_told_of() {
    let (served, log) = start("storage: {filesystem: {rootdirectory: data}}\n");
    let (manifest, _) = served.push_image("a", "v1", b"layer");
    for path in ["/v2/a/manifests/v1".to_owned(), format!("/v2/a/manifests/{manifest}")] {
        delete(&served, &path).expect_error(405, "UNSUPPORTED");
        served.get(&path).expect(200);
    }
    assert_eq!(log.asked.load(Ordering::Relaxed), 0);
}
