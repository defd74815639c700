//! The filesystem backend: the suite, and what only files have.

use lockgate_registry::storage::FilesystemStorage;
use lockgate_registry::storage::filesystem::Settings;
use tempfile::TempDir;

use crate::storage_suite::storage_suite;

storage_suite!(open());

fn open() -> (FilesystemStorage, TempDir) {
    let root = tempfile::tempdir().unwrap();
    let storage = FilesystemStorage::open(root.path(), Settings::default()).unwrap();
    (storage, root)
}
