//! What a client is told when the disk fails, lies or is full; the registry goes on.

use std::fs;

use lockgate_registry::Frontend;
use lockgate_testkit::sha256;

use crate::harness::Served;
use crate::storage_full::Disk;

/// Where a blob's content lies.
fn data(served: &Served, digest: &str) -> std::path::PathBuf {
    let hex = digest.trim_start_matches("sha256:");
    let blobs = served.home.path().join("data/docker/registry/v2/blobs/sha256");
    blobs.join(&hex[..2]).join(hex).join("data")
}

#[test]
fn a_failing_read_is_500_without_the_path_and_the_registry_lives() {
    let served = Served::open();
    let (digest, manifest) = served.push_image("a/b", "v1", b"layer");
    let data = data(&served, &digest);
    fs::remove_file(&data).unwrap();
    // Reading a directory fails, for root too.
    fs::create_dir(&data).unwrap();
    let failed = served.get("/v2/a/b/manifests/v1");
    failed.expect_error(500, "UNKNOWN");
    assert!(!String::from_utf8_lossy(&failed.body).contains("docker/registry"));
    served.get("/v2/a/b/tags/list").expect(200);
    served.push_image("a/b", "v2", b"another layer");

    fs::remove_dir(&data).unwrap();
    served.put_manifest("a/b", "v1", &manifest).expect(201);
    assert_eq!(served.get("/v2/a/b/manifests/v1").expect(200).body, manifest);
}

#[test]
fn a_corrupt_manifest_is_500_and_a_push_repairs_it() {
    let served = Served::open();
    let (digest, manifest) = served.push_image("a/b", "v1", b"layer");
    let mut spoilt = manifest.clone();
    spoilt[0] ^= 1;
    fs::write(data(&served, &digest), spoilt).unwrap();
    served.get("/v2/a/b/manifests/v1").expect_error(500, "UNKNOWN");
    served.put_manifest("a/b", "v1", &manifest).expect(201);
    assert_eq!(served.get("/v2/a/b/manifests/v1").expect(200).body, manifest);
}

#[test]
fn a_truncated_blob_is_repaired_by_a_push() {
    let served = Served::open();
    let digest = served.push_blob("a/b", b"0123456789");
    fs::write(data(&served, &digest), "01234").unwrap();
    assert_eq!(served.push_blob("a/b", b"0123456789"), digest);
    assert_eq!(
        served.get(&format!("/v2/a/b/blobs/{digest}")).expect(200).body,
        b"0123456789"
    );
}

#[test]
fn a_full_disk_is_507_and_deletes_still_work() {
    let Some(disk) = Disk::tmpfs() else { return };
    let yaml = format!(
        "storage: {{filesystem: {{rootdirectory: {:?}}}, delete: {{enabled: true}}}}\n",
        disk.root()
    );
    let served = Served::start(&yaml, Frontend::Other, |_| {});
    let (digest, _) = served.push_image("a/b", "v1", b"layer");
    let location = served
        .send("POST", "/v2/a/b/blobs/uploads/", &[], b"")
        .header("location")
        .to_owned();
    let filler = disk.fill(None);

    let content = vec![7; 1 << 20];
    served
        .send("PATCH", &location, &[], &content)
        .expect_error(507, "UNAVAILABLE");
    served
        .send("POST", "/v2/a/b/blobs/uploads/", &[], b"")
        .expect_error(507, "UNAVAILABLE");
    served.get("/v2/a/b/manifests/v1").expect(200);
    let told = served.get("/readyz");
    let told = String::from_utf8_lossy(&told.expect(200).body);
    assert!(told.contains("no space is left"), "{told}");
    served
        .send("DELETE", &format!("/v2/a/b/manifests/{digest}"), &[], b"")
        .expect(202);

    fs::remove_file(filler).unwrap();
    let offset: usize = match served.get(&location).expect(204).header("range") {
        "0-0" => 0,
        range => range.trim_start_matches("0-").parse::<usize>().unwrap() + 1,
    };
    let put = format!("{location}?digest={}", sha256(&content));
    served.send("PUT", &put, &[], &content[offset..]).expect(201);
}
