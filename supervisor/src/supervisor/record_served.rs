//! Keeps in the home what this instance serves with, for the next start to compare.

use super::state::Supervisor;
use crate::setup::home_record::ServedRecord;

impl Supervisor {
    pub(super) fn record_served(&self) {
        let record = ServedRecord::new(&self.config, self.source.path());
        if let Err(error) = record.keep(&self.home) {
            tracing::warn!("the next start cannot tell what this one served with: {error}");
        }
    }
}
