//! The end of a proxy: whether it has begun, and how much time there is.

use std::time::Duration;

use crate::request::limits::{DRAIN_GRACE, LEAVE_GRACE};

/// Whether further requests are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// The proxy serves.
    No,
    /// Others serve already: what is here is finished, however long it takes.
    Leaving,
    /// The registry stops: what is here is finished within `http.draintimeout`.
    Draining,
}

impl Shutdown {
    /// How long a connection may rest before it is closed; `None` = as usual.
    pub(crate) fn grace(self) -> Option<Duration> {
        match self {
            Self::No => None,
            Self::Leaving => Some(LEAVE_GRACE),
            Self::Draining => Some(DRAIN_GRACE),
        }
    }
}
