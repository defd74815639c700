//! What is recorded of an upload when it begins.

use std::fs;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::hash_state::Hasher;
use super::state_file::write_state;
use crate::oci::Algorithm;
use crate::storage::filesystem::disk::{failpoint, files};
use crate::storage::layout::UploadLayout;
use crate::storage::{Error, Result};

/// Makes what distribution makes when an upload begins, its initial hash state included: that says which algorithm.
pub(crate) fn create_upload(upload: &UploadLayout, algorithm: Algorithm) -> Result<()> {
    let states = upload.hash_states(algorithm);
    for directory in [upload.directory(), files::parent(&states), &states] {
        files::make_dir(directory).map_err(Error::io("create directory", directory))?;
    }
    failpoint::reach("upload.begin");
    files::create_file(&upload.data())?;
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
