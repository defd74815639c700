//! Headers between the registry and the own proxy alone. The proxy drops them from clients' requests and from answers.

/// The file that the registry wants streamed: `<offset> <length> <path>`; or several pieces of it, `multipart`, a
/// [`Multipart`](crate::Multipart) and the path.
pub const BLOB: &str = "x-lockgate-blob";
/// Bytes that an upload has: `Range` says the same of one byte as of none.
pub const OFFSET: &str = "x-lockgate-offset";
/// The account, for the access log; percent-encoded.
pub const USER: &str = "x-lockgate-user";
/// Asks whether a request would be accepted, without its body: answered 204 when it would.
pub const CHECK: &str = "x-lockgate-check";
