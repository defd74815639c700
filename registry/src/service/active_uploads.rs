//! Which uploads each account has begun and not ended, and when each was last used. What an earlier process knew is
//! forgotten: its uploads are left to the purge.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::oci::RepositoryName;
use crate::storage::UploadId;

/// An account; `None` is everybody without one.
type AccountKey = Option<String>;

/// Uploads that are under way.
#[derive(Default)]
pub(super) struct ActiveUploads(Mutex<Table>);

#[derive(Default)]
struct Table {
    uploads: HashMap<UploadId, ActiveUpload>,
    /// By their last use, the earliest first.
    accounts: HashMap<AccountKey, BTreeMap<u64, UploadId>>,
    clock: u64,
}

struct ActiveUpload {
    account: AccountKey,
    repository: RepositoryName,
    last_used: u64,
}

impl ActiveUploads {
    /// Notes that `account` has begun `id`.
    pub(super) fn add(&self, account: Option<&str>, repository: &RepositoryName, id: &UploadId) {
        let mut table = self.table();
        table.clock += 1;
        let begun = ActiveUpload {
            account: account.map(str::to_owned),
            repository: repository.clone(),
            last_used: table.clock,
        };
        table.list(&begun, id);
        table.uploads.insert(id.clone(), begun);
    }

    /// Notes that `id` is in use, or was until now.
    pub(super) fn touch(&self, id: &UploadId) {
        let mut table = self.table();
        if let Some(mut begun) = table.take(id) {
            table.clock += 1;
            begun.last_used = table.clock;
            table.list(&begun, id);
            table.uploads.insert(id.clone(), begun);
        }
    }

    /// Forgets `id`, which has ended.
    pub(super) fn remove(&self, id: &UploadId) {
        self.table().take(id);
    }

    /// The upload of `account` that was idle longest, when it has more than `most`.
    pub(super) fn idle_longest_beyond(&self, account: Option<&str>, most: usize) -> Option<(RepositoryName, UploadId)> {
        let table = self.table();
        let uploads = table.accounts.get(&account.map(str::to_owned))?;
        let (_, id) = uploads.first_key_value().filter(|_| uploads.len() > most)?;
        Some((table.uploads.get(id)?.repository.clone(), id.clone()))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn list(&mut self, begun: &ActiveUpload, id: &UploadId) {
        let uploads = self.accounts.entry(begun.account.clone()).or_default();
        uploads.insert(begun.last_used, id.clone());
    }

    fn take(&mut self, id: &UploadId) -> Option<ActiveUpload> {
        let begun = self.uploads.remove(id)?;
        if let Some(uploads) = self.accounts.get_mut(&begun.account) {
            uploads.remove(&begun.last_used);
            if uploads.is_empty() {
                self.accounts.remove(&begun.account);
            }
        }
        Some(begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_idle_longest_is_beyond_the_bound() {
        let begun = ActiveUploads::default();
        let repository: RepositoryName = "a".parse().unwrap();
        let ids: Vec<_> = (0..3).map(|_| UploadId::random()).collect();
        for id in &ids {
            begun.add(Some("x"), &repository, id);
        }
        let beyond = |most| begun.idle_longest_beyond(Some("x"), most).map(|(_, id)| id);
        assert_eq!(beyond(3), None);
        assert_eq!(beyond(2).as_ref(), Some(&ids[0]));
        begun.touch(&ids[0]);
        assert_eq!(beyond(2).as_ref(), Some(&ids[1]));
        begun.remove(&ids[1]);
        begun.touch(&ids[1]);
        assert_eq!(beyond(2), None);
        assert_eq!(beyond(1).as_ref(), Some(&ids[2]));
        assert!(begun.idle_longest_beyond(None, 0).is_none(), "each account has its own");
        for id in &ids {
            begun.remove(id);
        }
        let table = begun.table();
        assert!(table.uploads.is_empty() && table.accounts.is_empty());
    }
}
