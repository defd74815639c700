//! What the proxy answers itself: files, the authority's certificate, redirects.

use lockgate_testkit::AsyncClient;

use crate::harness::{Options, TestProxy};
use crate::scripted_registry::ok;

/// proves: MAKINA-17
#[tokio::test]
async fn files_of_the_docroot_are_served_beside_the_registry() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    std::fs::create_dir_all(root.join("v2")).unwrap();
    std::fs::write(root.join("index.html"), "<h1>hello</h1>").unwrap();
    std::fs::write(root.join("v2/index.html"), "hidden by the registry").unwrap();
    std::fs::write(root.join("healthz"), "hidden by the registry").unwrap();
    std::fs::write(root.join("large.bin"), vec![5; 300_000]).unwrap();
    std::fs::write(place.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
    let proxy = TestProxy::open_with(Options::http(&format!("  docroot: {}\n", root.display()))).await;
    let _registry = proxy.registry(|_| ok("", "registry"));
    let (mut http1, mut http2) = (proxy.http1().await, proxy.http2().await);

    let page = http1.get("/").await;
    assert_eq!((page.status, page.text()), (200, "<h1>hello</h1>"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let etag = page.header("etag").to_owned();
    let known = http1
        .request("GET", "/index.html", &format!("If-None-Match: {etag}\r\n"))
        .await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let modified = page.header("last-modified").to_owned();
    assert_eq!(
        http1
            .request("GET", "/", &format!("If-Modified-Since: {modified}\r\n"))
            .await
            .status,
        304
    );
    let head = http1.request("HEAD", "/large.bin", "").await;
    assert_eq!((head.status, head.header("content-length")), (200, "300000"));
    assert_eq!(http2.get("/large.bin").await.body, vec![5; 300_000]);
    assert_eq!(http2.get("/").await.text(), "<h1>hello</h1>");

    for target in [
        "/v2/",
        "/v2/index.html",
        "/healthz",
        "/missing",
        "/link",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/../secret",
    ] {
        assert_eq!(http1.get(target).await.text(), "registry", "{target}");
    }
    assert_eq!(http1.request("DELETE", "/index.html", "").await.text(), "registry");
}

/// proves: TRUST-07
#[tokio::test]
async fn the_authoritys_certificate_can_be_fetched() {
    let proxy = TestProxy::open().await;
    let (mut http1, mut http2) = (proxy.http1().await, proxy.http2().await);
    for answer in [http1.get("/lockgate/ca.crt").await, http2.get("/lockgate/ca.crt").await] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), proxy.authority.certificate_pem());
        assert_eq!(answer.header("content-type"), "application/x-pem-file");
    }
}

/// proves: MAKINA-11
#[tokio::test]
async fn the_plain_entrance_redirects_to_https() {
    let proxy = TestProxy::open().await;
    let mut http1 = AsyncClient::tcp(proxy.redirect).await;
    http1.send("GET /v2/a?n=1 HTTP/1.1\r\nHost: r.example:80\r\n\r\n").await;
    let answer = http1.answer().await;
    let expected = format!("https://r.example:{}/v2/a?n=1", proxy.address.port());
    assert_eq!((answer.status, answer.header("location")), (301, expected.as_str()));
    assert!(http1.is_closed().await);

    let proxy = TestProxy::open_with(Options::http("  host: https://public.example\n")).await;
    let mut http1 = AsyncClient::tcp(proxy.redirect).await;
    assert_eq!(http1.get("/v2/").await.header("location"), "https://public.example/v2/");
    let mut http1 = AsyncClient::tcp(proxy.redirect).await;
    http1.send("GET / HTTP/1.1\nHost: a\n\n").await;
    assert_eq!(http1.head().await.status, 400);
}
