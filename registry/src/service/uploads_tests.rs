//! Tests of `uploads.rs`.

use super::*;
use crate::service::testing::{name, registry, registry_with, settings, sha256};
use crate::storage;

#[tokio::test]
async fn chunks_follow_on() {
    let registry = registry();
    let repository = name("a");
    let id = registry
        .begin_upload(None, &repository, Algorithm::Sha256)
        .await
        .unwrap();
    for (range, piece, offset) in [("0-4", "hello", 5), ("5-5", " ", 6)] {
        let range = Some(range.parse().unwrap());
        let mut chunk = registry
            .append(&repository, &id, range, Some(piece.len() as u64))
            .await
            .unwrap();
        chunk.write(piece.into()).await.unwrap();
        assert_eq!(chunk.pause().await.unwrap(), offset);
    }
    for range in ["0-4", "7-8"] {
        let refused = registry
            .append(&repository, &id, Some(range.parse().unwrap()), None)
            .await;
        assert!(
            matches!(refused, Err(Error::Storage(storage::Error::UploadOffset { offset: 6 }))),
            "{range}"
        );
    }
    assert_eq!(registry.upload_status(&repository, &id).await.unwrap().offset, 6);
    let mut last = registry
        .append(&repository, &id, Some("6-10".parse().unwrap()), None)
        .await
        .unwrap();
    last.write("world".into()).await.unwrap();
    let blob = last.finish(&sha256("hello world")).await.unwrap();
    assert_eq!(blob.size, 11);
}

#[tokio::test]
async fn a_chunk_is_as_long_as_announced() {
    let registry = registry();
    let repository = name("a");
    let id = registry
        .begin_upload(None, &repository, Algorithm::Sha256)
        .await
        .unwrap();
    let range = || Some("0-4".parse().unwrap());
    let contradicting = registry.append(&repository, &id, range(), Some(4)).await;
    assert!(matches!(
        contradicting,
        Err(Error::ChunkLength {
            announced: 5,
            received: 4
        })
    ));

    let mut long = registry.append(&repository, &id, range(), None).await.unwrap();
    assert!(matches!(
        long.write("hello!".into()).await,
        Err(Error::ChunkLength {
            announced: 5,
            received: 6
        })
    ));
    drop(long);

    // What came of a short one is kept: the client asks where it stands, and goes on.
    let mut short = registry.append(&repository, &id, range(), None).await.unwrap();
    short.write("hell".into()).await.unwrap();
    assert!(matches!(
        short.pause().await,
        Err(Error::ChunkLength {
            announced: 5,
            received: 4
        })
    ));
    let mut cut = registry.append(&repository, &id, None, Some(2)).await.unwrap();
    cut.write("o".into()).await.unwrap();
    assert!(matches!(
        cut.finish(&sha256("hello")).await,
        Err(Error::ChunkLength {
            announced: 2,
            received: 1
        })
    ));
    let rest = registry.append(&repository, &id, None, Some(0)).await.unwrap();
    assert_eq!(rest.finish(&sha256("hello")).await.unwrap().size, 5);
}

#[tokio::test]
async fn a_closing_request_sent_again_finds_its_blob() {
    let registry = registry();
    let digest = registry.push_blob("a", "blob").await;
    assert!(registry.finished_before(&name("a"), &digest).await.unwrap().is_some());
    assert!(registry.finished_before(&name("b"), &digest).await.unwrap().is_none());
    assert!(
        registry
            .finished_before(&name("a"), &sha256("other"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_cancelled_upload_is_gone() {
    let registry = registry();
    let repository = name("a");
    let id = registry
        .begin_upload(None, &repository, Algorithm::Sha512)
        .await
        .unwrap();
    registry.cancel_upload(&repository, &id).await.unwrap();
    let status = registry.upload_status(&repository, &id).await;
    assert!(matches!(status, Err(Error::Storage(storage::Error::UploadUnknown(_)))));
}

#[tokio::test]
async fn beyond_the_bound_the_upload_that_was_idle_longest_goes() {
    let registry = registry();
    let repository = name("a");
    let begin = async |account| {
        let begun = registry.begin_upload(account, &repository, Algorithm::Sha256).await;
        begun.unwrap()
    };
    let most = lockgate_config::Limits::default().max_uploads;
    let writing = begin(Some("x")).await;
    let mut chunk = registry.append(&repository, &writing, None, None).await.unwrap();
    let paused = begin(Some("x")).await;
    let idle = begin(Some("x")).await;
    let other = begin(Some("y")).await;
    let touched = registry.append(&repository, &paused, None, None).await.unwrap();
    touched.pause().await.unwrap();
    // Nobody is refused, and the one being written to never goes.
    for _ in 3..=most {
        begin(Some("x")).await;
    }
    let is_there = async |id: &UploadId| registry.upload_status(&repository, id).await.is_ok();
    assert!(!is_there(&idle).await, "it was idle longest");
    assert!(is_there(&paused).await && is_there(&other).await);
    let uploads = || std::fs::read_dir(registry.root.path().join(UPLOADS)).unwrap().count();
    assert_eq!(uploads(), most + 1);
    for _ in 0..50 {
        begin(Some("x")).await;
    }
    assert_eq!(uploads(), most + 1);
    assert!(is_there(&other).await && !is_there(&paused).await);
    chunk.write("kept".into()).await.unwrap();
    assert_eq!(chunk.finish(&sha256("kept")).await.unwrap().size, 4);
}

const UPLOADS: &str = "docker/registry/v2/repositories/a/_uploads";

#[tokio::test]
async fn sha512_is_verified() {
    let registry = registry();
    let repository = name("a");
    for (content, accepted) in [("right", true), ("wrong", false)] {
        let id = registry
            .begin_upload(None, &repository, Algorithm::Sha512)
            .await
            .unwrap();
        let mut chunk = registry.append(&repository, &id, None, None).await.unwrap();
        chunk.write(content.into()).await.unwrap();
        let finished = chunk.finish(&Digest::of(Algorithm::Sha512, b"right")).await;
        assert_eq!(finished.is_ok(), accepted, "{content}");
    }
}

#[tokio::test]
async fn nothing_changes_while_read_only() {
    let registry = registry_with(|storage, _| storage.chunk_min_length = Some(7));
    assert_eq!(registry.chunk_min_length(), Some(7));
    let repository = name("a");
    let id = registry
        .begin_upload(None, &repository, Algorithm::Sha256)
        .await
        .unwrap();
    registry.reload(settings(|storage, _| storage.read_only = true));
    assert_eq!(registry.chunk_min_length(), None, "a reload replaces every setting");
    let digest = sha256("");
    let refused = [
        registry.begin_upload(None, &repository, Algorithm::Sha256).await.err(),
        registry.append(&repository, &id, None, None).await.err(),
        registry.cancel_upload(&repository, &id).await.err(),
        registry.mount(None, &repository, &digest, &|_| true).await.err(),
        registry.delete_blob(&repository, &digest).await.err(),
        registry
            .delete_manifest(&repository, &digest.clone().into())
            .await
            .err(),
        registry
            .put_manifest(&repository, &digest.into(), None, Bytes::new(), &[])
            .await
            .err(),
    ];
    assert!(
        refused.iter().all(|error| matches!(error, Some(Error::ReadOnly))),
        "{refused:?}"
    );
    assert!(registry.upload_status(&repository, &id).await.is_ok());
}
