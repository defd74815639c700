//! What every storage backend must do, said in terms of the traits alone.
//!
//! A backend's test module names the cases through [`storage_suite!`]; each gets an empty storage of its own.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use lockgate_registry::internals::oci::{Algorithm, Digest, RepositoryName, Tag};
use lockgate_registry::internals::storage::{Error, Storage, UploadId, UploadStore};

use crate::put_blob::PutBlob as _;

/// Makes a test of each case, run against the storage that `$open` gives with whatever must live as long.
macro_rules! storage_suite {
    ($open:expr) => {
        $crate::storage_suite::storage_suite!($open;
            a_blob_is_read_where_it_is_linked, ranges_of_a_blob, a_mounted_blob_is_readable, a_deleted_blob_is_unknown,
            content_that_is_not_what_was_announced_is_refused, an_upload_in_pieces, an_upload_of_nothing,
            an_upload_under_sha512, an_upload_whose_algorithm_was_not_announced, an_upload_goes_on_at_its_end_alone,
            a_dropped_writer_keeps_what_it_got, one_writer_at_a_time, an_upload_with_the_wrong_digest_is_gone,
            an_upload_that_ended_is_unknown, a_cancelled_upload_is_unknown, an_unknown_upload_is_unknown,
            old_uploads_are_purged, an_upload_in_use_is_not_purged, a_pushed_blob_replaces_what_was_there,
            a_manifest_by_digest_and_tag, a_manifest_can_be_pushed_again, a_tag_moves, tags_come_in_pages,
            tags_of_an_unknown_repository, a_deleted_tag_leaves_the_revision, a_deleted_manifest_takes_its_tags,
            referrers_are_listed_in_order, a_deleted_referrer_is_not_listed, repositories_come_in_order_of_whole_names,
            the_storage_is_healthy, many_at_once, no_tag_is_left_behind_when_deletes_and_pushes_meet,
        );
    };
    ($open:expr; $($case:ident),+ $(,)?) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (storage, _keep) = $open;
            $crate::storage_suite::$case(&storage).await;
        }
    )+ };
}
pub(crate) use storage_suite;

pub(crate) async fn a_blob_is_read_where_it_is_linked(storage: &impl Storage) {
    let content = Bytes::from_static(b"some layer");
    let digest = sha256(&content);
    let blob = storage.put_blob(&name("a/b"), &digest, content.clone()).await.unwrap();
    assert_eq!((&blob.digest, blob.size), (&digest, 10));
    assert_eq!(storage.blob(&name("a/b"), &digest).await.unwrap(), blob);
    assert_eq!(read(storage, "a/b", &digest).await, content);

    for elsewhere in ["a", "a/b/c", "b"] {
        let error = storage.blob(&name(elsewhere), &digest).await.unwrap_err();
        assert!(matches!(error, Error::BlobUnknown(unknown) if unknown == digest));
    }
    assert!(!storage.has_manifest(&name("a/b"), &digest).await.unwrap());
}

pub(crate) async fn ranges_of_a_blob(storage: &impl Storage) {
    let content = content(700_000);
    let digest = sha256(&content);
    let blob = storage.put_blob(&name("a"), &digest, content.clone()).await.unwrap();
    for range in [0..700_000u64, 0..1, 699_999..700_000, 262_143..262_146, 5..5] {
        let pieces: Vec<Bytes> = storage
            .read_blob(&blob, range.clone())
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= 256 * 1024));
        let expected = &content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(pieces.concat() == expected, "{range:?}");
    }
}

pub(crate) async fn a_mounted_blob_is_readable(storage: &impl Storage) {
    let digest = put(storage, "from", b"shared").await;
    let error = storage
        .mount_blob(&name("nowhere"), &name("to"), &digest)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BlobUnknown(_)));
    assert!(storage.blob(&name("to"), &digest).await.is_err());

    let blob = storage.mount_blob(&name("from"), &name("to"), &digest).await.unwrap();
    assert_eq!((blob.size, &blob.digest), (6, &digest));
    storage.delete_blob(&name("from"), &digest).await.unwrap();
    assert_eq!(read(storage, "to", &digest).await, "shared");
}

pub(crate) async fn a_deleted_blob_is_unknown(storage: &impl Storage) {
    let digest = put(storage, "a", b"x").await;
    storage.delete_blob(&name("a"), &digest).await.unwrap();
    assert!(matches!(
        storage.blob(&name("a"), &digest).await,
        Err(Error::BlobUnknown(_))
    ));
    assert!(matches!(
        storage.delete_blob(&name("a"), &digest).await,
        Err(Error::BlobUnknown(_))
    ));
    put(storage, "a", b"x").await;
    assert_eq!(read(storage, "a", &digest).await, "x");
}

pub(crate) async fn content_that_is_not_what_was_announced_is_refused(storage: &impl Storage) {
    let declared = sha256(b"announced");
    let error = storage
        .put_blob(&name("a"), &declared, Bytes::from_static(b"sent"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { actual, .. } if actual == sha256(b"sent")));
    let error = storage
        .put_manifest(&name("a"), &declared, Bytes::from_static(b"sent"), None, &[])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }));
    assert!(storage.blob(&name("a"), &declared).await.is_err());
    assert!(!storage.has_manifest(&name("a"), &declared).await.unwrap());
}

pub(crate) async fn an_upload_in_pieces(storage: &impl Storage) {
    let repository = name("a/b");
    let content = content(1_000_003);
    let digest = sha256(&content);
    let id = storage.begin_upload(&repository, Algorithm::Sha256).await.unwrap();
    let status = storage.upload(&repository, &id).await.unwrap();
    assert_eq!(status.offset, 0);
    assert!(status.started_at.unwrap().elapsed().unwrap() < Duration::from_secs(60));

    let (first, rest) = content.split_at(300_001);
    let mut writer = storage.append(&repository, &id, Some(0)).await.unwrap();
    for piece in first.chunks(1000) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(writer.pause().await.unwrap(), 300_001);
    assert_eq!(storage.upload(&repository, &id).await.unwrap().offset, 300_001);

    let mut writer = storage.append(&repository, &id, None).await.unwrap();
    for piece in rest.chunks(300_000) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let blob = writer.finish(&digest).await.unwrap();
    assert_eq!((blob.size, &blob.digest), (1_000_003, &digest));
    assert!(read(storage, "a/b", &digest).await == content);
}

pub(crate) async fn an_upload_of_nothing(storage: &impl Storage) {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let digest = Digest::of(algorithm, b"");
        let id = storage.begin_upload(&name("a"), algorithm).await.unwrap();
        let writer = storage.append(&name("a"), &id, Some(0)).await.unwrap();
        assert_eq!(writer.pause().await.unwrap(), 0);
        let writer = storage.append(&name("a"), &id, Some(0)).await.unwrap();
        assert_eq!(writer.finish(&digest).await.unwrap().size, 0);
        assert_eq!(read(storage, "a", &digest).await, "");
    }
}

pub(crate) async fn an_upload_under_sha512(storage: &impl Storage) {
    let content = content(100_000);
    let digest = Digest::of(Algorithm::Sha512, &content);
    let id = storage.begin_upload(&name("a"), Algorithm::Sha512).await.unwrap();
    for piece in content.chunks(33_333) {
        let mut writer = storage.append(&name("a"), &id, None).await.unwrap();
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        writer.pause().await.unwrap();
    }
    let writer = storage.append(&name("a"), &id, Some(100_000)).await.unwrap();
    writer.finish(&digest).await.unwrap();
    assert!(read(storage, "a", &digest).await == content);
}

pub(crate) async fn an_upload_whose_algorithm_was_not_announced(storage: &impl Storage) {
    let content = content(600_000);
    for (announced, named) in [
        (Algorithm::Sha256, Algorithm::Sha512),
        (Algorithm::Sha512, Algorithm::Sha256),
    ] {
        let digest = Digest::of(named, &content);
        let id = storage.begin_upload(&name("a"), announced).await.unwrap();
        upload(storage, "a", &id, &content).await;
        let writer = storage.append(&name("a"), &id, None).await.unwrap();
        writer.finish(&digest).await.unwrap();
        assert!(read(storage, "a", &digest).await == content);
    }
}

pub(crate) async fn an_upload_goes_on_at_its_end_alone(storage: &impl Storage) {
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    upload(storage, "a", &id, b"12345").await;
    for wrong in [0, 4, 6, u64::MAX] {
        let error = storage.append(&name("a"), &id, Some(wrong)).await.err().unwrap();
        assert!(matches!(error, Error::UploadOffset { offset: 5 }), "{error}");
    }
    upload(storage, "a", &id, b"678").await;
    let writer = storage.append(&name("a"), &id, Some(8)).await.unwrap();
    writer.finish(&sha256(b"12345678")).await.unwrap();
}

pub(crate) async fn a_dropped_writer_keeps_what_it_got(storage: &impl Storage) {
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    let mut writer = storage.append(&name("a"), &id, None).await.unwrap();
    writer.write(content(600_000)).await.unwrap();
    drop(writer);
    // The status waits for the writer, so what it says is where the next one goes on.
    let offset = storage.upload(&name("a"), &id).await.unwrap().offset;
    assert!(offset >= 512 * 1024, "{offset}");
    let rest = content(600_000).split_off(usize::try_from(offset).unwrap());
    let mut writer = storage.append(&name("a"), &id, Some(offset)).await.unwrap();
    writer.write(rest).await.unwrap();
    writer.finish(&sha256(&content(600_000))).await.unwrap();
}

pub(crate) async fn one_writer_at_a_time(storage: &impl Storage) {
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    let mut writer = storage.append(&name("a"), &id, None).await.unwrap();
    let error = storage.append(&name("a"), &id, None).await.err().unwrap();
    assert!(matches!(error, Error::UploadBusy(busy) if busy == id));

    // One that is about to end is waited for.
    writer.write(Bytes::from_static(b"first ")).await.unwrap();
    drop(writer);
    let mut writer = storage.append(&name("a"), &id, Some(6)).await.unwrap();
    writer.write(Bytes::from_static(b"second")).await.unwrap();
    writer.finish(&sha256(b"first second")).await.unwrap();
}

pub(crate) async fn an_upload_with_the_wrong_digest_is_gone(storage: &impl Storage) {
    let declared = sha256(b"announced");
    for named in [declared.clone(), Digest::of(Algorithm::Sha512, b"announced")] {
        let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
        let mut writer = storage.append(&name("a"), &id, None).await.unwrap();
        writer.write(Bytes::from_static(b"sent")).await.unwrap();
        let error = writer.finish(&named).await.unwrap_err();
        assert!(
            matches!(error, Error::DigestMismatch { actual, .. } if actual == Digest::of(named.algorithm(), b"sent"))
        );
        assert!(storage.blob(&name("a"), &named).await.is_err());
        let error = storage.upload(&name("a"), &id).await.unwrap_err();
        assert!(matches!(error, Error::UploadUnknown(_)));
    }
}

pub(crate) async fn an_upload_that_ended_is_unknown(storage: &impl Storage) {
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    upload(storage, "a", &id, b"x").await;
    let writer = storage.append(&name("a"), &id, None).await.unwrap();
    writer.finish(&sha256(b"x")).await.unwrap();
    let error = storage.append(&name("a"), &id, None).await.err().unwrap();
    assert!(matches!(error, Error::UploadUnknown(unknown) if unknown == id));
    assert!(matches!(
        storage.cancel_upload(&name("a"), &id).await,
        Err(Error::UploadUnknown(_))
    ));
}

pub(crate) async fn a_cancelled_upload_is_unknown(storage: &impl Storage) {
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    upload(storage, "a", &id, b"x").await;
    storage.cancel_upload(&name("a"), &id).await.unwrap();
    assert!(matches!(
        storage.upload(&name("a"), &id).await,
        Err(Error::UploadUnknown(_))
    ));
    assert!(matches!(
        storage.append(&name("a"), &id, None).await.err(),
        Some(Error::UploadUnknown(_))
    ));
}

pub(crate) async fn an_unknown_upload_is_unknown(storage: &impl Storage) {
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    for (repository, id) in [("a", UploadId::random()), ("b", id)] {
        assert!(matches!(
            storage.upload(&name(repository), &id).await,
            Err(Error::UploadUnknown(_))
        ));
        assert!(matches!(
            storage.append(&name(repository), &id, None).await.err(),
            Some(Error::UploadUnknown(_))
        ));
    }
}

pub(crate) async fn old_uploads_are_purged(storage: &impl Storage) {
    let mut ids = Vec::new();
    for repository in ["a", "a/b", "c"] {
        let id = storage
            .begin_upload(&name(repository), Algorithm::Sha256)
            .await
            .unwrap();
        ids.push((name(repository), id));
    }
    let hour = Duration::from_secs(3600);
    assert_eq!(storage.purge_uploads(hour, false).await.unwrap(), []);
    for dry_run in [true, false] {
        let purged = storage.purge_uploads(Duration::ZERO, dry_run).await.unwrap();
        let mut found: Vec<_> = purged.iter().map(|p| (p.repository.clone(), p.id.clone())).collect();
        found.sort();
        ids.sort();
        assert_eq!(found, ids);
        assert!(purged.iter().all(|purged| purged.age < hour));
    }
    for (repository, id) in &ids {
        assert!(matches!(
            storage.upload(repository, id).await,
            Err(Error::UploadUnknown(_))
        ));
    }
}

pub(crate) async fn an_upload_in_use_is_not_purged(storage: &impl Storage) {
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    let mut writer = storage.append(&name("a"), &id, None).await.unwrap();
    assert_eq!(storage.purge_uploads(Duration::ZERO, false).await.unwrap(), []);
    writer.write(Bytes::from_static(b"x")).await.unwrap();
    writer.finish(&sha256(b"x")).await.unwrap();
}

pub(crate) async fn a_pushed_blob_replaces_what_was_there(storage: &impl Storage) {
    let digest = put(storage, "a", b"content").await;
    let id = storage.begin_upload(&name("b"), Algorithm::Sha256).await.unwrap();
    upload(storage, "b", &id, b"content").await;
    let writer = storage.append(&name("b"), &id, None).await.unwrap();
    writer.finish(&digest).await.unwrap();
    for repository in ["a", "b"] {
        assert_eq!(read(storage, repository, &digest).await, "content");
    }
}

pub(crate) async fn a_manifest_by_digest_and_tag(storage: &impl Storage) {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let content = Bytes::from(format!("{{\"{}\":1}}", algorithm.name()));
        let digest = Digest::of(algorithm, &content);
        let tags = [tag(algorithm.name()), tag("both")];
        let (here, elsewhere) = (name("a/b"), name("a"));
        storage
            .put_manifest(&here, &digest, content.clone(), None, &tags)
            .await
            .unwrap();
        assert_eq!(storage.manifest(&here, &digest).await.unwrap(), content);
        assert!(storage.has_manifest(&here, &digest).await.unwrap());
        for tag in &tags {
            assert_eq!(storage.resolve_tag(&here, tag).await.unwrap(), digest);
        }
        assert!(matches!(
            storage.manifest(&elsewhere, &digest).await,
            Err(Error::ManifestUnknown(_))
        ));
        assert!(matches!(
            storage.resolve_tag(&elsewhere, &tags[0]).await,
            Err(Error::TagUnknown(_))
        ));
        // A manifest is no layer.
        assert!(matches!(storage.blob(&here, &digest).await, Err(Error::BlobUnknown(_))));
    }
}

pub(crate) async fn a_manifest_can_be_pushed_again(storage: &impl Storage) {
    let first = manifest(storage, "a", "{}", None, &["one"]).await;
    let second = manifest(storage, "a", "{}", None, &["two"]).await;
    assert_eq!(first, second);
    assert_eq!(
        storage.tags(&name("a"), None, 10).await.unwrap().items,
        [tag("one"), tag("two")]
    );
    storage.delete_manifest(&name("a"), &first, None).await.unwrap();
    manifest(storage, "a", "{}", None, &["one"]).await;
    assert_eq!(storage.manifest(&name("a"), &first).await.unwrap(), "{}");
    assert_eq!(storage.tags(&name("a"), None, 10).await.unwrap().items, [tag("one")]);
}

pub(crate) async fn a_tag_moves(storage: &impl Storage) {
    let old = manifest(storage, "a", "old", None, &["latest"]).await;
    let new = manifest(storage, "a", "new", None, &["latest"]).await;
    assert_eq!(storage.resolve_tag(&name("a"), &tag("latest")).await.unwrap(), new);
    // The tag has left the old revision, so it does not go with it.
    storage.delete_manifest(&name("a"), &old, None).await.unwrap();
    assert_eq!(storage.resolve_tag(&name("a"), &tag("latest")).await.unwrap(), new);
}

pub(crate) async fn tags_come_in_pages(storage: &impl Storage) {
    manifest(storage, "a", "{}", None, &["b", "a", "c", "B", "_", "10", "9"]).await;
    let ordered = ["10", "9", "B", "_", "a", "b", "c"].map(tag);
    for (after, limit, items, more) in [
        (None, 100, &ordered[..], false),
        (None, 7, &ordered[..], false),
        (None, 3, &ordered[..3], true),
        (Some("B"), 2, &ordered[3..5], true),
        (Some("AAA"), 2, &ordered[2..4], true),
        (Some("b"), 1, &ordered[6..], false),
        (Some("c"), 1, &[], false),
        (None, 0, &[], true),
    ] {
        let page = storage.tags(&name("a"), after, limit).await.unwrap();
        assert_eq!((page.items.as_slice(), page.more), (items, more), "{after:?} {limit}");
    }
}

pub(crate) async fn tags_of_an_unknown_repository(storage: &impl Storage) {
    manifest(storage, "a/b", "{}", None, &[]).await;
    assert_eq!(storage.tags(&name("a/b"), None, 1).await.unwrap().items, []);
    put(storage, "c", b"x").await;
    assert_eq!(storage.tags(&name("c"), None, 1).await.unwrap().items, []);
    for unknown in ["a", "a/b/c", "b"] {
        let error = storage.tags(&name(unknown), None, 1).await.unwrap_err();
        assert!(matches!(error, Error::RepositoryUnknown(known) if known == name(unknown)));
    }
}

pub(crate) async fn a_deleted_tag_leaves_the_revision(storage: &impl Storage) {
    let digest = manifest(storage, "a", "{}", None, &["x", "y"]).await;
    storage.delete_tag(&name("a"), &tag("x")).await.unwrap();
    assert!(matches!(
        storage.resolve_tag(&name("a"), &tag("x")).await,
        Err(Error::TagUnknown(_))
    ));
    assert!(matches!(
        storage.delete_tag(&name("a"), &tag("x")).await,
        Err(Error::TagUnknown(_))
    ));
    assert_eq!(storage.tags(&name("a"), None, 10).await.unwrap().items, [tag("y")]);
    assert_eq!(storage.manifest(&name("a"), &digest).await.unwrap(), "{}");
}

pub(crate) async fn a_deleted_manifest_takes_its_tags(storage: &impl Storage) {
    let digest = manifest(storage, "a", "{}", None, &["x", "y"]).await;
    manifest(storage, "a", "[]", None, &["z"]).await;
    manifest(storage, "b", "{}", None, &["x"]).await;
    storage.delete_manifest(&name("a"), &digest, None).await.unwrap();
    assert_eq!(storage.tags(&name("a"), None, 10).await.unwrap().items, [tag("z")]);
    assert!(matches!(
        storage.manifest(&name("a"), &digest).await,
        Err(Error::ManifestUnknown(_))
    ));
    assert!(matches!(
        storage.delete_manifest(&name("a"), &digest, None).await,
        Err(Error::ManifestUnknown(_))
    ));
    assert_eq!(storage.resolve_tag(&name("b"), &tag("x")).await.unwrap(), digest);
    assert_eq!(storage.manifest(&name("b"), &digest).await.unwrap(), "{}");
}

pub(crate) async fn referrers_are_listed_in_order(storage: &impl Storage) {
    for subject in [sha256(b"absent"), Digest::of(Algorithm::Sha512, b"absent")] {
        assert_eq!(storage.referrers(&name("a"), &subject).await.unwrap(), []);
        let mut expected = Vec::new();
        for content in ["1", "2", "3"] {
            expected.push(manifest(storage, "a", content, Some(&subject), &[]).await);
        }
        expected.sort();
        assert_eq!(storage.referrers(&name("a"), &subject).await.unwrap(), expected);
        assert_eq!(storage.referrers(&name("b"), &subject).await.unwrap(), []);
    }
}

pub(crate) async fn a_deleted_referrer_is_not_listed(storage: &impl Storage) {
    let subject = manifest(storage, "a", "{}", None, &["x"]).await;
    let gone = manifest(storage, "a", "1", Some(&subject), &[]).await;
    let stays = manifest(storage, "a", "2", Some(&subject), &[]).await;
    storage
        .delete_manifest(&name("a"), &gone, Some(&subject))
        .await
        .unwrap();
    assert_eq!(
        storage.referrers(&name("a"), &subject).await.unwrap(),
        std::slice::from_ref(&stays)
    );
    // Referrers outlive their subject.
    storage.delete_manifest(&name("a"), &subject, None).await.unwrap();
    assert_eq!(storage.referrers(&name("a"), &subject).await.unwrap(), [stays]);
}

pub(crate) async fn repositories_come_in_order_of_whole_names(storage: &impl Storage) {
    let ordered = [
        "a", "a-b", "a-b/c", "a.b", "a/b", "a/b/c/d", "a/c", "a0", "a_b", "b", "b/a",
    ];
    for repository in ordered.iter().rev() {
        manifest(storage, repository, "{}", None, &[]).await;
    }
    put(storage, "a/a", b"blobs alone make no repository").await;
    storage.begin_upload(&name("0"), Algorithm::Sha256).await.unwrap();
    let ordered = ordered.map(name);
    for limit in [1, 2, 3, 11, 100] {
        let mut found = Vec::new();
        loop {
            let after = found.last().map(RepositoryName::as_str);
            let page = storage.repositories(after, limit).await.unwrap();
            assert!(page.items.len() == limit || !page.more);
            found.extend(page.items);
            if !page.more {
                break;
            }
        }
        assert_eq!(found, ordered);
    }
    for (after, next) in [
        ("0", "a"),
        ("a-a", "a-b"),
        ("a/b/c", "a/b/c/d"),
        ("a/bb", "a/c"),
        ("a/", "a/b"),
    ] {
        let page = storage.repositories(Some(after), 1).await.unwrap();
        assert_eq!(page.items, [name(next)], "{after}");
    }
    assert_eq!(storage.repositories(Some("b/a"), 1).await.unwrap().items, []);
}

pub(crate) async fn the_storage_is_healthy(storage: &impl Storage) {
    storage.health().await.unwrap();
    assert_eq!(storage.repositories(None, 10).await.unwrap().items, []);
}

/// The same and different things at the same time, each result checked by digest.
pub(crate) async fn many_at_once(storage: &impl Storage) {
    let shared = content(300_000);
    let tasks = (0..64).map(|i: usize| {
        let shared = shared.clone();
        async move {
            let repository = format!("r{}", i % 4);
            let own = Bytes::from(format!("own {i}"));
            for content in [&shared, &own] {
                let id = storage
                    .begin_upload(&name(&repository), Algorithm::Sha256)
                    .await
                    .unwrap();
                let mut writer = storage.append(&name(&repository), &id, Some(0)).await.unwrap();
                writer.write(content.clone()).await.unwrap();
                writer.finish(&sha256(content)).await.unwrap();
            }
            let digest = manifest(
                storage,
                &repository,
                &format!("manifest {i}"),
                None,
                &["latest", &format!("t{i}")],
            )
            .await;
            assert!(read(storage, &repository, &sha256(&shared)).await == shared);
            assert_eq!(
                storage
                    .resolve_tag(&name(&repository), &tag(&format!("t{i}")))
                    .await
                    .unwrap(),
                digest
            );
            if i.is_multiple_of(3) {
                storage
                    .delete_manifest(&name(&repository), &digest, None)
                    .await
                    .unwrap();
            }
            digest
        }
    });
    let digests = futures_util::future::join_all(tasks).await;
    for (i, digest) in digests.iter().enumerate() {
        let repository = name(&format!("r{}", i % 4));
        assert_eq!(
            storage.has_manifest(&repository, digest).await.unwrap(),
            !i.is_multiple_of(3)
        );
        let tagged = storage.resolve_tag(&repository, &tag(&format!("t{i}"))).await;
        assert_eq!(tagged.is_ok(), !i.is_multiple_of(3));
        // Wherever `latest` ended up, it points to something.
        if let Ok(latest) = storage.resolve_tag(&repository, &tag("latest")).await {
            assert!(storage.has_manifest(&repository, &latest).await.unwrap());
        }
    }
}

/// The same manifest is tagged by some and deleted by others.
pub(crate) async fn no_tag_is_left_behind_when_deletes_and_pushes_meet(storage: &impl Storage) {
    let digest = sha256(b"{}");
    let tags = ["t0", "t1", "t2", "t3"];
    for _ in 0..8 {
        let pushes = tags.map(|tag| async move { drop(manifest(storage, "a", "{}", None, &[tag]).await) });
        let deletes = (0..4).map(|_| async {
            match storage.delete_manifest(&name("a"), &digest, None).await {
                Ok(()) | Err(Error::ManifestUnknown(_)) => {}
                Err(error) => panic!("{error}"),
            }
        });
        tokio::join!(
            futures_util::future::join_all(pushes),
            futures_util::future::join_all(deletes)
        );
        let left = storage.tags(&name("a"), None, 9).await.unwrap().items;
        assert!(
            left.is_empty() || storage.has_manifest(&name("a"), &digest).await.unwrap(),
            "{left:?}"
        );
    }
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

pub(crate) fn sha256(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

/// Bytes without a short period.
pub(crate) fn content(length: usize) -> Bytes {
    (0..length).map(|i| (i * 31 + i / 251 + i / 65_521) as u8).collect()
}

pub(crate) async fn put(storage: &impl Storage, repository: &str, content: &'static [u8]) -> Digest {
    let digest = sha256(content);
    let content = Bytes::from_static(content);
    storage.put_blob(&name(repository), &digest, content).await.unwrap();
    digest
}

pub(crate) async fn read(storage: &impl Storage, repository: &str, digest: &Digest) -> Bytes {
    let blob = storage.blob(&name(repository), digest).await.unwrap();
    let stream = storage.read_blob(&blob, 0..blob.size).await.unwrap();
    stream.try_collect::<Vec<_>>().await.unwrap().concat().into()
}

pub(crate) async fn upload(storage: &impl UploadStore, repository: &str, id: &UploadId, content: &[u8]) {
    let mut writer = storage.append(&name(repository), id, None).await.unwrap();
    writer.write(Bytes::copy_from_slice(content)).await.unwrap();
    writer.pause().await.unwrap();
}

pub(crate) async fn manifest(
    storage: &impl Storage,
    repository: &str,
    content: &str,
    subject: Option<&Digest>,
    tags: &[&str],
) -> Digest {
    let digest = sha256(content.as_bytes());
    let tags: Vec<_> = tags.iter().map(|text| tag(text)).collect();
    storage
        .put_manifest(&name(repository), &digest, content.to_owned().into(), subject, &tags)
        .await
        .unwrap();
    digest
}
