//! Where mistakes and warnings are collected while a configuration is read.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;

/// Mistakes and warnings so far, and what relative paths are relative to.
pub(crate) struct Diagnostics {
    base: PathBuf,
    mistakes: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Diagnostic>>,
}

impl Diagnostics {
    /// `base`: the configuration file's directory, absolute.
    pub(crate) fn new(base: PathBuf) -> Self {
        Self {
            base,
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(crate) fn mistake(&self, mistake: Diagnostic) {
        self.mistakes.borrow_mut().push(mistake);
    }

    pub(crate) fn warning(&self, warning: Diagnostic) {
        self.warnings.borrow_mut().push(warning);
    }

    /// `path` as seen from the configuration file.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The mistakes, and the warnings.
    pub(crate) fn into_parts(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (self.mistakes.into_inner(), self.warnings.into_inner())
    }
}
