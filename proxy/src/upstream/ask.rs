//! Requests that the proxy sends by itself, with the fields of a client's request.

use std::io::{self, ErrorKind};

use bytes::BytesMut;
use http::{HeaderName, HeaderValue, StatusCode, header};
use lockgate_wire::headers::CHECK;
use pingora::http::RequestHeader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout_at};

use crate::upstream::connect::Upstream;
use crate::upstream::limits::MAX_CONNECT_BACKOFF;

/// Bytes of an answer's head, and of its body, at most.
const MAX_RESPONSE_SIZE: usize = 64 * 1024;

/// Fields of an answer; the registry sends fewer than thirty, and those of `http.headers`.
const MAX_RESPONSE_FIELDS: usize = 128;

/// Fields that belong to one sending of a body.
const BODY_FIELDS: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::EXPECT,
];

/// The registry's whole answer to such a request.
#[derive(Debug)]
pub(crate) struct UpstreamResponse {
    pub(crate) status: StatusCode,
    /// With those that frame the body.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: BytesMut,
}

impl UpstreamResponse {
    /// The first value of `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header.as_str() == name)?;
        value.to_str().ok()
    }
}

/// Whether the registry would take the body of `request`; its refusal when it would not. The body waits meanwhile, as after
/// `Expect: 100-continue` (RFC 9110 section 10.1.1).
pub(crate) async fn accepts_body(
    upstream: &Upstream,
    request: &RequestHeader,
    deadline: Instant,
) -> io::Result<Result<(), UpstreamResponse>> {
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let line = format!("{} {target}", request.method);
    let check = format!("{CHECK}: head\r\n");
    let answer = retry_until(deadline, || ask(upstream, request, &line, &check, b"")).await?;
    Ok(match answer.status {
        status if status.is_success() => Ok(()),
        _ => Err(answer),
    })
}

/// Tries until `deadline`, since the registry may go away once more; an error of another kind is final.
pub(crate) async fn retry_until<T, F: Future<Output = io::Result<T>>>(
    deadline: Instant,
    attempt: impl Fn() -> F,
) -> io::Result<T> {
    loop {
        match timeout_at(deadline, attempt()).await? {
            Err(error) if error.kind() != ErrorKind::Other && Instant::now() < deadline => {
                tracing::debug!(%error, "the registry went away, asking it again");
                sleep(MAX_CONNECT_BACKOFF).await;
            }
            ended => return ended,
        }
    }
}

/// One request: `line` is its method and target, `fields` are added to those of `request`.
pub(crate) async fn ask(
    upstream: &Upstream,
    request: &RequestHeader,
    line: &str,
    fields: &str,
    body: &[u8],
) -> io::Result<UpstreamResponse> {
    let mut stream = UnixStream::connect(upstream.path()).await?;
    let mut head = format!("{line} HTTP/1.1\r\n").into_bytes();
    for (name, value) in &request.headers {
        if !BODY_FIELDS.contains(name) && name != header::CONNECTION {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
    }
    head.extend_from_slice(format!("{fields}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).as_bytes());
    stream.write_all(&head).await?;
    stream.write_all(body).await?;
    read(&mut stream).await
}

async fn read(stream: &mut UnixStream) -> io::Result<UpstreamResponse> {
    let mut bytes = Vec::with_capacity(1024);
    let end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        more(stream, &mut bytes).await?;
    };
    let mut answer =
        parse(&bytes[..end]).ok_or_else(|| io::Error::other("the registry's answer cannot be read".to_owned()))?;
    let length = answer
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok())
        .filter(|_| answer.status != StatusCode::NO_CONTENT)
        .unwrap_or(0);
    while bytes.len() - end < length {
        more(stream, &mut bytes).await?;
    }
    answer.body = BytesMut::from(&bytes[end..end + length]);
    Ok(answer)
}

async fn more(stream: &mut UnixStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    if bytes.len() > 2 * MAX_RESPONSE_SIZE || stream.read_buf(bytes).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn parse(head: &[u8]) -> Option<UpstreamResponse> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_RESPONSE_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(head).ok()?;
    let fields = response.headers.iter();
    let headers = fields.map(|field| Some((field.name.parse().ok()?, HeaderValue::from_bytes(field.value).ok()?)));
    Some(UpstreamResponse {
        status: StatusCode::from_u16(response.code?).ok()?,
        headers: headers.collect::<Option<_>>()?,
        body: BytesMut::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let head = b"HTTP/1.1 204 No Content\r\nrange: 0-0\r\nX-Lockgate-Offset: 1\r\nX: y: z\r\n\r\n";
        let answer = parse(head).unwrap();
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(
            (answer.header("x-lockgate-offset"), answer.header("x")),
            (Some("1"), Some("y: z"))
        );
        assert_eq!(
            parse(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap().status,
            StatusCode::NOT_FOUND
        );
        assert!(parse(b"nonsense\r\n\r\n").is_none());
    }

    #[tokio::test]
    async fn a_body_is_read_with_its_head() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nhel")
            .await
            .unwrap();
        let reading = tokio::spawn(async move { read(&mut near).await });
        far.write_all(b"lo").await.unwrap();
        let answer = reading.await.unwrap().unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (401, &b"hello"[..]));
    }
}
