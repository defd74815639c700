//! Certificates: an authority of one's own, leaves, loading, reload, and how clients come to trust them.
//!
//! Absent on purpose: configuration, HTTP, sockets.
