//! The same directory, served by CNCF distribution and by us: what either wrote, the other reads.
//!
//! Runs against every distribution that is installed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use lockgate_registry::internals::oci::{Algorithm, Digest};
use lockgate_registry::internals::storage::filesystem::{FilesystemSettings, InstanceId, RootLock};
use lockgate_registry::internals::storage::{
    BlobStore as _, Catalog as _, FilesystemStorage, ManifestStore as _, ReferrerStore as _, TagStore as _, UploadId,
    UploadStore as _,
};
use tempfile::TempDir;

use crate::distribution::{Distribution, installed_distributions};
use crate::storage_suite::{content, manifest, name, put, read, sha256, tag, upload};

const SECRET: &str = "shared by the two in this test";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

// The first byte on disk is changed meanwhile: whoever reads the upload again instead of going on from the stored hash
// state finds another digest.
// proves: HOMELAB-05
#[tokio::test]
async fn an_upload_begun_here_is_finished_there() {
    for distribution in installed_distributions() {
        let (root, storage, there) = both(distribution);
        let content = content(300_001);
        let digest = sha256(&content);

        let id = storage.begin_upload(&name("a/b"), Algorithm::Sha256).await.unwrap();
        upload(&storage, "a/b", &id, &content[..200_003]).await;
        spoil(root.path(), "a/b", &id);
        let target = there.upload_url("a/b", &id, 200_003);
        let answer = there.request("PATCH", &target, &[], &content[200_003..300_000]);
        assert_eq!(answer.status, 202, "{answer:?}");
        let target = answer.location_with(&digest.to_string());
        let answer = there.request("PUT", &target, &[], &content[300_000..]);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(storage.blob(&name("a/b"), &digest).await.unwrap().size, 300_001);
    }
}

// proves: HOMELAB-05
#[tokio::test]
async fn an_upload_begun_there_is_finished_here() {
    for distribution in installed_distributions() {
        let (root, storage, there) = both(distribution);
        let content = content(300_001);
        let digest = sha256(&content);

        let begun = there.request("POST", "/v2/a/b/blobs/uploads/", &[], b"");
        assert_eq!(begun.status, 202, "{begun:?}");
        let id: UploadId = begun.header("docker-upload-uuid").parse().unwrap();
        assert_eq!(storage.upload(&name("a/b"), &id).await.unwrap().offset, 0);
        let answer = there.request("PATCH", begun.location(), &[], &content[..200_003]);
        assert_eq!(answer.status, 202, "{answer:?}");
        let status = storage.upload(&name("a/b"), &id).await.unwrap();
        assert_eq!(status.offset, 200_003);
        assert!(status.started_at.is_some());
        spoil(root.path(), "a/b", &id);
        upload(&storage, "a/b", &id, &content[200_003..]).await;
        let writer = storage.append(&name("a/b"), &id, Some(300_001)).await.unwrap();
        writer.finish(&digest).await.unwrap();
        let answer = there.request("HEAD", &format!("/v2/a/b/blobs/{digest}"), &[], b"");
        assert_eq!((answer.status, answer.header("content-length")), (200, "300001"));
    }
}

// proves: HOMELAB-05
#[tokio::test]
async fn an_image_pushed_here_is_pulled_there() {
    for distribution in installed_distributions() {
        let (_root, storage, there) = both(distribution);
        let image = image(put(&storage, "a/b", b"{}").await, put(&storage, "a/b", b"layer").await);
        let digest = manifest(&storage, "a/b", &image, None, &["v1", "v2"]).await;

        for reference in ["v1", "v2", &digest.to_string()] {
            let answer = there.request("GET", &format!("/v2/a/b/manifests/{reference}"), &[], b"");
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("docker-content-digest"), digest.to_string());
            assert_eq!(answer.body, image.as_bytes());
        }
        let answer = there.request("GET", &format!("/v2/a/b/blobs/{}", sha256(b"layer")), &[], b"");
        assert_eq!((answer.status, &answer.body[..]), (200, &b"layer"[..]));
        let answer = there.request("GET", "/v2/a/b/tags/list", &[], b"");
        assert_eq!(answer.body.trim_ascii(), br#"{"name":"a/b","tags":["v1","v2"]}"#);
        let answer = there.request("GET", "/v2/_catalog", &[], b"");
        assert_eq!(answer.body.trim_ascii(), br#"{"repositories":["a/b"]}"#);

        storage.delete_tag(&name("a/b"), &tag("v1")).await.unwrap();
        assert_eq!(there.request("GET", "/v2/a/b/manifests/v1", &[], b"").status, 404);
        assert_eq!(there.request("GET", "/v2/a/b/manifests/v2", &[], b"").status, 200);
        storage.delete_manifest(&name("a/b"), &digest, None).await.unwrap();
        let by_digest = format!("/v2/a/b/manifests/{digest}");
        assert_eq!(there.request("GET", &by_digest, &[], b"").status, 404);
        storage.delete_blob(&name("a/b"), &sha256(b"layer")).await.unwrap();
        let blob = format!("/v2/a/b/blobs/{}", sha256(b"layer"));
        assert_eq!(there.request("GET", &blob, &[], b"").status, 404);
    }
}

// proves: HOMELAB-05
#[tokio::test]
async fn an_image_pushed_there_is_pulled_here() {
    for distribution in installed_distributions() {
        let (_root, storage, there) = both(distribution);
        let (config, layer) = (there.push_blob("a/b", b"{}"), there.push_blob("a/b", b"layer"));
        let image = image(config, layer.clone());
        let digest = there.push_manifest("a/b", "v1", &image);
        let other = there.push_manifest("a/b", "v1", &image.replace(r#""layers":["#, r#""layers": ["#));
        there.push_manifest("a/b", "v2", &image);

        assert_eq!(storage.manifest(&name("a/b"), &digest).await.unwrap(), image);
        assert_eq!(storage.resolve_tag(&name("a/b"), &tag("v1")).await.unwrap(), other);
        assert_eq!(storage.resolve_tag(&name("a/b"), &tag("v2")).await.unwrap(), digest);
        assert_eq!(read(&storage, "a/b", &layer).await, "layer");
        assert_eq!(storage.repositories(None, 9).await.unwrap().items, [name("a/b")]);
        let tags = storage.tags(&name("a/b"), None, 9).await.unwrap();
        assert_eq!(tags.items, [tag("v1"), tag("v2")]);

        // What was pushed under sha512 is kept there as sha256, with a link from the one to the other.
        let wide = Digest::of(Algorithm::Sha512, b"layer");
        there.push_blob_as("a/b", b"layer", &wide);
        let blob = storage.blob(&name("a/b"), &wide).await.unwrap();
        assert_eq!((blob.size, &blob.digest), (5, &wide));
        assert_eq!(read(&storage, "a/b", &wide).await, "layer");

        let answer = there.request("DELETE", &format!("/v2/a/b/manifests/{digest}"), &[], b"");
        assert_eq!(answer.status, 202);
        assert!(!storage.has_manifest(&name("a/b"), &digest).await.unwrap());
        let tags = storage.tags(&name("a/b"), None, 9).await.unwrap();
        assert_eq!(tags.items, [tag("v1")]);
    }
}

// proves: HOMELAB-05
#[tokio::test]
async fn its_garbage_collector_keeps_what_is_referenced() {
    for distribution in installed_distributions() {
        let root = tempfile::tempdir().unwrap();
        let storage = open(root.path());
        let image = image(put(&storage, "a", b"{}").await, put(&storage, "a", b"layer").await);
        let image = manifest(&storage, "a", &image, None, &[]).await;
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}}"#,
            descriptor(OCI_MANIFEST, &image, 1)
        );
        let index = manifest(&storage, "a", &index, None, &["latest"]).await;
        let referrer = artifact(put(&storage, "a", b"signature").await, &image);
        let referrer = manifest(&storage, "a", &referrer, Some(&image), &[]).await;
        // A repository without a single layer, and content that nothing refers to.
        let empty = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        let empty = manifest(&storage, "only-an-index", empty, None, &["latest"]).await;
        let garbage = put(&storage, "a", b"garbage").await;

        collect(distribution, root.path(), &[]);
        for digest in [&image, &index, &referrer] {
            storage.manifest(&name("a"), digest).await.unwrap();
        }
        storage.manifest(&name("only-an-index"), &empty).await.unwrap();
        for (content, digest) in [b"{}".as_slice(), b"layer", b"signature"].map(|c| (c, sha256(c))) {
            assert_eq!(read(&storage, "a", &digest).await, content);
        }
        assert_eq!(
            storage.referrers(&name("a"), &image).await.unwrap(),
            std::slice::from_ref(&referrer)
        );
        assert!(storage.blob(&name("a"), &garbage).await.is_err());

        // Told to remove what is untagged, it removes the referrer, of whose link it knows nothing; 2.8 also removes
        // the manifest that the tagged index names. Neither leaves us a listing that points to nothing.
        collect(distribution, root.path(), &["--delete-untagged"]);
        assert!(!storage.has_manifest(&name("a"), &referrer).await.unwrap());
        assert_eq!(storage.referrers(&name("a"), &image).await.unwrap(), []);
        storage.manifest(&name("a"), &index).await.unwrap();
        storage.manifest(&name("only-an-index"), &empty).await.unwrap();
    }
}

/// A directory that both serve.
fn both(distribution: &str) -> (TempDir, FilesystemStorage, Distribution) {
    let root = tempfile::tempdir().unwrap();
    let storage = open(root.path());
    let there = Distribution::serve(distribution, &configuration(root.path()));
    (root, storage, there)
}

fn open(root: &Path) -> FilesystemStorage {
    // What a running instance leaves in the root is in nobody's way.
    let instance = InstanceId::of_process(std::process::id());
    drop(RootLock::take(root, &instance, false, || false).unwrap());
    assert!(root.join("lockgate.lock").exists());
    FilesystemStorage::open(root, FilesystemSettings::default()).unwrap()
}

fn spoil(root: &Path, repository: &str, id: &UploadId) {
    let upload = format!("docker/registry/v2/repositories/{repository}/_uploads/{id}/data");
    let mut data = fs::OpenOptions::new().write(true).open(root.join(upload)).unwrap();
    data.write_all(b"\xff").unwrap();
}

fn image(config: Digest, layer: Digest) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
        descriptor("application/vnd.oci.image.config.v1+json", &config, 2),
        descriptor("application/vnd.oci.image.layer.v1.tar", &layer, 5),
    )
}

fn artifact(content: Digest, subject: &Digest) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"a/b","config":{},"layers":[],"subject":{}}}"#,
        descriptor("a/b", &content, 9),
        descriptor(OCI_MANIFEST, subject, 1),
    )
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

fn configuration(root: &Path) -> PathBuf {
    let text = format!(
        "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {root:?}}}, delete: {{enabled: true}}}}\n\
         http: {{addr: '127.0.0.1:0', secret: '{SECRET}'}}\n\
         validation: {{manifests: {{indexes: {{platforms: none}}}}}}\n"
    );
    let path = root.join("distribution.yml");
    fs::write(&path, text).unwrap();
    path
}

fn collect(program: &str, root: &Path, options: &[&str]) {
    let output = Command::new(program)
        .arg("garbage-collect")
        .args(options)
        .arg(configuration(root))
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

impl Distribution {
    fn push_blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = sha256(content);
        self.push_blob_as(repository, content, &digest);
        digest
    }

    fn push_blob_as(&self, repository: &str, content: &[u8], digest: &Digest) {
        let begun = self.request("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        let answer = self.request("PUT", &begun.location_with(&digest.to_string()), &[], content);
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    fn push_manifest(&self, repository: &str, tag: &str, content: &str) -> Digest {
        let target = format!("/v2/{repository}/manifests/{tag}");
        let answer = self.request("PUT", &target, &[("Content-Type", OCI_MANIFEST)], content.as_bytes());
        assert_eq!(answer.status, 201, "{answer:?}");
        sha256(content.as_bytes())
    }

    /// Where it takes the next bytes of an upload that it did not begin: its URL carries signed state.
    fn upload_url(&self, repository: &str, id: &UploadId, offset: u64) -> String {
        let state =
            format!(r#"{{"Name":"{repository}","UUID":"{id}","Offset":{offset},"StartedAt":"2024-01-01T00:00:00Z"}}"#);
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), state.as_bytes());
        let token = [signature.as_ref(), state.as_bytes()].concat();
        format!("/v2/{repository}/blobs/uploads/{id}?_state={}", URL_SAFE.encode(token))
    }
}
