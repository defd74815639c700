//! Many clients at once: whatever is answered is right, and what is left is whole.

use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_testkit::{Answer, sha256};

use crate::harness::Served;

const CLIENTS: usize = 64;

/// An image's layers are told apart by what they say.
fn layer(text: &str) -> Vec<u8> {
    format!("{text}\n").repeat(2048).into_bytes()
}

/// Whether it is there; when it is, its bytes are what its digest says.
#[track_caller]
fn checked(answer: &Answer) -> Option<String> {
    if answer.status == 404 {
        return None;
    }
    let digest = sha256(&answer.expect(200).body);
    assert_eq!(answer.header("docker-content-digest"), digest);
    Some(digest)
}

/// Everything that `repository` lists can be pulled: tags, what they point to, and what that refers to.
fn pull_everything(served: &Served, repository: &str) -> Vec<String> {
    let list = served.get(&format!("/v2/{repository}/tags/list"));
    let tags: Vec<String> = serde_json::from_value(list.expect(200).json()["tags"].clone()).unwrap();
    for tag in &tags {
        let manifest = served.get(&format!("/v2/{repository}/manifests/{tag}"));
        let digest = checked(&manifest).unwrap_or_else(|| panic!("{repository}:{tag} points nowhere"));
        let by_digest = served.get(&format!("/v2/{repository}/manifests/{digest}"));
        assert_eq!(checked(&by_digest), Some(digest));
        let manifest = manifest.json();
        let layers = manifest["layers"].as_array().unwrap();
        for blob in layers.iter().chain([&manifest["config"]]) {
            let digest = blob["digest"].as_str().unwrap();
            let blob = served.get(&format!("/v2/{repository}/blobs/{digest}"));
            assert_eq!(checked(&blob).as_deref(), Some(digest));
        }
    }
    tags
}

fn delete(served: &Served, repository: &str, digest: &str) {
    let deleted = served.send("DELETE", &format!("/v2/{repository}/manifests/{digest}"), &[], b"");
    assert!(matches!(deleted.status, 202 | 404), "{}", deleted.status);
}

/// One client's share: an image of its own, one that everybody pushes, and a tag that everybody moves and some delete.
fn client(served: &Served, number: usize) {
    let (own, tag) = (format!("own/{}", number % 8), format!("client-{number}"));
    let content = layer(&tag);
    let (digest, manifest) = served.push_image(&own, &tag, &content);
    let answer = served.get(&format!("/v2/{own}/manifests/{tag}"));
    assert_eq!((checked(&answer), &answer.body), (Some(digest), &manifest));
    let blob = served.get(&format!("/v2/{own}/blobs/{}", sha256(&content)));
    assert!(blob.expect(200).body == content, "{tag}: another layer came back");

    let (shared, manifest) = served.push_image("shared", "same", &layer("same"));
    let answer = served.get(&format!("/v2/shared/manifests/{shared}"));
    assert_eq!((checked(&answer), &answer.body), (Some(shared), &manifest));

    let version = layer(&format!("version {}", number % 4));
    let (version, _) = served.push_image("moved", "latest", &version);
    checked(&served.get("/v2/moved/manifests/latest"));
    if number.is_multiple_of(3) {
        delete(served, "moved", &version);
    }
    checked(&served.get(&format!("/v2/moved/manifests/{version}")));
}

#[test]
fn sixty_four_clients_push_pull_move_and_delete() {
    let served = Served::open();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let served = &served;
            scope.spawn(move || client(served, number));
        }
    });
    let mut own: Vec<String> = (0..8)
        .flat_map(|number| pull_everything(&served, &format!("own/{number}")))
        .collect();
    own.sort();
    let mut expected: Vec<String> = (0..CLIENTS).map(|number| format!("client-{number}")).collect();
    expected.sort();
    assert_eq!(own, expected, "what was pushed once and deleted by nobody is all there");
    assert_eq!(pull_everything(&served, "shared"), ["same"]);
    pull_everything(&served, "moved");
}

#[test]
fn a_tag_never_points_to_a_manifest_that_was_deleted() {
    let served = Served::open();
    let versions: Vec<_> = (0..2)
        .map(|number| served.image("a", &layer(&number.to_string())))
        .collect();
    for _ in 0..10 {
        std::thread::scope(|scope| {
            for version in &versions {
                let (served, digest) = (&served, sha256(version));
                for tag in ["latest", "other"] {
                    scope.spawn(move || served.put_manifest("a", tag, version).expect(201).status);
                }
                scope.spawn(move || delete(served, "a", &digest));
            }
        });
        pull_everything(&served, "a");
    }
}

#[test]
fn a_tag_that_moves_is_there_all_the_time_while_old_manifests_go() {
    let served = Served::open();
    let manifest = |number: usize| {
        let digest = sha256(b"{}");
        let kind = "application/vnd.oci.image";
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}.manifest.v1+json","config":{{"mediaType":"{kind}.config.v1+json","digest":"{digest}","size":2}},"layers":[],"annotations":{{"number":"{number}"}}}}"#
        )
    };
    served.push_blob("a", b"{}");
    served.put_manifest("a", "latest", manifest(0).as_bytes()).expect(201);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = served.get("/v2/a/manifests/latest");
                    assert!(checked(&answer).is_some(), "the tag was never deleted");
                }
            });
        }
        let moved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 1..=60 {
                served
                    .put_manifest("a", "latest", manifest(number).as_bytes())
                    .expect(201);
                delete(&served, "a", &sha256(manifest(number - 1).as_bytes()));
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        moved.unwrap();
    });
}
