//! What is counted about requests, under the names that CNCF distribution's debug listener has. Atomics alone, in tables
//! whose size is fixed: a label never comes from a client, least of all a repository's name.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::Method;

/// What a path is about; distribution's names of its routes, and two of our own.
const HANDLERS: [&str; 9] = [
    "base",
    "manifest",
    "tags",
    "blob",
    "blob_upload",
    "blob_upload_chunk",
    "catalog",
    "referrers",
    "other",
];
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "other"];
/// The last stands for every other one.
const CODES: [u16; 30] = [
    200, 201, 202, 204, 206, 301, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 411, 413, 415, 416, 422, 429,
    431, 500, 501, 502, 503, 507, 0,
];
/// Upper bounds in seconds, distribution's.
const BOUNDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0,
];
pub(crate) struct Metrics {
    /// By handler, method and status.
    requests: Vec<AtomicU64>,
    /// By handler and method.
    durations: Vec<Histogram>,
    /// By handler.
    in_flight: [AtomicI64; HANDLERS.len()],
}
#[derive(Default)]
struct Histogram {
    /// Each holds what is above the bound before it; the last has no bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// A request that is being answered; it counts as in flight until dropped, even when its client went away.
pub(crate) struct Measured<'a> {
    metrics: &'a Metrics,
    handler: usize,
    method: usize,
    began: Instant,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let requests = HANDLERS.len() * METHODS.len() * CODES.len();
        Self {
            requests: (0..requests).map(|_| AtomicU64::new(0)).collect(),
            durations: (0..HANDLERS.len() * METHODS.len())
                .map(|_| Histogram::default())
                .collect(),
            in_flight: Default::default(),
        }
    }

    /// A request has come in. `path` is the part after the prefix.
    pub(crate) fn begin(&self, method: &Method, path: &str) -> Measured<'_> {
        let handler = handler(path);
        self.in_flight[handler].fetch_add(1, Ordering::Relaxed);
        Measured {
            metrics: self,
            handler,
            method: method_of(method),
            began: Instant::now(),
        }
    }

    /// Every series that has counted something, in the text exposition format, version 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        head(
            &mut text,
            "registry_http_requests_total",
            "counter",
            "Requests that were answered.",
        );
        for (index, count) in self.requests.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let (code, rest) = (CODES[index % CODES.len()], index / CODES.len());
                let (handler, method) = (HANDLERS[rest / METHODS.len()], METHODS[rest % METHODS.len()]);
                text += &format!(
                    "registry_http_requests_total{{code=\"{code}\",handler=\"{handler}\",method=\"{method}\"}} {count}\n"
                );
            }
        }
        let help = "From the head of the request to the head of the answer, bodies that are pushed included.";
        head(&mut text, "registry_http_request_duration_seconds", "histogram", help);
        for (index, histogram) in self.durations.iter().enumerate() {
            let (handler, method) = (HANDLERS[index / METHODS.len()], METHODS[index % METHODS.len()]);
            histogram.write(&mut text, &format!("handler=\"{handler}\",method=\"{method}\""));
        }
        head(
            &mut text,
            "registry_http_in_flight_requests",
            "gauge",
            "Requests that are being answered.",
        );
        for (handler, count) in HANDLERS.iter().zip(&self.in_flight) {
            let count = count.load(Ordering::Relaxed);
            text += &format!("registry_http_in_flight_requests{{handler=\"{handler}\"}} {count}\n");
        }
        text
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    *text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

impl Measured<'_> {
    /// It was answered with `status`.
    pub(crate) fn answered(self, status: u16) {
        let code = CODES.iter().position(|code| *code == status).unwrap_or(CODES.len() - 1);
        let series = self.handler * METHODS.len() + self.method;
        self.metrics.requests[series * CODES.len() + code].fetch_add(1, Ordering::Relaxed);
        self.metrics.durations[series].add(self.began.elapsed());
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight[self.handler].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Histogram {
    fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, labels: &str) {
        const NAME: &str = "registry_http_request_duration_seconds";
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        if counts.iter().all(|count| *count == 0) {
            return;
        }
        let mut below = 0;
        let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            below += count;
            *text += &format!("{NAME}_bucket{{{labels},le=\"{bound}\"}} {below}\n");
        }
        let seconds = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        *text += &format!("{NAME}_sum{{{labels}}} {seconds}\n{NAME}_count{{{labels}}} {below}\n");
    }
}

fn method_of(method: &Method) -> usize {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    known
        .iter()
        .position(|known| known == method)
        .unwrap_or(METHODS.len() - 1)
}

/// An index into [`HANDLERS`]; like the router it goes by the end of the path.
fn handler(path: &str) -> usize {
    let named = |name| {
        HANDLERS
            .iter()
            .position(|known| *known == name)
            .unwrap_or(HANDLERS.len() - 1)
    };
    let Some(rest) = path.strip_prefix("/v2") else {
        return named("other");
    };
    if rest.is_empty() || rest == "/" {
        return named("base");
    }
    if rest == "/_catalog" {
        return named("catalog");
    }
    if rest.ends_with("/tags/list") {
        return named("tags");
    }
    let mut ends = rest.rsplitn(4, '/');
    match (ends.next(), ends.next(), ends.next()) {
        (Some(""), Some("uploads"), Some("blobs")) => named("blob_upload"),
        (Some(_), Some("uploads"), Some("blobs")) => named("blob_upload_chunk"),
        (Some(_), Some("blobs"), _) => named("blob"),
        (Some(_), Some("manifests"), _) => named("manifest"),
        (Some(_), Some("referrers"), _) => named("referrers"),
        _ => named("other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_counted_under_distributions_names() {
        for (path, expected) in [
            ("/v2/", "base"),
            ("/v2/_catalog", "catalog"),
            ("/v2/a/b/tags/list", "tags"),
            ("/v2/a/manifests/latest", "manifest"),
            ("/v2/a/blobs/sha256:1", "blob"),
            ("/v2/a/blobs/uploads/", "blob_upload"),
            ("/v2/a/blobs/uploads/7", "blob_upload_chunk"),
            ("/v2/a/referrers/sha256:1", "referrers"),
            ("/v2/manifests/blobs/manifests/x", "manifest"),
            ("/healthz", "other"),
            ("/v2x", "other"),
            ("", "other"),
        ] {
            assert_eq!(HANDLERS[handler(path)], expected, "{path}");
        }
    }

    #[test]
    fn what_is_counted_is_shown_and_a_request_that_was_cut_is_not_in_flight() {
        let metrics = Metrics::new();
        metrics.begin(&Method::GET, "/v2/").answered(200);
        metrics.begin(&Method::GET, "/v2/").answered(299);
        let cut = metrics.begin(&Method::PUT, "/v2/a/manifests/x");
        assert!(
            metrics
                .text()
                .contains("registry_http_in_flight_requests{handler=\"manifest\"} 1\n")
        );
        drop(cut);
        let text = metrics.text();
        for line in [
            "registry_http_requests_total{code=\"200\",handler=\"base\",method=\"get\"} 1",
            "registry_http_requests_total{code=\"0\",handler=\"base\",method=\"get\"} 1",
            "registry_http_request_duration_seconds_bucket{handler=\"base\",method=\"get\",le=\"+Inf\"} 2",
            "registry_http_request_duration_seconds_count{handler=\"base\",method=\"get\"} 2",
            "registry_http_in_flight_requests{handler=\"manifest\"} 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in:\n{text}");
        }
        assert!(
            !text.contains("manifest\",method"),
            "what never happened is not shown:\n{text}"
        );
    }
}
