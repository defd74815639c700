//! What the program says by its exit code. `lockgate --help` and the guide list them.

/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// The command line makes no sense: clap's code, and that of most programs.
pub(crate) const USAGE: u8 = 2;
/// It works, and something is left for a person to do.
pub(crate) const UNDONE: u8 = 3;
/// EX_CONFIG of sysexits.h: it cannot work with this configuration, so it is not started again with it.
pub(crate) const CONFIGURATION: u8 = 78;
