//! A certificate in plain words: what it is, for whom, how long, and what will fail with it.

mod description;
mod kind;
mod problem;

pub use description::{Description, file};
pub use kind::CertificateKind;
pub use problem::Problem;
