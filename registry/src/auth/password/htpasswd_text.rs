//! The text of an htpasswd file, edited line by line: comments and what other tools wrote stay as they are.

use std::collections::HashSet;

use super::account_name::AccountName;
use super::password_hash::PasswordHash;

/// The file's bytes; lines end in LF or CRLF, and those of other tools may hold anything.
pub(super) struct HtpasswdText(pub(super) Vec<u8>);

impl HtpasswdText {
    pub(super) fn names(&self) -> HashSet<String> {
        let lines = self.0.split(|b| *b == b'\n').filter_map(name_and_rest);
        lines.map(|(name, _)| name.to_owned()).collect()
    }

    /// Start and end (after its LF) of each line of `name`.
    pub(super) fn lines_of<'a>(&'a self, name: &'a AccountName) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        let mut end = 0;
        let lines: Vec<_> = self
            .0
            .split_inclusive(|b| *b == b'\n')
            .map(|line| {
                (end, {
                    end += line.len();
                    end
                })
            })
            .collect();
        lines.into_iter().filter(|(start, end)| {
            name_and_rest(&self.0[*start..*end]).is_some_and(|(found, _)| found == name.as_str())
        })
    }

    pub(super) fn append(&mut self, name: &AccountName, hash: &PasswordHash) {
        if !self.0.is_empty() && !self.0.ends_with(b"\n") {
            self.0.push(b'\n');
        }
        self.0.extend(format!("{name}:{}\n", hash.reveal()).into_bytes());
    }

    /// Changes the line that counts, the last one.
    pub(super) fn replace(&mut self, name: &AccountName, hash: &PasswordHash) -> bool {
        let Some((start, end)) = self.lines_of(name).next_back() else {
            return false;
        };
        let line = &self.0[start..end];
        let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len() - 1) + 1;
        let rest = &line[colon..];
        let old = rest
            .iter()
            .position(|b| matches!(b, b':' | b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let range = start + colon..start + colon + old;
        self.0.splice(range, hash.reveal().bytes());
        true
    }

    /// Removes every line of `name`: an earlier one must not come into force.
    pub(super) fn remove(&mut self, name: &AccountName) -> bool {
        let lines: Vec<_> = self.lines_of(name).collect();
        for (start, end) in lines.iter().rev() {
            self.0.drain(start..end);
        }
        !lines.is_empty()
    }
}

/// The account of a line and what follows its colon; `None` for comments and lines that are broken.
pub(super) fn name_and_rest(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?.trim().trim_start_matches('\u{feff}');
    if line.starts_with('#') {
        return None;
    }
    line.split_once(':').filter(|(name, _)| !name.is_empty())
}
