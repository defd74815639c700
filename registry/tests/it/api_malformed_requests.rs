//! Requests that cannot be read, by the registry alone: each answer says why, in the form of every error.

use std::os::unix::net::UnixStream;
use std::path::Path;

use lockgate_testkit::{Answer, client, exchange, sha256};

use crate::harness::Served;

/// The registry over TCP and at a Unix socket.
fn registries() -> [(Served, Option<std::path::PathBuf>); 2] {
    let (at_socket, path) = Served::at_unix_socket();
    [(Served::open(), None), (at_socket, Some(path))]
}

fn ask(served: &Served, socket: Option<&Path>, request: &str) -> String {
    match socket {
        Some(path) => exchange(UnixStream::connect(path).unwrap(), request),
        None => exchange(client::connect(served.address()).unwrap(), request),
    }
}

/// Fails unless `answer` is one error in the specification's form; gives its message.
#[track_caller]
fn message(answer: &str, status: u16) -> String {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let answer = Answer::of(answer);
    answer.expect_error(status, "UNSUPPORTED");
    assert_eq!(answer.header("connection"), "close", "{answer:?}");
    answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn whatever_is_refused_says_why() {
    let post = "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: r\r\n";
    for (served, socket) in registries() {
        for (request, status, why) in [
            (
                format!("GET /v2/ HTTP/1.1\r\nHost: r\r\n{}\r\n", "X: y\r\n".repeat(96)),
                431,
                "too many fields",
            ),
            (
                format!("GET /v2/ HTTP/1.1\r\nHost: r\r\n{}\r\n", "X: y\r\n".repeat(199)),
                431,
                "too many fields",
            ),
            (
                format!("GET /v2/ HTTP/1.1\r\nHost: r\r\nX: {}\r\n\r\n", "y".repeat(200_000)),
                431,
                "96 KiB",
            ),
            (
                format!("GET /v2/{} HTTP/1.1\r\nHost: r\r\n\r\n", "a".repeat(20_000)),
                414,
                "16 KiB",
            ),
            (format!("GET /v2/{}", "a".repeat(200_000)), 414, "16 KiB"),
            ("GET ?x HTTP/1.1\r\nHost: r\r\n\r\n".to_owned(), 400, "target"),
            ("GET /v2/<a> HTTP/1.1\r\nHost: r\r\n\r\n".to_owned(), 400, "target"),
            ("GET /v2/\u{e9} HTTP/1.1\r\nHost: r\r\n\r\n".to_owned(), 400, "target"),
            ("G%T /v2/ HTTP/1.1\r\nHost: r\r\n\r\n".to_owned(), 400, "method"),
            ("GET /v2/ HTTP/1.1\r\n\r\n".to_owned(), 400, "Host"),
            (
                "GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
                400,
                "Host",
            ),
            ("GET /v2/ HTTP/3\r\n\r\n".to_owned(), 400, "HTTP/1.1"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400, "HTTP/1.1"),
            ("\u{16}\u{3}\u{1}\0\u{5}\u{1}\0".to_owned(), 400, "TLS"),
            (
                "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
                405,
                "forward proxy",
            ),
            (
                "- * HTTP/1.1\r\nHost: r\r\nX-Lockgate-Refused: 200 fine\r\n\r\n".to_owned(),
                400,
                "method",
            ),
            (format!("{post}Content-Length: x\r\n\r\n"), 400, "Content-Length"),
            (
                format!("{post}Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
                400,
                "more than once",
            ),
            (format!("{post}Transfer-Encoding: gzip\r\n\r\n"), 400, "chunked"),
            (format!("{post}Bad Name: y\r\n\r\n"), 400, "name"),
            (format!("{post}X: a\0b\r\n\r\n"), 400, "value"),
        ] {
            let answer = ask(&served, socket.as_deref(), &request);
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:.80}: {answer}");
            let message = message(&answer, status);
            assert!(message.contains(why), "{request:.80}: {message}");
        }
        // As many fields as are taken.
        let fields = "X: y\r\n".repeat(94);
        let answer = ask(
            &served,
            socket.as_deref(),
            &format!("GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n{fields}\r\n"),
        );
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[test]
fn what_came_before_is_answered_first() {
    let get = "GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n";
    for (served, socket) in registries() {
        let answer = ask(
            &served,
            socket.as_deref(),
            &format!("{get}{get}GET /v2/ HTTP/1.1\r\n\r\n{get}"),
        );
        let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, ["200", "200", "400"], "{answer}");
    }
}

/// Every nginx without `proxy_http_version` sends it so.
#[test]
fn a_post_of_http_1_0_without_a_length_has_an_empty_body() {
    for (served, socket) in registries() {
        for head in [
            "",
            "Host: r\r\n",
            "Host: r\r\nConnection: close\r\n",
            "Host: r\r\nContent-Length: 0\r\n",
        ] {
            let request = format!("POST /v2/a/blobs/uploads/ HTTP/1.0\r\n{head}\r\n");
            let answer = ask(&served, socket.as_deref(), &request);
            assert!(
                answer.starts_with("HTTP/1.0 202 ") || answer.starts_with("HTTP/1.1 202 "),
                "{answer}"
            );
            assert!(answer.contains("location: /v2/a/blobs/uploads/"), "{answer}");
        }
        // And the length that is said counts.
        let digest = sha256(b"content");
        let request = format!("POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.0\r\nContent-Length: 7\r\n\r\ncontent");
        let answer = ask(&served, socket.as_deref(), &request);
        assert!(answer.contains(" 201 Created"), "{answer}");
    }
}

#[test]
fn a_body_that_cannot_be_read_is_cut_and_says_so() {
    for (served, socket) in registries() {
        for chunks in [
            "x\r\n",
            "5\r\nhello\r\n0x0\r\n\r\n",
            "5\r\nhello!\r\n0\r\n\r\n",
            "-1\r\n",
            "ffffffffffffffffff\r\n",
        ] {
            let begun = ask(
                &served,
                socket.as_deref(),
                "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n",
            );
            let begun = Answer::of(&begun);
            let location = begun.location();
            let patch = format!("PATCH {location} HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            let answer = ask(&served, socket.as_deref(), &patch);
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{chunks}: {answer}");
            let answer = Answer::of(&answer);
            answer.expect_error(400, "BLOB_UPLOAD_INVALID");
            let json = answer.json();
            let message = json["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains("chunk"), "{answer:?}");
        }
    }
}
