//! No space left, or read-only, on small filesystems of their own. Needs root, to mount them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use lockgate_registry::internals::oci::Algorithm;
use lockgate_registry::internals::storage::filesystem::{FilesystemSettings, InstanceId, RootLock};
use lockgate_registry::internals::storage::{
    BlobStore as _, Catalog as _, Error, FilesystemStorage, ManifestStore as _, TagStore as _, UploadStore as _,
};
use lockgate_testkit::{require, require_root, skip};
use tempfile::TempDir;

use crate::put_blob::PutBlob as _;
use crate::storage_suite::{content, manifest, name, put, read, sha256, tag, upload};

const SIZE: usize = 32 << 20;

#[tokio::test]
async fn tmpfs_runs_full() {
    if let Some(disk) = Disk::tmpfs() {
        an_upload_that_hits_the_end_goes_on_later(&disk).await;
        a_finish_that_hits_the_end_goes_on_later(&disk).await;
        what_comes_after_a_crash_serves_when_full(&disk).await;
        deletes_and_reads_work_when_full(&disk).await;
    }
}

#[tokio::test]
async fn ext4_runs_full() {
    if let Some(disk) = Disk::ext4() {
        an_upload_that_hits_the_end_goes_on_later(&disk).await;
        a_finish_that_hits_the_end_goes_on_later(&disk).await;
        what_comes_after_a_crash_serves_when_full(&disk).await;
        deletes_and_reads_work_when_full(&disk).await;
    }
}

#[tokio::test]
async fn a_read_only_filesystem_is_read() {
    let Some(disk) = Disk::tmpfs() else { return };
    let storage = disk.storage();
    put(&storage, "a", b"layer").await;
    drop(storage);
    let remount = ["-o", "remount,ro"].as_slice();
    let remounted = Command::new("mount").args(remount).arg(disk.0.path()).status();
    assert!(remounted.unwrap().success());

    let storage = disk.storage();
    assert_eq!(read(&storage, "a", &sha256(b"layer")).await, "layer");
    storage.health().await.unwrap();
    let refused = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap_err();
    let digest = sha256(b"x");
    let error = storage
        .put_blob(&name("a"), &digest, Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    for error in [refused, error] {
        assert!(
            matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem),
            "{error}"
        );
    }
}

async fn an_upload_that_hits_the_end_goes_on_later(disk: &Disk) {
    let storage = disk.storage();
    let filler = disk.fill(Some(SIZE / 2));
    let content = content(SIZE - (8 << 20));
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    let mut writer = storage.append(&name("a"), &id, None).await.unwrap();
    let mut failure = None;
    for piece in content.chunks(1 << 20) {
        if let Err(error) = writer.write(content.slice_ref(piece)).await {
            failure = Some(error);
            break;
        }
    }
    assert!(matches!(failure, Some(Error::Full { .. })), "{failure:?}");
    drop(writer);

    let offset = storage.upload(&name("a"), &id).await.unwrap().offset;
    assert!(offset > 1 << 20, "{offset}");
    // Said before the first byte, now that it is known.
    let refused = storage.begin_upload(&name("a"), Algorithm::Sha256).await;
    assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
    storage.health().await.unwrap();

    disk.free(&filler);
    let rest = content.slice(usize::try_from(offset).unwrap()..);
    let mut writer = storage.append(&name("a"), &id, Some(offset)).await.unwrap();
    writer.write(rest).await.unwrap();
    writer.finish(&sha256(&content)).await.unwrap();
    assert!(read(&storage, "a", &sha256(&content)).await == content);
    disk.clear(storage);
}

async fn a_finish_that_hits_the_end_goes_on_later(disk: &Disk) {
    let storage = disk.storage();
    let content = content(3 << 20);
    let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
    upload(&storage, "a", &id, &content).await;
    let filler = disk.fill(None);
    let writer = storage.append(&name("a"), &id, Some(3 << 20)).await.unwrap();
    let error = writer.finish(&sha256(&content)).await.unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    let unknown = storage.blob(&name("a"), &sha256(&content)).await;
    assert!(matches!(unknown, Err(Error::BlobUnknown(_))));

    disk.free(&filler);
    let writer = storage.append(&name("a"), &id, Some(3 << 20)).await.unwrap();
    writer.finish(&sha256(&content)).await.unwrap();
    assert!(read(&storage, "a", &sha256(&content)).await == content);
    disk.clear(storage);
}

/// Pulls and deletes, which are what makes room.
async fn what_comes_after_a_crash_serves_when_full(disk: &Disk) {
    let storage = disk.storage();
    let layer = put(&storage, "a", b"layer").await;
    drop(storage);
    let dead = disk.root().join("docker/registry/v2/staging/of-a-dead-process");
    fs::create_dir(&dead).unwrap();
    let filler = disk.fill(None);

    let instance = InstanceId::told("1 1");
    let owner = RootLock::take(&disk.root(), &instance, false, || false).unwrap();
    let storage = disk.storage();
    assert_eq!(read(&storage, "a", &layer).await, "layer");
    storage.delete_blob(&name("a"), &layer).await.unwrap();
    drop(owner);
    disk.free(&filler);
    put(&storage, "a", b"another layer").await;
    assert!(!dead.exists());
    disk.clear(storage);
}

async fn deletes_and_reads_work_when_full(disk: &Disk) {
    let storage = disk.storage();
    let layer = put(&storage, "a", b"layer").await;
    let first = manifest(&storage, "a", "first", None, &["v1", "v2"]).await;
    let second = manifest(&storage, "a", "second", None, &["v3"]).await;
    let _filler = disk.fill(None);

    let content = Bytes::from(vec![7; 100_000]);
    let digest = sha256(&content);
    let error = storage
        .put_blob(&name("a"), &digest, content.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    let error = storage
        .put_manifest(&name("a"), &digest, content, None, &[tag("v1")])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(storage.blob(&name("a"), &digest).await.is_err());
    assert_eq!(storage.resolve_tag(&name("a"), &tag("v1")).await.unwrap(), first);
    storage.health().await.unwrap();

    assert_eq!(read(&storage, "a", &layer).await, "layer");
    storage.delete_tag(&name("a"), &tag("v2")).await.unwrap();
    storage.delete_manifest(&name("a"), &first, None).await.unwrap();
    storage.delete_blob(&name("a"), &layer).await.unwrap();
    assert_eq!(storage.tags(&name("a"), None, 9).await.unwrap().items, [tag("v3")]);
    assert_eq!(storage.manifest(&name("a"), &second).await.unwrap(), "second");
    assert!(storage.blob(&name("a"), &layer).await.is_err());
}

/// A mounted filesystem, unmounted when dropped.
pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn tmpfs() -> Option<Self> {
        Self::mount(&["-t", "tmpfs", "-o", &format!("size={SIZE}"), "lockgate-test"])
    }

    fn ext4() -> Option<Self> {
        if !require_root() || !require(&["mkfs.ext4"]) {
            return None;
        }
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(SIZE as u64).unwrap();
        let made = Command::new("mkfs.ext4")
            .args(["-q", "-m", "0"])
            .arg(image.path())
            .status();
        assert!(made.unwrap().success());
        // The mount keeps the image's file after its name is gone.
        Self::mount(&["-o", "loop", image.path().to_str().unwrap()])
    }

    fn mount(arguments: &[&str]) -> Option<Self> {
        if !require_root() || !require(&["mount", "umount"]) {
            return None;
        }
        let point = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(arguments)
            .arg(point.path())
            .output()
            .unwrap();
        if mounted.status.success() {
            return Some(Self(point));
        }
        let error = String::from_utf8_lossy(&mounted.stderr);
        skip(&format!("mount {arguments:?} is not possible here: {}", error.trim()));
        None
    }

    /// For a storage root.
    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.0.path().join("root")
    }

    fn storage(&self) -> FilesystemStorage {
        FilesystemStorage::open(&self.root(), FilesystemSettings::default()).unwrap()
    }

    /// Takes `size` bytes, or all that is left.
    pub(crate) fn fill(&self, size: Option<usize>) -> std::path::PathBuf {
        let path = self.0.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let mut left = size.unwrap_or(usize::MAX);
        for block in [1 << 20, 4096, 1] {
            while left >= block && file.write_all(&vec![0; block]).is_ok() {
                left -= block;
            }
        }
        // Space is taken for good; where it cannot be, what was written before this is enough.
        let _ = file.sync_all();
        path
    }

    /// Gives back what was taken, with the commit that ext4 waits for.
    fn free(&self, filler: &Path) {
        fs::remove_file(filler).unwrap();
        rustix::fs::syncfs(File::open(self.0.path()).unwrap()).unwrap();
    }

    fn clear(&self, storage: FilesystemStorage) {
        drop(storage);
        fs::remove_dir_all(self.0.path().join("root")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmount = |path: &Path| Command::new("umount").arg("--lazy").arg(path).status();
        let _ = unmount(self.0.path());
    }
}
