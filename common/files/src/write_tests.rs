use std::os::unix::fs::{MetadataExt as _, symlink};

use tempfile::TempDir;

use super::*;

/// The ways to write a file, each over what is there.
const WAYS: [(&str, Write, u32); 4] = [
    (
        "private",
        |path, text| write_private(path, text, Existing::Overwrite),
        0o600,
    ),
    (
        "public",
        |path, text| write_public(path, text, Existing::Overwrite),
        0o644,
    ),
    ("staged", |path, text| stage_private(path, text)?.replace(), 0o600),
    (
        "rewrite",
        |path, text| rewrite(path, text).map_err(|source| io_error(path, source)),
        0o600,
    ),
];

type Write = fn(&Path, &str) -> Result<(), WriteError>;

fn io_error(path: &Path, source: io::Error) -> WriteError {
    WriteError::Io {
        path: path.to_owned(),
        source,
    }
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A directory, and the path of a file in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    (directory, path)
}

/// Somebody else, where this process may give files away: only root can.
fn another(present: UidGid) -> UidGid {
    match present.uid {
        0 => UidGid {
            uid: 65_533,
            gid: 65_532,
        },
        _ => present,
    }
}

#[test]
fn a_new_file_has_its_mode_and_nothing_is_left_beside_it() {
    for (way, write, expected) in WAYS {
        let (directory, path) = place();
        write(&path, "new").unwrap();
        assert_eq!((read(&path).as_str(), mode(&path)), ("new", expected), "{way}");
        assert_eq!(names(directory.path()), ["file"], "{way}");
    }
}

#[test]
fn an_existing_file_gets_the_mode_of_what_is_written_and_keeps_its_own_when_edited() {
    for (way, write, expected) in WAYS {
        for before in [0o644, 0o600, 0o640, 0o666] {
            let (directory, path) = place();
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            write(&path, "new").unwrap();
            let expected = if way == "rewrite" { before } else { expected };
            assert_eq!(
                (read(&path).as_str(), mode(&path)),
                ("new", expected),
                "{way} {before:o}"
            );
            assert_eq!(names(directory.path()), ["file"], "{way}");
        }
    }
}

#[test]
fn a_file_that_is_kept_is_left_alone() {
    let write: [Write; 2] = [
        |path, text| write_private(path, text, Existing::Keep),
        |path, text| write_public(path, text, Existing::Keep),
    ];
    for write in write {
        let (directory, path) = place();
        write(&path, "first").unwrap();
        let before = path.metadata().unwrap();
        let refused = write(&path, "second").unwrap_err();
        assert!(
            matches!(&refused, WriteError::Exists { path: found } if *found == path),
            "{refused}"
        );
        let after = path.metadata().unwrap();
        assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
        assert_eq!(
            (read(&path).as_str(), names(directory.path())),
            ("first", vec!["file".to_owned()])
        );

        // Also a link that leads nowhere has the name.
        fs::remove_file(&path).unwrap();
        symlink("nowhere", &path).unwrap();
        assert!(matches!(write(&path, "third"), Err(WriteError::Exists { .. })));
        assert!(path.is_symlink() && !path.exists());
    }
}

#[test]
fn of_many_who_write_at_once_one_wins_and_all_of_it() {
    let (directory, path) = place();
    let text = |number: usize| number.to_string().repeat(10_000);
    let won: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|number| {
                let path = &path;
                scope.spawn(move || write_private(path, text(number), Existing::Keep).is_ok())
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let winner = won.iter().position(|won| *won).unwrap();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    assert_eq!(read(&path), text(winner));
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn a_link_is_replaced_and_one_that_is_edited_stays() {
    for (way, write, _) in WAYS {
        let (directory, path) = place();
        let target = directory.path().join("target");
        fs::write(&target, "old").unwrap();
        symlink("target", &path).unwrap();
        write(&path, "new").unwrap();
        let follows = way == "rewrite";
        assert_eq!(path.is_symlink(), follows, "{way}");
        assert_eq!(read(&target), if follows { "new" } else { "old" }, "{way}");
        assert_eq!(read(&path), "new", "{way}");
    }
}

#[test]
fn missing_directories_are_made_as_private_as_the_file() {
    for (way, write, _) in WAYS {
        let (directory, _) = place();
        let path = directory.path().join("a/b/file");
        let written = write(&path, "new");
        let expected = match way {
            // Who names a file to edit has made a mistake.
            "rewrite" => {
                let error = written.unwrap_err().to_string();
                assert!(error.contains("No such file"), "{error}");
                assert_eq!(names(directory.path()), [""; 0]);
                continue;
            }
            "public" => 0o755,
            _ => 0o700,
        };
        written.unwrap();
        for made in ["a", "a/b"] {
            assert_eq!(mode(&directory.path().join(made)), expected, "{way} {made}");
        }
        assert_eq!(read(&path), "new");
    }
}

#[test]
fn what_a_crash_left_beside_is_in_nobodys_way() {
    for (way, write, _) in WAYS {
        let (directory, path) = place();
        fs::write(&path, "old").unwrap();
        // Of an earlier process that had the same pid, whatever the number of this write is.
        let pid = std::process::id();
        let left: Vec<_> = (0..200).map(|number| format!(".file.{pid}-{number}.tmp")).collect();
        for name in &left {
            fs::write(directory.path().join(name), "half of").unwrap();
        }
        write(&path, "new").unwrap();
        assert_eq!(read(&path), "new", "{way}");
        // One of them was in the way.
        assert_eq!(names(directory.path()).len(), left.len(), "{way}");
    }
}

#[test]
fn until_it_takes_the_name_the_old_file_is_there_whole() {
    let (directory, path) = place();
    fs::write(&path, "old").unwrap();
    let staged = stage_private(&path, "new").unwrap();
    assert_eq!((read(&path).as_str(), read(staged.path()).as_str()), ("old", "new"));
    assert_eq!(mode(staged.path()), 0o600);
    drop(staged);
    assert_eq!(
        (read(&path).as_str(), names(directory.path())),
        ("old", vec!["file".to_owned()])
    );
}

#[test]
fn what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it() {
    for (way, write, _) in WAYS {
        let (directory, path) = place();
        // Something that no rename replaces: as good as a disk that fails in the last step.
        fs::create_dir(&path).unwrap();
        let error = write(&path, "new").unwrap_err();
        assert!(
            matches!(&error, WriteError::Io { path: found, .. } if *found == path),
            "{error}"
        );
        assert_eq!(names(directory.path()), ["file"], "{way}");
        assert!(path.is_dir());
    }
}

#[test]
fn a_path_without_a_name_is_an_error() {
    for (way, write, _) in WAYS {
        assert!(write(Path::new("/"), "x").is_err(), "{way}");
    }
}

#[test]
fn a_file_for_another_user_is_that_users() {
    let (directory, path) = place();
    let owner = another(UidGid::of(&directory.path().metadata().unwrap()));
    write_private_for(Some(owner), &path, "first", Existing::Keep).unwrap();
    assert_eq!((UidGid::of(&path.metadata().unwrap()), mode(&path)), (owner, 0o600));
    // Also when it is written anew by somebody who knows of no owner.
    for (way, write, _) in WAYS {
        write(&path, "another").unwrap();
        assert_eq!(UidGid::of(&path.metadata().unwrap()), owner, "{way}");
    }
    // What is staged is read by its writer before it takes the name.
    let staged = stage_private(&path, "staged").unwrap();
    assert_eq!(
        UidGid::of(&staged.path().metadata().unwrap()).uid,
        rustix::process::geteuid().as_raw()
    );
    staged.replace().unwrap();
    assert_eq!(UidGid::of(&path.metadata().unwrap()), owner);
}
