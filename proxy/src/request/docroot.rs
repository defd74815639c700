//! Files served beside the registry, from `http.docroot`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use lockgate_files::BufferPool;
use percent_encoding::percent_decode_str;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

use crate::blob::file_body::FileBody;
use crate::blob::root_dir::{OpenFile, RootDir};
use crate::request::context::RequestContext;
use crate::request::settings::ProxySettings;

#[derive(Debug)]
struct StaticFile {
    opened: OpenFile,
    media_type: &'static str,
}

/// Answers with the file that `session` asks for. Returns whether there is one: else the registry answers.
pub(crate) async fn answer(session: &mut Session, request: &RequestContext, buffers: &BufferPool) -> Result<bool> {
    let Some(file) = find(session, &request.settings) else {
        return Ok(false);
    };
    file.send(session, &request.settings, buffers).await?;
    Ok(true)
}

fn find(session: &Session, settings: &ProxySettings) -> Option<StaticFile> {
    let root = settings.docroot.as_deref()?;
    let request = session.req_header();
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.uri.path();
    if settings.is_reserved(path) {
        return None;
    }
    open(root, path)
}

fn open(root: &RootDir, path: &str) -> Option<StaticFile> {
    let mut relative = relative(path)?;
    if path.ends_with('/') {
        relative.push("index.html");
    }
    let opened = root.open(&relative).ok()?;
    Some(StaticFile {
        opened,
        media_type: media_type(&relative),
    })
}

/// The path below the docroot. Hidden files are not served.
fn relative(path: &str) -> Option<PathBuf> {
    let decoded = decode(path)?;
    let mut relative = PathBuf::new();
    for part in decoded.split('/').filter(|part| !part.is_empty()) {
        if part.starts_with('.') || part.contains('\0') {
            return None;
        }
        relative.push(part);
    }
    Some(relative)
}

/// Undoes percent-encoding; `None` where that is malformed, or hides a slash: it would name another file than the path of
/// the client does.
fn decode(path: &str) -> Option<String> {
    let escapes = path.split('%').skip(1);
    let is_well_formed = escapes.clone().all(|escape| {
        let digits = escape.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let hides_slash = escapes
        .clone()
        .any(|escape| escape.starts_with("2f") || escape.starts_with("2F"));
    if !is_well_formed || hides_slash {
        return None;
    }
    percent_decode_str(path).decode_utf8().ok().map(Cow::into_owned)
}

impl StaticFile {
    /// Sends the file, or 304 when the client has it.
    async fn send(self, session: &mut Session, settings: &ProxySettings, buffers: &BufferPool) -> Result<()> {
        let (seconds, nanoseconds) = self.opened.modified;
        let etag = format!("\"{:x}-{seconds:x}{nanoseconds:08x}\"", self.opened.size);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let is_known = is_known(session, &etag, modified);
        let status = if is_known {
            StatusCode::NOT_MODIFIED
        } else {
            StatusCode::OK
        };
        let mut header = ResponseHeader::build(status, Some(8))?;
        header.insert_header("ETag", etag)?;
        header.insert_header("Last-Modified", httpdate::fmt_http_date(modified))?;
        header.insert_header("X-Content-Type-Options", "nosniff")?;
        settings.add_headers(&mut header)?;
        if !is_known {
            header.insert_header("Content-Type", self.media_type)?;
            header.insert_header("Content-Length", self.opened.size)?;
        }
        let has_body = !is_known && self.opened.size > 0 && session.req_header().method == Method::GET;
        session.write_response_header(Box::new(header), !has_body).await?;
        if has_body {
            FileBody::whole(self.opened).send(session, buffers).await
        } else {
            session.write_response_body(None, true).await
        }
    }
}

/// RFC 9110 section 13.2.2: If-None-Match wins over If-Modified-Since.
fn is_known(session: &Session, etag: &str, modified: SystemTime) -> bool {
    let header = |name: &str| session.get_header(name).and_then(|value| value.to_str().ok());
    match header("if-none-match") {
        Some(known) => known
            .split(',')
            .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == etag),
        None => header("if-modified-since")
            .and_then(|since| httpdate::parse_http_date(since).ok())
            .is_some_and(|since| modified <= since),
    }
}

fn media_type(path: &Path) -> &'static str {
    match path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
    {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "txt" | "md" | "sh" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "pem" | "crt" => "application/x-pem-file",
        "gz" | "tgz" => "application/gzip",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn paths_are_found_below_the_docroot_only() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("root/sub dir")).unwrap();
        fs::write(place.path().join("secret"), "secret").unwrap();
        fs::write(place.path().join("root/index.html"), "index").unwrap();
        fs::write(place.path().join("root/.htpasswd"), "secret").unwrap();
        fs::write(place.path().join("root/sub dir/a.css"), "a").unwrap();
        let root = RootDir::new(place.path().join("root"));
        assert_eq!(open(&root, "/").unwrap().media_type, "text/html; charset=utf-8");
        assert_eq!(
            open(&root, "/sub%20dir/a.css").unwrap().media_type,
            "text/css; charset=utf-8"
        );
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/sub%20dir/..%2f..%2fsecret",
            "/.htpasswd",
            "/sub%20dir",
            "/sub%20dir/",
            "/%00",
            "/%",
        ] {
            assert!(open(&root, path).is_none(), "{path}");
        }
    }
}
