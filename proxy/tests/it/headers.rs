//! Headers on their way in and out.

use lockgate_testkit::AsyncClient;

use crate::client::request;
use crate::harness::{Options, TestProxy};
use crate::scripted_registry::{Reply, ok};

#[tokio::test]
async fn the_registry_is_told_where_a_request_comes_from() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| ok("", ""));
    let forged = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\n\
                  X-Real-IP: 6.6.6.6\r\nX-Request-Id: forged\r\nClient-Cert: x\r\nAuthorization: Basic eA==\r\n\
                  Keep-Alive: 5\r\nTE: trailers\r\nX-Hop: 1\r\nProxy-Authorization: x\r\nConnection: X-Hop, keep-alive\r\n";
    let mut http1 = proxy.http1().await;
    http1
        .send(format!("GET /v2/ HTTP/1.1\r\nHost: r.example:5043\r\n{forged}\r\n"))
        .await;
    assert_eq!(http1.answer().await.status, 200);
    let mut http2 = proxy.http2().await;
    let builder = request("/v2/")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-request-id", "forged");
    http2.request(builder.body(()).unwrap(), Default::default()).await;

    let seen = registry.seen();
    let ids: Vec<String> = seen.iter().map(|seen| seen.header("x-request-id").unwrap()).collect();
    assert!(
        ids[0] != ids[1]
            && ids
                .iter()
                .all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    );
    for (seen, host, port) in [(&seen[0], "r.example:5043", "5043"), (&seen[1], "localhost", "443")] {
        for (name, expected) in [
            ("host", host),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", host),
            ("x-forwarded-port", port),
        ] {
            assert_eq!(seen.header(name).as_deref(), Some(expected), "{name}");
        }
    }
    assert_eq!(seen[0].header("authorization").as_deref(), Some("Basic eA=="));
    for name in [
        "forwarded",
        "client-cert",
        "keep-alive",
        "te",
        "x-hop",
        "proxy-authorization",
        "upgrade",
    ] {
        assert_eq!(seen[0].header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let proxy = TestProxy::open_with(Options::http("  trustedproxies: [127.0.0.0/8]\n")).await;
    let registry = proxy.registry(|_| ok("", ""));
    let headers = "X-Forwarded-For: 6.6.6.6, 9.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: outer:81\r\n";
    proxy.http1().await.request("GET", "/v2/", headers).await;
    let seen = &registry.seen()[0];
    assert_eq!(seen.header("x-forwarded-for").as_deref(), Some("9.9.9.9"));
    assert_eq!(seen.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(seen.header("x-forwarded-host").as_deref(), Some("outer:81"));
    assert_eq!(seen.header("x-forwarded-port").as_deref(), Some("81"));
}

/// The registry makes the realm of its challenge of what it is told here: clients send passwords there.
#[tokio::test]
async fn https_that_ends_at_an_unknown_proxy_stays_https() {
    let proxy = TestProxy::open_with(Options {
        tls: false,
        ..Options::default()
    })
    .await;
    let registry = proxy.registry(|_| ok("", ""));
    let mut http1 = AsyncClient::tcp(proxy.address).await;
    for (headers, proto, port) in [
        (
            "X-Forwarded-Proto: https, http\r\nX-Forwarded-Host: evil\r\n",
            "https",
            "443",
        ),
        ("X-Forwarded-Proto: HTTPS\r\nX-Forwarded-Port: 81\r\n", "https", "443"),
        ("Forwarded: for=6.6.6.6;proto=https;host=evil\r\n", "https", "443"),
        ("X-Forwarded-Proto: http\r\n", "http", "80"),
        ("", "http", "80"),
    ] {
        assert_eq!(http1.request("GET", "/v2/", headers).await.status, 200);
        let seen = registry.seen().pop().unwrap();
        for (name, expected) in [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "localhost"),
            ("x-forwarded-proto", proto),
            ("x-forwarded-port", port),
        ] {
            assert_eq!(seen.header(name).as_deref(), Some(expected), "{name} of {headers:?}");
        }
    }
}

#[tokio::test]
async fn what_only_a_proxy_may_say_does_not_cross_from_a_client() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| ok("", ""));
    let forged = [
        "X-Forwarded-User",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Prefix",
        "X-Accel-Redirect",
        "X-Accel-Buffering",
        "X-Accel-Limit-Rate",
        "X-Lockgate-Blob",
        "X-Lockgate-User",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-Client-Cert",
        "X-Client-Certificate",
        "X-SSL-Cert",
        "X-SSL-Client-Verify",
        "X-SSL-Client-S-DN",
        "SSL-Client-Cert",
        "SSL-Client-Verify",
    ];
    let lines: String = forged.iter().map(|name| format!("{name}: forged\r\n")).collect();
    let mut http1 = proxy.http1().await;
    assert_eq!(http1.request("GET", "/v2/", &lines).await.status, 200);
    let mut builder = request("/v2/");
    for name in forged {
        builder = builder.header(name.to_lowercase(), "forged");
    }
    let mut http2 = proxy.http2().await;
    let answer = http2.request(builder.body(()).unwrap(), Default::default()).await;
    assert_eq!(answer.status, 200);
    for seen in registry.seen() {
        let crossed = seen.headers.iter().find(|(_, value)| value.contains("forged"));
        assert_eq!(crossed, None);
    }
}

/// proves: HOMELAB-06
#[tokio::test]
async fn configured_headers_are_added_to_every_answer() {
    let proxy = TestProxy::open_with(Options::http(
        "  headers:\n    X-Content-Type-Options: [nosniff]\n    X-Two: [a, b]\n",
    ))
    .await;
    let registry = proxy.registry(|_| {
        ok(
            "X-Content-Type-Options: other\r\nDocker-Distribution-Api-Version: registry/2.0\r\n",
            "",
        )
    });
    let mut http1 = proxy.http1().await;
    let answer = http1.get("/v2/").await;
    let all = |name| answer.values(name).count();
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!((all("x-content-type-options"), all("x-two")), (1, 2));
    assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    drop(registry);
    std::fs::remove_file(&proxy.socket).unwrap();
}

#[tokio::test]
async fn preflights_get_the_configured_headers() {
    let proxy = TestProxy::open_with(Options::http(
        "  headers:\n    Access-Control-Allow-Origin: ['https://ui.example']\n    Access-Control-Allow-Methods: [GET, DELETE]\n",
    ))
    .await;
    let registry = proxy.registry(|_| Reply::Raw("HTTP/1.1 204 No Content\r\n\r\n".to_owned()));
    let asked = "Origin: https://ui.example\r\nAccess-Control-Request-Method: DELETE\r\n";
    let mut http1 = proxy.http1().await;
    let first = http1.request("OPTIONS", "/v2/a/manifests/v1", asked).await;
    let mut http2 = proxy.http2().await;
    let preflight = request("/auth/token")
        .method("OPTIONS")
        .header("origin", "https://ui.example")
        .header("access-control-request-method", "POST");
    let second = http2.request(preflight.body(()).unwrap(), Default::default()).await;
    for answer in [first, second] {
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), "https://ui.example");
        assert_eq!(answer.header("access-control-allow-methods"), "GET");
    }
    for seen in registry.seen() {
        assert!(seen.target == "/v2/a/manifests/v1" || seen.target == "/auth/token");
        assert_eq!(seen.header("origin").as_deref(), Some("https://ui.example"));
        assert!(seen.header("access-control-request-method").is_some());
    }
}

#[tokio::test]
async fn other_protocols_are_not_spoken() {
    let proxy = TestProxy::open().await;
    let registry = proxy.registry(|_| ok("", ""));
    let mut http1 = proxy.http1().await;
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    assert_eq!(http1.request("GET", "/v2/", upgrade).await.status, 200);
    let websocket =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n";
    assert_eq!(http1.request("GET", "/v2/", websocket).await.status, 200);
    assert_eq!(
        http1
            .request("GET", "https://localhost/v2/absolute?n=1", "")
            .await
            .status,
        200
    );
    for seen in registry.seen() {
        assert_eq!(
            (
                seen.header("upgrade"),
                seen.header("http2-settings"),
                seen.header("connection")
            ),
            (None, None, None)
        );
    }
    assert_eq!(registry.seen()[2].target, "/v2/absolute?n=1");

    http1.send("CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n").await;
    assert_eq!(http1.answer().await.error_code(), "UNSUPPORTED");
    assert!(http1.is_closed().await);
}
