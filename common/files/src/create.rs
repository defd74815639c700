//! New files and directories with exactly a mode: the umask takes bits away from open(2) and mkdir(2), and mkdir(2)
//! drops the set-group-ID bit.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// What a file system means that refuses a mode: FAT and CIFS have none, and show the same for every file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modes {
    /// An error: a secret would be readable by others.
    Required,
    /// Nothing: it is used as it is mounted.
    AsMounted,
}

/// Makes a file that must not exist, open for reading and writing.
pub fn create_file(path: &Path, mode: u32, modes: Modes) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    // Not asked for without need: some mounts refuse each chmod(2), and keep the mode that open(2) has given.
    if file.metadata()?.permissions().mode() & 0o7777 != mode {
        modes.judge(file.set_permissions(Permissions::from_mode(mode)))?;
    }
    Ok(file)
}

/// Makes one directory. `false` when something is there already; it keeps its mode.
pub fn make_directory(path: &Path, mode: u32, modes: Modes) -> io::Result<bool> {
    match DirBuilder::new().mode(mode & 0o777).create(path) {
        Ok(()) => modes
            .judge(fs::set_permissions(path, Permissions::from_mode(mode)))
            .map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a directory with `mode`, and what is missing above it with the mode `above`. Those that are there keep theirs;
/// what is no directory is [`ErrorKind::NotADirectory`]. Returns those that were made, the uppermost first.
pub fn make_directories(path: &Path, mode: u32, above: u32, modes: Modes) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|directory| !directory.as_os_str().is_empty() && !directory.is_dir())
        .collect();
    let mut made = Vec::new();
    for directory in missing.into_iter().rev() {
        let mode = if directory == path { mode } else { above };
        if make_directory(directory, mode, modes)? {
            made.push(directory.to_owned());
        } else if !directory.is_dir() {
            return Err(Errno::NOTDIR.into());
        }
    }
    Ok(made)
}

/// The directory that a file is in, also for a name alone: that is in the current one.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Brings to disk which files `directory` holds, and under which names. The files themselves are synced before.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

impl Modes {
    fn judge(self, changed: io::Result<()>) -> io::Result<()> {
        match (self, changed) {
            (Self::AsMounted, Err(error))
                if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) =>
            {
                Ok(())
            }
            (_, changed) => changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn modes_are_exact_and_what_is_there_keeps_its_own() {
        let place = tempfile::tempdir().unwrap();
        let (file, directory) = (place.path().join("file"), place.path().join("directory"));
        // No umask leaves these whole: 0022 is the usual one.
        create_file(&file, 0o666, Modes::Required).unwrap();
        assert!(make_directory(&directory, 0o2770, Modes::Required).unwrap());
        assert_eq!((mode(&file), mode(&directory)), (0o666, 0o2770));

        let again = create_file(&file, 0o600, Modes::Required).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert!(!make_directory(&directory, 0o700, Modes::Required).unwrap());
        assert_eq!((mode(&file), mode(&directory)), (0o666, 0o2770));
    }

    #[test]
    fn what_is_missing_above_has_a_mode_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let (above, wanted) = (place.path().join("a/b"), place.path().join("a/b/c"));
        let made = make_directories(&wanted, 0o700, 0o755, Modes::Required).unwrap();
        assert_eq!(made, [place.path().join("a"), above.clone(), wanted.clone()]);
        assert_eq!((mode(&above), mode(&wanted)), (0o755, 0o700));
        assert!(
            make_directories(&wanted, 0o777, 0o777, Modes::Required)
                .unwrap()
                .is_empty()
        );
        assert_eq!(mode(&wanted), 0o700);
        assert!(
            make_directories(Path::new(""), 0o700, 0o700, Modes::Required)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_file_in_the_place_of_a_directory_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "x").unwrap();
        for path in ["file", "file/below"] {
            let error = make_directories(&place.path().join(path), 0o700, 0o700, Modes::Required).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotADirectory, "{path}");
        }
    }

    #[test]
    fn only_a_refusal_is_accepted_where_there_are_no_modes() {
        for (errno, as_mounted) in [(Errno::PERM, true), (Errno::OPNOTSUPP, true), (Errno::IO, false)] {
            let refused = || Err(errno.into());
            assert!(Modes::Required.judge(refused()).is_err());
            assert_eq!(Modes::AsMounted.judge(refused()).is_ok(), as_mounted, "{errno}");
        }
    }
}
