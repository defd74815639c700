//! What comes out for what goes in, however it arrives.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// All that is read of `sent`, which arrives in pieces of `size` bytes and ends then.
fn read(sent: &str, size: usize) -> String {
    runtime().block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut connection = Connection::new(server);
        let mut read = Vec::new();
        for piece in sent.as_bytes().chunks(size) {
            client.write_all(piece).await.unwrap();
            read_what_there_is(&mut connection, &mut read).await;
        }
        drop(client);
        read_what_there_is(&mut connection, &mut read).await;
        String::from_utf8(read).unwrap()
    })
}

async fn read_what_there_is(connection: &mut Connection<DuplexStream>, into: &mut Vec<u8>) {
    let mut bytes = [0; 100];
    // Nothing takes time here: what is pending now waits for more.
    while let Ok(Ok(length @ 1..)) = tokio::time::timeout(Duration::ZERO, connection.read(&mut bytes)).await {
        into.extend_from_slice(&bytes[..length]);
    }
}

#[track_caller]
fn check(sent: &str, expected: &str) {
    for size in [1, 2, 7, 64, 10_000] {
        assert_eq!(read(sent, size), expected, "in pieces of {size}");
    }
}

const REFUSED: &str = "- * HTTP/1.1\r\nhost: -\r\nconnection: close\r\nx-lockgate-refused: ";

#[test]
fn what_can_be_read_passes_as_it_is() {
    let get = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";
    let put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nGET / HTTP/9\r\n\r\n....";
    let patch = "PATCH / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5\r\nab\r\nc\r\nA;x=y\r\n0\r\n\r\n56789\r\n0\r\nTrailer: x\r\nY: z\r\n\r\n";
    let post = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check(
        &[get, put, patch, post, patch, put, get].concat(),
        &[get, put, patch, post, patch, put, get].concat(),
    );
    check(&format!("\r\n\r\n{get}"), &format!("\r\n\r\n{get}"));
    check(
        "GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\nany\r\n\r\nthing",
        "GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\nany\r\n\r\nthing",
    );
}

#[test]
fn an_empty_body_is_said_to_be_empty_where_http_1_0_says_nothing() {
    check(
        "POST / HTTP/1.0\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\ncontent-length: 0\r\n\r\n",
    );
    check("POST / HTTP/1.0\n\n", "POST / HTTP/1.0\ncontent-length: 0\r\n\r\n");
}

#[test]
fn what_cannot_be_read_is_replaced_when_its_turn_comes() {
    let get = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";
    let reason = "400 a request names its host in one Host field\r\n\r\n";
    let broken = "GET / HTTP/1.1\r\n\r\n";
    check(&format!("{broken}{get}"), &format!("{REFUSED}{reason}"));
    check(&format!("{get}{broken}{get}"), &format!("{get}{REFUSED}{reason}"));
    let put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    check(&format!("{put}{broken}"), &format!("{put}{REFUSED}{reason}"));
}

#[test]
fn after_a_broken_chunk_nothing_is_read_as_a_request() {
    let head = "PATCH / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunk in [
        "x",
        "0x0\r\n",
        "\r\n",
        "-1\r\n",
        "5\n",
        "5\rx",
        "1\r\nab\r\n",
        "1\r\na\n",
        "fffffffffffffffff\r\n",
        "0\r\n\n",
    ] {
        let sent = format!("{head}{chunk}\r\n\r\n- * HTTP/1.1\r\nHost: a\r\nX-Lockgate-Refused: 200 x\r\n\r\n");
        for size in [1, 10_000] {
            let read = read(&sent, size);
            assert!(sent.starts_with(&read) && read.starts_with(head), "{read:?}");
            assert!(read.len() <= head.len() + chunk.len(), "{read:?}");
        }
    }
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    runtime().block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut connection = Connection::new(server);
        let began = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut bytes = vec![0; 1000];
        let length = connection.read(&mut bytes).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
        assert!(bytes[..length].starts_with(format!("{REFUSED}408 ").as_bytes()));

        let (_silent, server) = tokio::io::duplex(1 << 20);
        let began = Instant::now();
        assert_eq!(Connection::new(server).read(&mut bytes).await.unwrap(), 0);
        assert_eq!(began.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());

        // Between requests a connection rests as long as keep-alive says.
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut connection = Connection::new(server);
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert_eq!(connection.read(&mut bytes).await.unwrap(), 18);
        let rest = tokio::time::timeout(2 * HEAD_TIMEOUT, connection.read(&mut bytes));
        assert!(rest.await.is_err());
    });
}

#[test]
fn what_a_refused_client_still_sends_is_read_for_a_while() {
    runtime().block_on(async {
        // More than fits at once.
        let (mut client, server) = tokio::io::duplex(16);
        let mut connection = Connection::new(server);
        let sending = tokio::spawn(async move {
            let sent = client.write_all(&[b'\n'; 10_000]).await;
            (client, sent)
        });
        let mut bytes = vec![0; 1000];
        connection.refuse(Refusal::TOO_SLOW);
        assert!(connection.read(&mut bytes).await.unwrap() > 0);
        let began = Instant::now();
        connection.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), LINGER_TIMEOUT);
        assert!(sending.await.unwrap().1.is_ok());
    });
}

proptest! {
    /// Whatever comes in whatever pieces, it comes out alike.
    #[test]
    fn pieces_make_no_difference(
        parts in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\n", "abcde", "\r\n", "0\r\n\r\n", "0\r\n",
            "a", ";x", "POST / HTTP/1.0\r\n\r\n", "X: y\r\n\r\n", "\r", "\n",
        ]), 0..12),
        size in 1usize..40,
    ) {
        let sent = parts.concat();
        prop_assert_eq!(read(&sent, size), read(&sent, 100_000));
    }
}
