//! Opening an upload for its next bytes, and the lock that keeps other processes from it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use lockgate_files::FileId;
use lockgate_files::flock::{self, Kind};

use super::hash_state::Hasher;
use super::state_file::nearest_state;
use crate::storage::filesystem::disk::{files, link};
use crate::storage::layout::UploadLayout;
use crate::storage::{Error, Result, UploadId};

/// How long somebody who asks where an upload stands waits for another process to end its writer. That may be one which
/// goes on: such an answer is as true as any.
const STATUS_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long another process may take to end its writer.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// An upload whose data file this process has locked.
pub(crate) struct OpenUpload {
    pub(crate) layout: UploadLayout,
    pub(crate) data: File,
    pub(crate) size: u64,
    /// Knows the first `hashed` bytes.
    pub(crate) hasher: Hasher,
    pub(crate) hashed: u64,
}

pub(crate) fn open_upload(layout: UploadLayout, id: &UploadId, at: Option<u64>) -> Result<OpenUpload> {
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
pub(crate) fn open_data(layout: &UploadLayout, id: &UploadId) -> Result<(File, u64)> {
    let path = layout.data();
    let failed = |operation| Error::io(operation, &path);
    let data = match File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(files::FILE_MODE)
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
pub(crate) fn wait_for_other_process(upload: &UploadLayout) -> Result<()> {
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
