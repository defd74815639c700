//! Links: files that hold a digest.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use crate::oci::Digest;
use crate::storage::{Error, Result};

/// Longer than every digest that is supported (`sha512:` and 128 digits).
const LONGEST: usize = 256;

/// What the link at `path` says; `None` when there is none, or when a crash of a writer that does not stage left it empty.
pub(crate) fn read_link(path: &Path) -> Result<Option<Digest>> {
    let mut buffer = [0; LONGEST];
    let length = match File::open(path).and_then(|mut file| file.read(&mut buffer)) {
        Ok(length) => length,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let digest = std::str::from_utf8(&buffer[..length])
        .ok()
        .and_then(|text| text.trim_ascii_end().parse().ok());
    if digest.is_none() {
        // Not an error: pushing again writes it anew, which an error would keep the client from.
        tracing::warn!(path = %path.display(), size_bytes = length, "link holds no digest, taken as absent");
    }
    Ok(digest)
}

/// Whether `error` says that a file is not there, a file in the place of a directory included.
pub(crate) fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Names in `directory`, unordered; none when it is not there. Names that are no UTF-8 are none of ours.
pub(crate) fn list(directory: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::io("list", directory)(error);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}
