//! Names of the headers between the registry and its own proxy alone. The proxy drops them from clients' requests and from
//! answers.

/// All of them begin so, and nothing else does.
pub const PREFIX: &str = "x-lockgate-";

/// A file for the proxy to send as the body: a [`Handoff`](crate::Handoff).
pub const BLOB: &str = "x-lockgate-blob";

/// Bytes that an upload has: `Range` says the same of one byte as of none.
pub const OFFSET: &str = "x-lockgate-offset";

/// The account of a request, for the access log; percent-encoded.
pub const USER: &str = "x-lockgate-user";

/// Asks whether a request would be accepted, without its body: answered 204 when it would.
pub const CHECK: &str = "x-lockgate-check";

/// Within the registry: `<status> <message>` of a request that could not be read, in the request that takes its place.
pub const REFUSED: &str = "x-lockgate-refused";
