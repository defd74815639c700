//! Hash states on disk, one a file, named by how many bytes were hashed.

use std::fs;
use std::path::PathBuf;

use super::hash_state::Hasher;
use crate::oci::Algorithm;
use crate::storage::filesystem::disk::{failpoint, link};
use crate::storage::layout::UploadLayout;
use crate::storage::{Error, Result};

/// The furthest stored state that `size` bytes include, with its offset; normally at their end.
pub(crate) fn nearest_state(upload: &UploadLayout, size: u64) -> Result<(Hasher, u64)> {
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
