//! Opening files beneath a directory and nowhere else.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

/// A directory, opened when it is first needed: a new data directory has no blobs yet.
///
/// The directory itself may be a symbolic link, which is how people move their data. Beneath it no link, `..` or
/// mount trick leads out.
#[derive(Debug)]
pub(crate) struct RootDir {
    path: PathBuf,
    directory: Mutex<Option<Arc<OwnedFd>>>,
    lacks_openat2: AtomicBool,
}

/// A regular file, and its size when it was opened.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// Open for reading.
    pub(crate) file: File,
    /// In bytes.
    pub(crate) size: u64,
    /// Modification time in seconds and nanoseconds since 1970.
    pub(crate) modified: (i64, u64),
}

const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl RootDir {
    /// The directory `path`; nothing is opened yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            directory: Mutex::new(None),
            lacks_openat2: AtomicBool::new(false),
        }
    }

    /// Whether the directory is there.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.directory().map(drop)
    }

    /// Opens the regular file `relative`. What is no regular file, or lies elsewhere, is `NotFound`.
    pub(crate) fn open(&self, relative: &Path) -> io::Result<OpenFile> {
        let not_found = || io::Error::from(io::ErrorKind::NotFound);
        if relative.as_os_str().is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(not_found());
        }
        let opened = self.open_beneath(self.directory()?.as_fd(), relative);
        let file = match opened {
            // The whole directory may have been replaced since it was opened.
            Err(Errno::NOENT) => {
                self.forget();
                self.open_beneath(self.directory()?.as_fd(), relative)
            }
            other => other,
        };
        let file = file.map_err(|error| match error {
            // A link that leads out, a link where none may be, a component that is no directory.
            Errno::XDEV | Errno::LOOP | Errno::NOTDIR | Errno::NXIO => not_found(),
            other => other.into(),
        })?;
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_found());
        }
        let modified = (stat.st_mtime, stat.st_mtime_nsec);
        Ok(OpenFile {
            file: File::from(file),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified,
        })
    }

    fn directory(&self) -> io::Result<Arc<OwnedFd>> {
        let mut directory = self.directory.lock().expect("no code panics while it holds the lock");
        if let Some(directory) = &*directory {
            return Ok(directory.clone());
        }
        let opened = Arc::new(openat(CWD, &self.path, DIRECTORY, Mode::empty())?);
        *directory = Some(opened.clone());
        Ok(opened)
    }

    fn forget(&self) {
        *self.directory.lock().expect("no code panics while it holds the lock") = None;
    }

    fn open_beneath(&self, root: BorrowedFd<'_>, relative: &Path) -> Result<OwnedFd, Errno> {
        if !self.lacks_openat2.load(Ordering::Relaxed) {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            match openat2(root, relative, FILE, Mode::empty(), resolve) {
                // Kernels before 5.6, and sandboxes that do not know the call.
                Err(Errno::NOSYS) => self.lacks_openat2.store(true, Ordering::Relaxed),
                other => return other,
            }
        }
        open_by_component(root, relative)
    }
}

/// Follows no link at all, which is stricter than `openat2` and just as right for a tree that holds none.
fn open_by_component(root: BorrowedFd<'_>, relative: &Path) -> Result<OwnedFd, Errno> {
    let mut parts: Vec<_> = relative.components().collect();
    let file = parts.pop().ok_or(Errno::NOENT)?;
    let mut directory: Option<OwnedFd> = None;
    for part in parts {
        let parent = directory.as_ref().map_or(root, |directory| directory.as_fd());
        directory = Some(openat(
            parent,
            part.as_os_str(),
            DIRECTORY | OFlags::NOFOLLOW,
            Mode::empty(),
        )?);
    }
    let parent = directory.as_ref().map_or(root, |directory| directory.as_fd());
    openat(parent, file.as_os_str(), FILE | OFlags::NOFOLLOW, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, RootDir) {
        let place = tempfile::tempdir().unwrap();
        let blobs = place.path().join("blobs");
        fs::create_dir_all(blobs.join("sha256/aa")).unwrap();
        fs::write(place.path().join("secret"), "secret").unwrap();
        fs::write(blobs.join("sha256/aa/data"), "data").unwrap();
        symlink("../../../secret", blobs.join("sha256/aa/out")).unwrap();
        symlink("/etc", blobs.join("sha256/etc")).unwrap();
        symlink(place.path(), blobs.join("sha256/up")).unwrap();
        rustix::fs::mkfifoat(CWD, blobs.join("pipe"), Mode::from_raw_mode(0o600)).unwrap();
        (place, RootDir::new(blobs))
    }

    #[test]
    fn nothing_outside_can_be_opened() {
        for by_component in [false, true] {
            let (_place, root) = tree();
            root.lacks_openat2.store(by_component, Ordering::Relaxed);
            assert_eq!(root.open(Path::new("sha256/aa/data")).unwrap().size, 4);
            for path in [
                "",
                ".",
                "..",
                "../secret",
                "sha256/../../secret",
                "/etc/passwd",
                "sha256/aa/out",
                "sha256/etc/passwd",
                "sha256/up/secret",
                "sha256/aa",
                "sha256/aa/data/x",
                "sha256/missing",
                "pipe",
            ] {
                let error = root.open(Path::new(path)).expect_err(path);
                assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}: {error}");
            }
        }
    }

    #[test]
    fn a_directory_that_was_moved_and_made_anew_is_found() {
        let (place, root) = tree();
        root.open(Path::new("sha256/aa/data")).unwrap();
        fs::rename(place.path().join("blobs"), place.path().join("old")).unwrap();
        fs::create_dir(place.path().join("blobs")).unwrap();
        fs::write(place.path().join("blobs/new"), "new").unwrap();
        assert_eq!(root.open(Path::new("new")).unwrap().size, 3);
    }

    #[test]
    fn the_directory_itself_may_be_a_link_and_may_come_later() {
        let place = tempfile::tempdir().unwrap();
        let root = RootDir::new(place.path().join("link"));
        assert_eq!(
            root.open(Path::new("file")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        fs::create_dir(place.path().join("real")).unwrap();
        fs::write(place.path().join("real/file"), "x").unwrap();
        symlink("real", place.path().join("link")).unwrap();
        assert_eq!(root.open(Path::new("file")).unwrap().size, 1);
    }
}
