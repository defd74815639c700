//! The filesystem backend: the suite, and what only files have.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lockgate_registry::internals::oci::{Algorithm, Digest};
use lockgate_registry::internals::storage::filesystem::FilesystemSettings;
use lockgate_registry::internals::storage::{
    BlobStore as _, Catalog as _, Error, FilesystemStorage, Layout, ManifestStore as _, ReferrerStore as _,
    TagStore as _, UploadId, UploadStore as _,
};
use tempfile::TempDir;

use crate::put_blob::PutBlob as _;
use crate::storage_suite::{content, manifest, name, put, read, sha256, storage_suite, tag, upload};

storage_suite!(open());

// DESIGN section 3: the proxy reads blobs through the group.
#[tokio::test]
async fn directories_pass_their_group_on_and_files_are_readable_by_it() {
    let (storage, root) = open();
    put(&storage, "a/b", b"x").await;
    storage.begin_upload(&name("a/b"), Algorithm::Sha256).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let mut seen = 0;
    for path in walk(&root.path().join("docker")) {
        let expected = if path.is_dir() { 0o2750 } else { 0o640 };
        // Nobody but the registry reads these.
        let private = path.ends_with("startedat") || path.parent().unwrap().ends_with("hashstates/sha256");
        assert!(mode(&path) == expected || private, "{path:?} {:o}", mode(&path));
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[tokio::test]
async fn an_upload_goes_on_from_its_hash_state_after_a_restart() {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let (storage, root) = open();
        let content = content(700_001);
        let id = storage.begin_upload(&name("a"), algorithm).await.unwrap();
        upload(&storage, "a", &id, &content[..300_001]).await;
        upload(&storage, "a", &id, &content[300_001..600_001]).await;
        drop(storage);

        // Whoever hashed this again would get another digest.
        spoil(&upload_file(&root, "a", &id, "data"));
        let storage = reopen(&root);
        let mut writer = storage.append(&name("a"), &id, Some(600_001)).await.unwrap();
        writer.write(content.slice(600_001..)).await.unwrap();
        writer.finish(&Digest::of(algorithm, &content)).await.unwrap();
    }
}

#[tokio::test]
async fn finishing_does_not_read_what_was_written() {
    let (storage, root) = open();
    let content = content(3_000_000);
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    let mut writer = storage.append(&name("a"), &id, None).await.unwrap();
    writer.write(content.clone()).await.unwrap();
    let data = upload_file(&root, "a", &id, "data");
    while fs::metadata(&data).unwrap().len() == 0 {
        tokio::task::yield_now().await;
    }
    spoil(&data);
    writer.finish(&sha256(&content)).await.unwrap();
}

#[tokio::test]
async fn an_upload_without_a_fitting_hash_state_is_hashed_again() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("no states", |upload| {
            fs::remove_dir_all(upload.join("hashstates")).unwrap();
        }),
        ("an empty state", |upload| {
            fs::write(upload.join("hashstates/sha256/400000"), "").unwrap();
        }),
        ("a state that is none", |upload| {
            fs::write(upload.join("hashstates/sha256/400000"), [7; 108]).unwrap();
        }),
        ("bytes beyond the state, of a process that died", |upload| {
            let mut data = OpenOptions::new().append(true).open(upload.join("data")).unwrap();
            data.write_all(&content(700_000)[400_000..500_000]).unwrap();
        }),
        ("something else beside the states", |upload| {
            fs::write(upload.join("hashstates/sha256/x.tmp"), "x").unwrap();
        }),
    ];
    for (case, damage) in damages {
        let (storage, root) = open();
        let content = content(700_000);
        let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
        upload(&storage, "a", &id, &content[..400_000]).await;
        damage(upload_file(&root, "a", &id, "data").parent().unwrap());
        let offset = storage.upload(&name("a"), &id).await.unwrap().offset;
        let mut writer = storage.append(&name("a"), &id, Some(offset)).await.unwrap();
        let rest = content.slice(usize::try_from(offset).unwrap()..);
        writer.write(rest).await.unwrap();
        writer.finish(&sha256(&content)).await.expect(case);
        assert!(read(&storage, "a", &sha256(&content)).await == content, "{case}");
    }
}

#[tokio::test]
async fn an_upload_with_parts_missing_is_still_one() {
    let (storage, root) = open();
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    fs::remove_file(upload_file(&root, "a", &id, "startedat")).unwrap();
    fs::remove_file(upload_file(&root, "a", &id, "data")).unwrap();
    let status = storage.upload(&name("a"), &id).await.unwrap();
    assert_eq!((status.offset, status.started_at), (0, None));

    // Its age is then that of its files.
    let hour = Duration::from_secs(3600);
    assert_eq!(storage.purge_uploads(hour, false).await.unwrap(), []);
    upload(&storage, "a", &id, b"x").await;
    fs::write(upload_file(&root, "a", &id, "startedat"), "").unwrap();
    for file in ["data", ""] {
        let file = fs::File::open(upload_file(&root, "a", &id, file)).unwrap();
        file.set_modified(SystemTime::now() - 2 * hour).unwrap();
    }
    let purged = storage.purge_uploads(hour, false).await.unwrap();
    assert_eq!((purged.len(), &purged[0].id), (1, &id));
    assert!(purged[0].age >= 2 * hour);
}

#[tokio::test]
async fn an_upload_in_use_by_another_process_is_left_alone() {
    let (ours, root) = open();
    // A lock on a file is held by whoever opened it, so a second storage is as good as a second process.
    let theirs = reopen(&root);
    let id = ours.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    let mut writer = theirs.append(&name("a"), &id, None).await.unwrap();
    let busy = ours.append(&name("a"), &id, None).await.err().unwrap();
    assert!(matches!(busy, Error::UploadBusy(_)), "{busy}");
    assert_eq!(ours.purge_uploads(Duration::ZERO, false).await.unwrap(), []);

    // It ends while we wait.
    writer.write(Bytes::from_static(b"theirs ")).await.unwrap();
    let repository = name("a");
    let (writer, offset) = tokio::join!(ours.append(&repository, &id, None), writer.pause());
    assert_eq!(offset.unwrap(), 7);
    let mut writer = writer.unwrap();
    writer.write(Bytes::from_static(b"ours")).await.unwrap();
    writer.finish(&sha256(b"theirs ours")).await.unwrap();
}

#[tokio::test]
async fn empty_links_are_no_links() {
    let (storage, root) = open();
    let image = manifest(&storage, "a", "{}", None, &["v1", "v2"]).await;
    let layer = put(&storage, "a", b"x").await;
    let repository = root.path().join("docker/registry/v2/repositories/a");
    let hex = layer.hex();
    for link in [
        "_manifests/tags/v1/current/link",
        &format!("_layers/sha256/{hex}/link"),
        &format!("_manifests/revisions/sha256/{}/link", image.hex()),
    ] {
        fs::write(repository.join(link), "").unwrap();
        fs::write(repository.join(format!("{link}.0c1d.tmp")), "sha256:1").unwrap();
    }
    let unknown = storage.resolve_tag(&name("a"), &tag("v1")).await;
    assert!(matches!(unknown, Err(Error::TagUnknown(_))));
    assert_eq!(storage.tags(&name("a"), None, 9).await.unwrap().items, [tag("v2")]);
    assert!(matches!(
        storage.blob(&name("a"), &layer).await,
        Err(Error::BlobUnknown(_))
    ));
    assert!(!storage.has_manifest(&name("a"), &image).await.unwrap());

    manifest(&storage, "a", "{}", None, &["v1"]).await;
    put(&storage, "a", b"x").await;
    assert_eq!(storage.resolve_tag(&name("a"), &tag("v1")).await.unwrap(), image);
    assert_eq!(read(&storage, "a", &layer).await, "x");
}

#[tokio::test]
async fn links_to_content_that_is_gone_are_no_links() {
    let (storage, root) = open();
    let layer = put(&storage, "a", b"x").await;
    let image = manifest(&storage, "a", "{}", None, &["v1"]).await;
    let referrer = manifest(&storage, "a", "[]", Some(&image), &[]).await;
    for digest in [&layer, &image, &referrer] {
        fs::remove_dir_all(blob_file(&root, digest).parent().unwrap()).unwrap();
    }
    assert!(matches!(
        storage.blob(&name("a"), &layer).await,
        Err(Error::BlobUnknown(_))
    ));
    let mount = storage.mount_blob(&name("a"), &name("b"), &layer).await;
    assert!(matches!(mount, Err(Error::BlobUnknown(_))));
    assert!(matches!(
        storage.manifest(&name("a"), &image).await,
        Err(Error::ManifestUnknown(_))
    ));
    assert_eq!(storage.referrers(&name("a"), &image).await.unwrap(), []);
    // What is left of them can be deleted.
    storage.delete_blob(&name("a"), &layer).await.unwrap();
    storage.delete_manifest(&name("a"), &image, None).await.unwrap();
}

#[tokio::test]
async fn pushing_again_repairs_a_corrupt_blob() {
    type Damage = fn(&Path);
    let damages: [Damage; 3] = [
        spoil,
        |data| OpenOptions::new().write(true).open(data).unwrap().set_len(3).unwrap(),
        |data| fs::write(data, "").unwrap(),
    ];
    for damage in damages {
        let (storage, root) = open();
        let digest = put(&storage, "a", b"content").await;
        damage(&blob_file(&root, &digest));
        let id = storage.begin_upload(&name("b"), Algorithm::Sha256).await.unwrap();
        upload(&storage, "b", &id, b"content").await;
        let writer = storage.append(&name("b"), &id, None).await.unwrap();
        writer.finish(&digest).await.unwrap();
        assert_eq!(read(&storage, "a", &digest).await, "content");
    }
}

#[tokio::test]
async fn a_corrupt_manifest_is_reported_and_repaired() {
    let (storage, root) = open();
    let digest = manifest(&storage, "a", "content", None, &["v1"]).await;
    let file = blob_file(&root, &digest);
    spoil(&file);
    let error = storage.manifest(&name("a"), &digest).await.unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt { path, .. } if *path == file),
        "{error}"
    );
    assert!(error.to_string().contains("push it again"));
    manifest(&storage, "a", "content", None, &["v1"]).await;
    assert_eq!(storage.manifest(&name("a"), &digest).await.unwrap(), "content");
}

#[tokio::test]
async fn an_empty_blob_that_should_not_be_is_unknown() {
    let (storage, root) = open();
    let digest = put(&storage, "a", b"content").await;
    fs::write(blob_file(&root, &digest), "").unwrap();
    let unknown = storage.blob(&name("a"), &digest).await;
    assert!(matches!(unknown, Err(Error::BlobUnknown(_))));
}

#[tokio::test]
async fn an_error_of_the_system_names_the_path() {
    let (storage, root) = open();
    let blobs = root.path().join("docker/registry/v2/blobs");
    fs::write(blobs.join("sha256"), "in the way").unwrap();
    let content = Bytes::from_static(b"x");
    let error = storage.put_blob(&name("a"), &sha256(b"x"), content).await.unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if path.starts_with(&blobs)),
        "{error}"
    );
    // And nothing half-done is left to be seen.
    assert!(storage.blob(&name("a"), &sha256(b"x")).await.is_err());
}

// proves: HOMELAB-07
#[tokio::test]
async fn a_volume_that_goes_away_is_noticed_and_its_return_too() {
    let (storage, root) = open();
    let (volume, elsewhere) = (root.path().join("docker"), root.path().join("elsewhere"));
    storage.health().await.unwrap();
    fs::rename(&volume, &elsewhere).unwrap();
    let error = storage.health().await.unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if path.starts_with(&volume)),
        "{error}"
    );
    fs::rename(&elsewhere, &volume).unwrap();
    storage.health().await.unwrap();
}

#[tokio::test]
async fn what_a_dead_process_staged_is_removed_and_a_living_ones_is_not() {
    let (storage, root) = open();
    let staging = root.path().join("docker/registry/v2/staging");
    let living = fs::read_dir(&staging).unwrap().next().unwrap().unwrap().path();
    let dead = staging.join("of-a-dead-process");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("0"), "x").unwrap();
    let second = reopen(&root);
    // After the first change nothing of the dead is left to be done.
    put(&second, "a", b"x").await;
    assert!(living.is_dir() && !dead.exists());
    drop((storage, second));
    assert_eq!(fs::read_dir(&staging).unwrap().count(), 0);
}

#[tokio::test]
async fn a_blob_file_lies_below_the_blob_root() {
    let (storage, root) = open();
    let digest = put(&storage, "a", b"x").await;
    let blob = storage.blob(&name("a"), &digest).await.unwrap();
    let relative = format!("sha256/{}/{}/data", &digest.hex()[..2], digest.hex());
    assert_eq!(blob.file.as_deref(), Some(Path::new(&relative)));
    assert_eq!(
        Layout::new(root.path()).blobs().join(relative),
        blob_file(&root, &digest)
    );
}

fn open() -> (FilesystemStorage, TempDir) {
    let root = tempfile::tempdir().unwrap();
    (reopen(&root), root)
}

fn reopen(root: &TempDir) -> FilesystemStorage {
    FilesystemStorage::open(root.path(), FilesystemSettings::default()).unwrap()
}

fn upload_file(root: &TempDir, repository: &str, id: &UploadId, file: &str) -> PathBuf {
    let upload = format!("docker/registry/v2/repositories/{repository}/_uploads/{id}");
    root.path().join(upload).join(file)
}

fn blob_file(root: &TempDir, digest: &Digest) -> PathBuf {
    let (algorithm, hex) = (digest.algorithm().name(), digest.hex());
    let path = format!("docker/registry/v2/blobs/{algorithm}/{}/{hex}/data", &hex[..2]);
    root.path().join(path)
}

/// Changes the first byte.
fn spoil(path: &Path) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all(b"\xff").unwrap();
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.append(&mut walk(&path)),
            false => found.push(path),
        }
    }
    found
}
