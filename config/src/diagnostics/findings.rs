//! Where mistakes and warnings are collected while a configuration is read.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::mistake::Mistake;

/// Mistakes and warnings so far, and what relative paths are relative to.
pub(crate) struct Findings {
    base: PathBuf,
    mistakes: RefCell<Vec<Mistake>>,
    warnings: RefCell<Vec<Mistake>>,
}

impl Findings {
    /// `base`: the configuration file's directory, absolute.
    pub(crate) fn new(base: PathBuf) -> Self {
        Self {
            base,
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(crate) fn mistake(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    pub(crate) fn warning(&self, warning: Mistake) {
        self.warnings.borrow_mut().push(warning);
    }

    /// `path` as seen from the configuration file.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// Mistakes, warnings.
    pub(crate) fn into_parts(self) -> (Vec<Mistake>, Vec<Mistake>) {
        (self.mistakes.into_inner(), self.warnings.into_inner())
    }
}
