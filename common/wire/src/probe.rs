//! Probes: requests that ask whether the registry works. They need no login and are beyond every limit.

/// Answered 200 with an empty body as long as the process lives.
pub const HEALTH_PATH: &str = "/healthz";

/// Answered 200 as long as the storage works.
pub const READY_PATH: &str = "/readyz";

/// Whether a request with `method` and `path` is a probe. One that had to wait for a free place would be taken for the end
/// of the process it asks about.
pub fn is_probe(method: &str, path: &str) -> bool {
    matches!(method, "GET" | "HEAD") && matches!(path, HEALTH_PATH | READY_PATH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_read_one_of_two_paths() {
        assert!(is_probe("GET", "/healthz") && is_probe("HEAD", "/readyz"));
        for (method, path) in [
            ("POST", "/healthz"),
            ("get", "/healthz"),
            ("GET", "/healthz/"),
            ("GET", "/"),
        ] {
            assert!(!is_probe(method, path), "{method} {path}");
        }
    }
}
