//! `storage`

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;

/// `storage`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `storage.filesystem.rootdirectory`, absolute; `/var/lib/registry` unless set, as in distribution.
    pub root: PathBuf,
    /// `storage.filesystem.maxthreads`: blocking file operations at once; 100 unless set, 25 at least.
    pub max_threads: usize,
    /// `storage.delete.enabled`
    pub delete: bool,
    /// `storage.maintenance.readonly.enabled`
    pub read_only: bool,
    /// `storage.maintenance.uploadpurging`; `None` when disabled. On unless set.
    pub upload_purging: Option<UploadPurging>,
    /// `storage.manifest.maxsize` (extension), bytes; 4 MiB unless set.
    pub max_manifest_size: u64,
    /// `storage.upload.chunkminlength` (extension), bytes: announced as OCI-Chunk-Min-Length.
    pub chunk_min_length: Option<u64>,
}

/// `storage.maintenance.uploadpurging`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPurging {
    /// Uploads older than this are removed; 168 h unless set.
    pub age: Duration,
    /// How often to look; 24 h unless set.
    pub interval: Duration,
    /// Log what would be removed, remove nothing.
    pub dry_run: bool,
}

const ROOT: &str = "/var/lib/registry";
const MAX_THREADS: usize = 100;
/// Distribution raises what is lower.
const LEAST_THREADS: usize = 25;
/// The specification's floor for what has to be accepted.
const MAX_MANIFEST_SIZE: u64 = 4 << 20;
const AGE: Duration = Duration::from_secs(168 * 3600);
const INTERVAL: Duration = Duration::from_secs(24 * 3600);

impl Storage {
    /// From the whole file: the section itself may be missing.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let storage = root.section("storage");
        let filesystem = storage.section("filesystem");
        // Another driver is refused by the raw check, which is enough.
        let other = ["inmemory", "s3", "s3aws", "azure", "gcs", "oss", "swift", "rados"]
            .iter()
            .any(|name| storage.names(name));
        if !storage.names("filesystem") && !other {
            storage.missing(
                "filesystem",
                "expected where images are kept, as in filesystem: {rootdirectory: /var/lib/registry}",
            );
        }
        let maintenance = storage.section("maintenance");
        Self {
            root: filesystem.path("rootdirectory").unwrap_or_else(|| ROOT.into()),
            max_threads: max_threads(&filesystem),
            delete: storage.section("delete").flag("enabled").unwrap_or(false),
            read_only: maintenance.section("readonly").flag("enabled").unwrap_or(false),
            upload_purging: UploadPurging::read(&maintenance.section("uploadpurging")),
            max_manifest_size: max_manifest_size(&storage.section("manifest")),
            chunk_min_length: storage
                .section("upload")
                .size("chunkminlength")
                .filter(|size| *size > 0),
        }
    }
}

fn max_threads(filesystem: &Section<'_>) -> usize {
    match filesystem.number("maxthreads").map(usize::try_from) {
        None => MAX_THREADS,
        Some(Ok(threads)) if threads >= LEAST_THREADS => threads,
        Some(_) => {
            filesystem.warning("maxthreads", "raised to 25, the least that distribution takes");
            LEAST_THREADS
        }
    }
}

fn max_manifest_size(manifest: &Section<'_>) -> u64 {
    let size = manifest.size("maxsize").unwrap_or(MAX_MANIFEST_SIZE);
    if size < MAX_MANIFEST_SIZE {
        manifest.mistake("maxsize", "expected at least 4MiB, which clients may rely on");
    }
    size
}

impl UploadPurging {
    fn read(purging: &Section<'_>) -> Option<Self> {
        let purging_of = |name, default| match purging.duration(name) {
            // Distribution takes no bare number here either; nanoseconds would purge every upload at once.
            Some(duration) if duration < Duration::from_secs(1) => {
                purging.mistake(name, "expected at least 1s, with its unit, such as 168h");
                default
            }
            duration => duration.unwrap_or(default),
        };
        let found = Self {
            age: purging_of("age", AGE),
            interval: purging_of("interval", INTERVAL),
            dry_run: purging.flag("dryrun").unwrap_or(false),
        };
        purging.flag("enabled").unwrap_or(true).then_some(found)
    }
}
