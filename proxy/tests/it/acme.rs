//! What an ACME server sees that verifies a host name, and what everybody else does.

use lockgate_certs::challenge::{clear, put_certificate, put_token};
use lockgate_testkit::AsyncClient;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::io::AsyncReadExt;

use crate::client::{tls, untrusting_tls};
use crate::harness::{Options, TestProxy};
use crate::scripted_registry::ok;

const ACME: &str =
    "  tls:\n    letsencrypt:\n      cachefile: acme\n      directoryurl: https://ca.lan/dir\n      hosts: [r.lan]\n";

async fn open() -> TestProxy {
    TestProxy::open_with(Options {
        tls: false,
        ..Options::http(ACME)
    })
    .await
}

#[tokio::test]
async fn http_challenges_are_answered_before_the_redirect() {
    let proxy = &open().await;
    put_token(&proxy.home.challenges(), "tok-en_1", "tok-en_1.thumb").unwrap();
    put_certificate(&proxy.home.challenges(), "r.lan", &[1; 32], None).unwrap();
    // Boxed: a client's future is large, and a test's stack is not.
    let ask = |target: &str| {
        let target = target.to_owned();
        Box::pin(async move { AsyncClient::tcp(proxy.redirect).await.get(&target).await })
    };

    let answer = ask("/.well-known/acme-challenge/tok-en_1").await;
    assert_eq!((answer.status, answer.text()), (200, "tok-en_1.thumb"));
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    for target in [
        "other",
        "",
        "r.lan.alpn.key",
        "r.lan.alpn.crt",
        "../registry.sock",
        "..%2f..%2ftls%2fregistry.key",
        "../../tls/registry.key",
        "tok-en_1?x",
        "tok-en_1/",
        "./tok-en_1",
    ] {
        let answer = ask(&format!("/.well-known/acme-challenge/{target}")).await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (404, "UNSUPPORTED"),
            "{target}"
        );
    }
    assert_eq!(ask("/v2/").await.status, 301);
    assert_eq!(ask("/.well-known/acme-challenge").await.status, 301);
    clear(&proxy.home.challenges()).unwrap();
    assert_eq!(ask("/.well-known/acme-challenge/tok-en_1").await.status, 404);

    let other = TestProxy::open().await;
    put_token(&other.home.challenges(), "tok-en_1", "x").unwrap();
    let mut plain = AsyncClient::tcp(other.redirect).await;
    assert_eq!(plain.get("/.well-known/acme-challenge/tok-en_1").await.status, 301);
}

#[tokio::test]
async fn tls_challenges_are_shown_to_those_who_ask_for_nothing_else() {
    let proxy = open().await;
    let _registry = proxy.registry(|_| ok("", ""));
    let ordinary = CertificateDer::from_pem_file(proxy.home.leaf_certificate()).unwrap();
    assert!(
        untrusting_tls(&proxy, "r.lan", &[b"acme-tls/1"]).await.is_err(),
        "no challenge is open"
    );

    let pair = put_certificate(&proxy.home.challenges(), "r.lan", &[1; 32], None).unwrap();
    let challenge = CertificateDer::from_pem_file(&pair.certificate).unwrap();
    let mut stream = untrusting_tls(&proxy, "r.lan", &[b"acme-tls/1"]).await.unwrap();
    {
        let session = stream.get_ref().1;
        assert_eq!(session.alpn_protocol(), Some(&b"acme-tls/1"[..]));
        assert_eq!(session.peer_certificates().unwrap(), [challenge]);
    }
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "closed without a word");
    assert!(untrusting_tls(&proxy, "other.lan", &[b"acme-tls/1"]).await.is_err());

    // Whoever offers more is a client, with whatever name.
    let offers: [&[&[u8]]; 3] = [&[], &[b"http/1.1"], &[b"acme-tls/1", b"http/1.1"]];
    for alpn in offers {
        let stream = untrusting_tls(&proxy, "r.lan", alpn).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.peer_certificates().unwrap()[0], ordinary);
        assert_ne!(session.alpn_protocol(), Some(&b"acme-tls/1"[..]));
        assert_eq!(AsyncClient::over(stream).get("/v2/").await.status, 200);
    }
    let trusting = tls(&proxy, "localhost", &[b"http/1.1"]).await.unwrap();
    assert_eq!(AsyncClient::over(trusting).get("/v2/").await.status, 200);

    let other = TestProxy::open().await;
    put_certificate(&other.home.challenges(), "r.lan", &[1; 32], None).unwrap();
    assert!(
        untrusting_tls(&other, "r.lan", &[b"acme-tls/1"]).await.is_err(),
        "nothing is ordered there"
    );
}
