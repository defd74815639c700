//! Why nothing was issued.

use super::subject::SubjectError;
use crate::x509::load::LoadError;

/// A certificate that was not issued, and why.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A field of the subject.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// A leaf without a name: no client would accept it.
    #[error("a certificate needs at least one host name or address")]
    NoNames,
    /// The lifetime that was asked for is out of bounds.
    #[error("a certificate cannot be valid for {days} days; expected 1 to {most}")]
    Days {
        /// The days that were asked for.
        days: u32,
        /// The most that can be asked for.
        most: u32,
    },
    /// The authority cannot be read from its files.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The certificate is no authority's.
    #[error(
        "{path}: is not the certificate of an authority (basicConstraints lacks CA:TRUE); nothing can be issued with it"
    )]
    NotAnAuthority {
        /// The file that was to be the authority's certificate.
        path: std::path::PathBuf,
    },
    /// The authority is not valid any more; leaves would be useless.
    #[error("the authority's certificate has expired; make a new one and let the clients trust it")]
    AuthorityExpired,
    /// The authority's name has a form that cannot be written into a leaf unchanged.
    #[error(
        "the authority's name ({name}) holds several values of one kind, which cannot be issued with; make another authority"
    )]
    AuthorityName {
        /// The authority's subject.
        name: String,
    },
    /// The generator or the signature failed.
    #[error("cannot generate: {0}")]
    Generate(#[from] rcgen::Error),
    /// No randomness for the serial number.
    #[error("cannot generate: the system gave no random bytes")]
    Random,
}
