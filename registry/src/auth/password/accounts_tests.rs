//! Tests of `accounts.rs`.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

const APR1: &str = "$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/";
const BCRYPT: &str = "$2y$05$Ewy9nOKhwf7F3HvEJJYmEevuqpfVJcSIEQcw7U2XMMZwzjjpr4Mym";

fn name(text: &str) -> AccountName {
    text.parse().unwrap()
}

fn hash(text: &str) -> PasswordHash {
    text.parse().unwrap()
}

fn fixture(text: &str) -> (tempfile::TempDir, Accounts, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("htpasswd");
    if !text.is_empty() {
        fs::write(&path, text).unwrap();
    }
    (directory, Accounts::new(&path), path)
}

#[test]
fn edits_touch_their_own_line_alone() {
    let before = format!("# people\r\n\r\nanna:{APR1}:the boss\r\nbroken line\nbert:{{SHA}}x");
    let (_directory, accounts, path) = fixture(&before);
    accounts.add(&name("carl"), &hash(BCRYPT)).unwrap();
    let added = format!("{before}\ncarl:{BCRYPT}\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), added);
    accounts.set_password(&name("anna"), &hash(BCRYPT)).unwrap();
    let changed = added.replace(APR1, BCRYPT);
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    accounts.remove(&name("bert")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), changed.replace("bert:{SHA}x\n", ""));
    let listed = accounts.list().unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|account| (account.name.as_str(), account.line, account.kind.clone()))
        .collect();
    assert_eq!(
        listed,
        [("anna", 3, Ok(HashKind::Bcrypt)), ("carl", 5, Ok(HashKind::Bcrypt))]
    );
}

#[test]
fn many_accounts_are_added_at_once_and_those_that_are_there_stay() {
    let before = format!("# people\r\nanna:{APR1}:the boss\nbroken line\nbert:{{SHA}}x");
    let (_directory, accounts, path) = fixture(&before);
    let many = ["carl", "anna", "carl", "bert", "dora"].map(|text| (name(text), hash(BCRYPT)));
    let there = accounts.add_missing(&many).unwrap();
    assert_eq!(there, [&name("anna"), &name("carl"), &name("bert")]);
    let added = format!("{before}\ncarl:{BCRYPT}\ndora:{BCRYPT}\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), added);

    let (_directory, accounts, _) = fixture("");
    let many: Vec<_> = (0..10_000)
        .map(|number| (name(&format!("u{number}")), hash(BCRYPT)))
        .collect();
    assert!(accounts.add_missing(&many).unwrap().is_empty());
    assert_eq!(accounts.list().unwrap().len(), many.len());
}

#[test]
fn a_refused_edit_changes_nothing_and_names_the_command_that_would_work() {
    let (_directory, accounts, path) = fixture(&format!("anna:{APR1}\n"));
    let before = fs::metadata(&path).unwrap();
    let error = accounts.add(&name("anna"), &hash(BCRYPT)).unwrap_err().to_string();
    assert!(error.contains("lockgate user passwd anna"), "{error}");
    for error in [
        accounts.remove(&name("bert")),
        accounts.set_password(&name("bert"), &hash(BCRYPT)),
    ] {
        assert!(error.unwrap_err().to_string().contains("no account bert"));
    }
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

#[test]
fn mode_and_link_are_kept_and_a_new_file_is_private() {
    let (directory, accounts, path) = fixture(&format!("anna:{APR1}\n"));
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    Accounts::new(&link).add(&name("bert"), &hash(BCRYPT)).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(accounts.list().unwrap().len(), 2);

    let new = directory.path().join("new");
    Accounts::new(&new).add(&name("anna"), &hash(BCRYPT)).unwrap();
    assert_eq!(fs::metadata(&new).unwrap().mode() & 0o7777, 0o600);
    let mut names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["htpasswd", "htpasswd.lock", "link", "new", "new.lock"]);
}

#[test]
fn removing_an_account_removes_all_its_lines() {
    let (_directory, accounts, path) = fixture(&format!("anna:{APR1}\nbert:{APR1}\nanna:{BCRYPT}\n"));
    accounts.remove(&name("anna")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("bert:{APR1}\n"));
}

#[test]
fn editors_at_the_same_time_lose_nothing() {
    let (_directory, accounts, _) = fixture("");
    std::thread::scope(|scope| {
        for number in 0..16 {
            let accounts = &accounts;
            scope.spawn(move || accounts.add(&name(&format!("account{number}")), &hash(BCRYPT)).unwrap());
        }
    });
    assert_eq!(accounts.list().unwrap().len(), 16);
}

#[test]
fn names_that_break_the_file_are_refused() {
    for text in ["", "a:b", "#a", " a", "a\n", "a\0", &"x".repeat(256)] {
        assert_eq!(text.parse::<AccountName>(), Err(InvalidAccountName), "{text:?}");
    }
    for text in ["a", "anna@example.com", "Ännä", "a b", &"x".repeat(255)] {
        assert!(text.parse::<AccountName>().is_ok(), "{text:?}");
    }
}
