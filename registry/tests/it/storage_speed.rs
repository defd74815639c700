//! Figures, by hand:
//! `cargo test --release -p lockgate-registry --test it -- --ignored --nocapture storage_speed`
//!
//! The directory is that of TMPDIR; on tmpfs nothing is durable and the figures say nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use lockgate_registry::internals::oci::{Algorithm, Digest};
use lockgate_registry::internals::storage::filesystem::FilesystemSettings;
use lockgate_registry::internals::storage::{BlobStore as _, FilesystemStorage, UploadStore as _};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::put_blob::PutBlob as _;
use crate::storage_suite::{manifest, name, sha256};

const MIB: u64 = 1 << 20;
const GIB: f64 = (1u64 << 30) as f64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it by hand in a release build"]
async fn uploads_and_reads() {
    let root = tempfile::tempdir().unwrap();
    let storage = FilesystemStorage::open(root.path(), FilesystemSettings::default()).unwrap();
    for mib in [10, 1024, 1024, 4096] {
        // As pieces come from a connection.
        let piece = Bytes::from((0..64 * 1024).map(|i| (i * 31 + i / 251) as u8).collect::<Vec<_>>());
        let digest = digest_of(&piece, mib * MIB);
        let id = storage.begin_upload(&name("a"), Algorithm::Sha256).await.unwrap();
        let (begun, cpu_before) = (Instant::now(), cpu());
        let mut writer = storage.append(&name("a"), &id, Some(0)).await.unwrap();
        for _ in 0..mib * MIB / piece.len() as u64 {
            writer.write(piece.clone()).await.unwrap();
        }
        let fed = Instant::now();
        let blob = writer.finish(&digest).await.unwrap();
        let (took, cpu_took) = (begun.elapsed(), cpu() - cpu_before);
        let size = blob.size as f64 / GIB;
        println!(
            "push {mib} MiB: {:.2} GiB/s, {:.2} CPU s/GiB, finish {:.1} ms",
            size / took.as_secs_f64(),
            cpu_took.as_secs_f64() / size,
            (took - (fed - begun)).as_secs_f64() * 1e3,
        );
        if mib == 1024 {
            let (begun, cpu_before) = (Instant::now(), cpu());
            let mut stream = storage.read_blob(&blob, 0..blob.size).await.unwrap();
            let mut length = 0;
            while let Some(piece) = stream.try_next().await.unwrap() {
                length += piece.len() as u64;
            }
            assert_eq!(length, blob.size);
            println!(
                "read {mib} MiB: {:.2} GiB/s, {:.2} CPU s/GiB",
                size / begun.elapsed().as_secs_f64(),
                (cpu() - cpu_before).as_secs_f64() / size,
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it by hand in a release build"]
async fn small_things() {
    use lockgate_registry::internals::storage::{ManifestStore as _, TagStore as _};
    const ROUNDS: u32 = 20_000;
    let root = tempfile::tempdir().unwrap();
    let storage = FilesystemStorage::open(root.path(), FilesystemSettings::default()).unwrap();
    let (repository, tag) = (name("library/app"), crate::storage_suite::tag("latest"));
    let content = "x".repeat(1000);
    let begun = Instant::now();
    for round in 0..200 {
        manifest(&storage, "library/app", &format!("{content}{round}"), None, &["latest"]).await;
    }
    println!(
        "put a manifest with a tag: {:.3} ms",
        begun.elapsed().as_secs_f64() * 1e3 / 200.0
    );
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let digest = storage.resolve_tag(&repository, &tag).await.unwrap();
        storage.manifest(&repository, &digest).await.unwrap();
    }
    println!("resolve a tag and read its manifest: {:.1} us", micros(begun, ROUNDS));
    let layer = Bytes::from_static(b"layer");
    storage
        .put_blob(&repository, &sha256(&layer), layer.clone())
        .await
        .unwrap();
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        storage.blob(&repository, &sha256(&layer)).await.unwrap();
    }
    println!("look up a blob: {:.1} us", micros(begun, ROUNDS));
}

fn micros(begun: Instant, rounds: u32) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
}

fn digest_of(piece: &[u8], size: u64) -> Digest {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    for _ in 0..size / piece.len() as u64 {
        hash.update(piece);
    }
    Digest::from_bytes(Algorithm::Sha256, &hash.finalize())
}

/// Time that this process had on a CPU.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}
