//! The access log, and what must be in no log at all.

use std::io;
use std::sync::{Mutex, Once};

use lockgate_testkit::{AsyncClient, eventually_async};
use serde_json::Value;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::harness::{Options, TestProxy};
use crate::scripted_registry::ok;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Logs of all tests, everything that the proxy says, as JSON lines.
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Called by every test that opens a proxy.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let kept = tracing_subscriber::fmt::layer().json().with_writer(|| Lines);
        let kept = kept.with_filter("access=info,lockgate_proxy=trace".parse::<Targets>().unwrap());
        let shown = tracing_subscriber::fmt::layer().with_test_writer();
        // What RUST_LOG says: nothing, unless it says something.
        let wanted = std::env::var("RUST_LOG").unwrap_or_default();
        let shown = shown.with_filter(wanted.parse::<Targets>().unwrap_or_default());
        tracing_subscriber::registry().with(kept).with(shown).init();
    });
}

/// The lines about `path`, of the access log alone; waits for the first.
async fn access(path: &str) -> Vec<Value> {
    let lines = async || {
        let text = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<Value> = lines
            .filter(|line| line["target"] == "access" && line["fields"]["path"] == path)
            .collect();
        Some(lines).filter(|lines| !lines.is_empty())
    };
    eventually_async(&format!("a line about {path}"), lines).await
}

/// proves: MAKINA-08
#[tokio::test]
async fn each_request_is_one_line_without_secrets() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| ok("X-Lockgate-User: jo%20hn\r\n", "twelve bytes"));
    let secrets = "Authorization: Basic c2VjcmV0\r\nCookie: secret-cookie\r\n";
    let mut http1 = proxy.http1().await;
    http1
        .request("GET", "/v2/access/log?password=secret-query", secrets)
        .await;
    proxy.http2().await.get("/v2/access/h2").await;

    let lines = access("/v2/access/log").await;
    assert_eq!(lines.len(), 1);
    let fields = &lines[0]["fields"];
    for (name, expected) in [
        ("message", "GET /v2/access/log 200"),
        ("user", "jo hn"),
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("protocol", "HTTP/1.1"),
        (
            "request_id",
            registry.seen()[0].header("x-request-id").unwrap().as_str(),
        ),
    ] {
        assert_eq!(fields[name], expected, "{name}");
    }
    assert_eq!((&fields["status"], &fields["bytes"]), (&200.into(), &12.into()));
    assert!(fields["duration_ms"].as_f64().unwrap() < 10_000.0);
    assert_eq!(access("/v2/access/h2").await[0]["fields"]["protocol"], "HTTP/2.0");

    let log = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    for secret in ["c2VjcmV0", "secret-cookie", "secret-query"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn bodies_of_hand_offs_are_counted_and_failures_have_their_line() {
    let proxy = TestProxy::open_with(Options::http("  limits:\n    backendwait: 100ms\n")).await;
    assert_eq!(proxy.http1().await.get("/v2/access/away").await.status, 503);
    let _registry = proxy.registry(|_| ok("X-Lockgate-Blob: 0 70000 big\r\n", ""));
    proxy.write_blob("big", &[0; 70_000]);
    proxy.http1().await.get("/v2/access/blob").await;
    assert_eq!(access("/v2/access/away").await[0]["fields"]["status"], 503);
    assert_eq!(access("/v2/access/blob").await[0]["fields"]["bytes"], 70_000);
}

#[tokio::test]
async fn what_the_registry_never_saw_has_its_line_too() {
    let proxy = TestProxy::open().await;
    let mut http1 = AsyncClient::tcp(proxy.redirect).await;
    assert_eq!(http1.get("/access/redirected?secret=1").await.status, 301);
    let line = &access("/access/redirected").await[0]["fields"];
    assert_eq!((&line["status"], &line["method"]), (&301.into(), &"GET".into()));
    let mut http1 = proxy.http1().await;
    http1.send("GET / HTTP/1.1\nHost: a\n\n").await;
    assert_eq!(http1.head().await.status, 400);
    assert!(access("-").await.iter().any(|line| line["fields"]["status"] == 400));
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let top = "log:\n  accesslog:\n    disabled: true\n".to_owned();
    let proxy = TestProxy::open_with(Options {
        top,
        ..Options::default()
    })
    .await;
    let _registry = proxy.registry(|_| ok("", ""));
    proxy.http1().await.get("/v2/access/off").await;
    let loud = TestProxy::open().await;
    let _registry = loud.registry(|_| ok("", ""));
    loud.http1().await.get("/v2/access/on").await;
    access("/v2/access/on").await;
    assert!(!String::from_utf8_lossy(&LINES.lock().unwrap()).contains("GET /v2/access/off"));
}
