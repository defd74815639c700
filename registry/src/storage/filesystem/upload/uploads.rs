//! Uploads: a directory with the bytes so far, when it began, and the hash state at its end.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lockgate_files::FileId;
use lockgate_files::flock::{self, Kind};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::hash_state::Hasher;
use super::writer;
use crate::oci::{Algorithm, RepositoryName};
use crate::storage::filesystem::disk::{durable, failpoint, link, space};
use crate::storage::filesystem::locks::upload_lease::Lease;
use crate::storage::filesystem::{FilesystemStorage, Inner};
use crate::storage::layout::UploadLayout;
use crate::storage::{Error, PurgedUpload, Result, UploadId, UploadStatus, UploadStore, UploadWriter};

/// How long somebody who asks where an upload stands waits for another process to end its writer. That may be one which
/// goes on: such an answer is as true as any.
const STATUS_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long another process may take to end its writer.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

#[async_trait]
impl UploadStore for FilesystemStorage {
    async fn begin_upload(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId> {
        let repository = repository.clone();
        self.run(move |inner| inner.begin_upload(&repository, algorithm)).await
    }

    async fn upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<UploadStatus> {
        self.inner.leases.settled(id).await;
        if !self.inner.leases.is_taken(id) {
            let upload = self.inner.layout.repository(repository).upload(id);
            self.run(move |_| wait_for_other_process(&upload)).await?;
        }
        self.inner.upload_status(repository, id)
    }

    async fn append(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        at: Option<u64>,
    ) -> Result<Box<dyn UploadWriter>> {
        let lease = self.take_upload(id).await?;
        let upload = self.inner.layout.repository(repository).upload(id);
        let (open_id, repository) = (id.clone(), repository.clone());
        let opened = self.run(move |_| open_upload(upload, &open_id, at)).await?;
        writer::spawn(Arc::clone(&self.inner), repository, opened, lease)
    }

    async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<()> {
        let lease = self.take_upload(id).await?;
        let upload = self.inner.layout.repository(repository).upload(id);
        let id = id.clone();
        self.run(move |inner| {
            let _lease = lease;
            let _lock = open_data(&upload, &id)?;
            inner.durable.remove_tree(upload.directory())?;
            Ok(())
        })
        .await
    }

    async fn discard_idle_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<bool> {
        let (repository, id) = (repository.clone(), id.clone());
        self.run(move |inner| inner.remove_idle(&repository, &id)).await
    }

    async fn purge_uploads(&self, age: Duration, dry_run: bool) -> Result<Vec<PurgedUpload>> {
        self.run(move |inner| inner.purge(age, dry_run)).await
    }
}

impl FilesystemStorage {
    async fn take_upload(&self, id: &UploadId) -> Result<Lease> {
        let lease = self.inner.leases.take(id).await;
        lease.ok_or_else(|| Error::UploadBusy(id.clone()))
    }
}

impl Inner {
    fn begin_upload(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId> {
        space::check(self.layout.repositories())?;
        let layout = self.layout.repository(repository);
        // Durable, since links will be put beside it; what belongs to the upload is not promised to survive power loss.
        self.durable.create_dirs(&layout.uploads())?;
        let id = UploadId::random();
        let upload = layout.upload(&id);
        create_upload(&upload, algorithm).inspect_err(|_| drop(fs::remove_dir_all(upload.directory())))?;
        Ok(id)
    }

    fn upload_status(&self, repository: &RepositoryName, id: &UploadId) -> Result<UploadStatus> {
        let upload = self.layout.repository(repository).upload(id);
        let data = upload.data();
        let offset = match fs::metadata(&data) {
            Ok(metadata) => metadata.len(),
            // distribution takes an upload without data for one that stands at 0.
            Err(error) if link::is_absence(&error) && upload.directory().is_dir() => 0,
            Err(error) if link::is_absence(&error) => return Err(Error::UploadUnknown(id.clone())),
            Err(error) => return Err(Error::io("look at", &data)(error)),
        };
        Ok(UploadStatus {
            offset,
            started_at: started_at(&upload),
        })
    }
}

/// Makes what distribution makes when an upload begins, its initial hash state included: that says which algorithm.
fn create_upload(upload: &UploadLayout, algorithm: Algorithm) -> Result<()> {
    let states = upload.hash_states(algorithm);
    for directory in [upload.directory(), durable::parent(&states), &states] {
        durable::make_dir(directory).map_err(Error::io("create directory", directory))?;
    }
    failpoint::reach("upload.begin");
    durable::create_file(&upload.data())?;
    write_state(upload, &Hasher::new(algorithm), 0)?;
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).expect("0 is in range");
    let now = now.format(&Rfc3339).expect("the present has four digits in its year");
    let path = upload.started_at();
    fs::write(&path, now).map_err(Error::io("write", &path))
}

/// `None` when the record is missing or unreadable.
pub(crate) fn started_at(upload: &UploadLayout) -> Option<SystemTime> {
    let text = fs::read_to_string(upload.started_at()).ok()?;
    OffsetDateTime::parse(text.trim_ascii_end(), &Rfc3339)
        .ok()
        .map(SystemTime::from)
}

/// An upload whose data file this process has locked.
pub(crate) struct OpenUpload {
    pub(crate) layout: UploadLayout,
    pub(crate) data: File,
    pub(crate) size: u64,
    /// Knows the first `hashed` bytes.
    pub(crate) hasher: Hasher,
    pub(crate) hashed: u64,
}

fn open_upload(layout: UploadLayout, id: &UploadId, at: Option<u64>) -> Result<OpenUpload> {
    let (data, size) = open_data(&layout, id)?;
    if at.is_some_and(|at| at != size) {
        return Err(Error::UploadOffset { offset: size });
    }
    let (hasher, hashed) = nearest_state(&layout, size)?;
    Ok(OpenUpload {
        layout,
        data,
        size,
        hasher,
        hashed,
    })
}

/// Opens the upload's data and locks it against other processes, which share the directory during an upgrade.
fn open_data(layout: &UploadLayout, id: &UploadId) -> Result<(File, u64)> {
    let path = layout.data();
    let failed = |operation| Error::io(operation, &path);
    let data = match File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(durable::FILE_MODE)
        .open(&path)
    {
        Ok(data) => data,
        Err(error) if link::is_absence(&error) => return Err(Error::UploadUnknown(id.clone())),
        Err(error) => return Err(failed("open")(error)),
    };
    if !lock_within(&data, LOCK_TIMEOUT).map_err(failed("lock"))? {
        return Err(Error::UploadBusy(id.clone()));
    }
    let opened = data.metadata().map_err(failed("look at"))?;
    match fs::metadata(&path) {
        Ok(current) if FileId::of(&current) == FileId::of(&opened) => Ok((data, opened.len())),
        // The process that held the lock ended the upload.
        _ => Err(Error::UploadUnknown(id.clone())),
    }
}

/// Waits a while for a writer in another process to end: a client that was cut comes back at once, perhaps to the process
/// that replaces the old one, while that still brings what it got to disk.
fn wait_for_other_process(upload: &UploadLayout) -> Result<()> {
    let path = upload.data();
    match File::open(&path) {
        Ok(data) => lock_within(&data, STATUS_LOCK_TIMEOUT)
            .map(drop)
            .map_err(Error::io("lock", &path)),
        Err(error) if link::is_absence(&error) => Ok(()),
        Err(error) => Err(Error::io("open", &path)(error)),
    }
}

fn lock_within(data: &File, timeout: Duration) -> io::Result<bool> {
    flock::where_supported(flock::lock_within(data, Kind::Exclusive, timeout), true)
}

/// `false` when another process writes. A filesystem without locks is not shared by processes that need them.
pub(crate) fn try_lock(data: &File) -> io::Result<bool> {
    flock::where_supported(flock::try_lock(data, Kind::Exclusive), true)
}

/// The furthest stored state that `size` bytes include, with its offset; normally at their end.
fn nearest_state(upload: &UploadLayout, size: u64) -> Result<(Hasher, u64)> {
    let wide = upload.hash_states(Algorithm::Sha512).is_dir();
    let algorithm = if wide { Algorithm::Sha512 } else { Algorithm::Sha256 };
    let directory = upload.hash_states(algorithm);
    let mut offsets: Vec<u64> = link::list(&directory)?
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter(|offset| (1..=size).contains(offset))
        .collect();
    offsets.sort_unstable();
    for offset in offsets.into_iter().rev() {
        let state = fs::read(directory.join(offset.to_string())).unwrap_or_default();
        if let Some(hasher) = Hasher::unmarshal(algorithm, &state, offset) {
            return Ok((hasher, offset));
        }
    }
    Ok((Hasher::new(algorithm), 0))
}

/// Stores the state after `offset` bytes. Not staged: a reader checks a state's form, and hashes anew without one.
pub(crate) fn write_state(upload: &UploadLayout, hasher: &Hasher, offset: u64) -> Result<()> {
    failpoint::reach("upload.state");
    let path = state_path(upload, hasher.algorithm(), offset);
    fs::write(&path, hasher.marshal()).map_err(Error::io("write", &path))
}

/// Forgets the state after `offset` bytes, which a further one replaces.
pub(crate) fn remove_state(upload: &UploadLayout, algorithm: Algorithm, offset: u64) {
    // One too many does no harm.
    let _ = fs::remove_file(state_path(upload, algorithm, offset));
}

fn state_path(upload: &UploadLayout, algorithm: Algorithm, offset: u64) -> PathBuf {
    upload.hash_states(algorithm).join(offset.to_string())
}
