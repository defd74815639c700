//! An error as an answer. Which error gets which status and code: `error_map`.
//!
//! What the log says is another thing: a cause inside (paths, system errors) is logged here, once, and the client is told
//! what it can act on.

use actix_web::HttpResponse;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_RANGE, HeaderName, HeaderValue, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use lockgate_admission::Overloaded;
use serde_json::{Value, json};

use super::code::Code;
use crate::auth::{AuthError, AuthErrorKind, ChallengeError, Scope};
use crate::oci::range::MAX_RANGES;

/// Characters of a message at most.
const MESSAGE_LENGTH: usize = 1000;

/// An error as the client sees it: OCI distribution specification, "Error Codes".
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    entries: Vec<Entry>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log alone.
    cause: Option<String>,
}

#[derive(Debug)]
struct Entry {
    code: Code,
    message: String,
    detail: Value,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // Some messages quote what the client sent.
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_LENGTH) {
            message.truncate(end);
            message.push_str(" ...");
        }
        let entry = Entry {
            code,
            message,
            detail: Value::Null,
        };
        Self {
            status,
            entries: vec![entry],
            headers: Vec::new(),
            cause: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.entries[0].code
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.entries[0].message
    }

    /// What the log shall say besides.
    pub(crate) fn because(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        // A value that cannot be a header is left out: the body says the same.
        self.headers
            .extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    pub(crate) fn with_detail(mut self, detail: Value) -> Self {
        if let Some(entry) = self.entries.last_mut() {
            entry.detail = detail;
        }
        self
    }

    /// The same status with an entry for each of `details`.
    pub(crate) fn for_each(mut self, details: impl IntoIterator<Item = (String, Value)>) -> Self {
        let Some(code) = self.entries.first().map(|entry| entry.code) else {
            return self;
        };
        let entries: Vec<Entry> = details
            .into_iter()
            .map(|(message, detail)| Entry { code, message, detail })
            .collect();
        if !entries.is_empty() {
            self.entries = entries;
        }
        self
    }

    /// Whether the upload that was asked for is not there.
    pub(crate) fn is_upload_unknown(&self) -> bool {
        self.entries.iter().any(|entry| entry.code == Code::BlobUploadUnknown)
    }

    /// 401 with challenges.
    pub(crate) fn needs_login(challenges: Vec<String>) -> Self {
        let error = Self::new(
            StatusCode::UNAUTHORIZED,
            Code::Unauthorized,
            "log in first, for example with docker login",
        );
        challenges
            .iter()
            .fold(error, |error, challenge| error.with_header(WWW_AUTHENTICATE, challenge))
    }

    /// 403: this account may not.
    pub(crate) fn denied(scope: Option<&Scope>) -> Self {
        let error = Self::new(
            StatusCode::FORBIDDEN,
            Code::Denied,
            "this account may not do that, ask whoever runs the registry",
        );
        match scope {
            Some(scope) => error.with_detail(json!({ "scope": scope.to_string() })),
            None => error,
        }
    }

    /// Credentials that were not accepted.
    pub(crate) fn refused(refusal: AuthError, challenge: impl FnOnce(ChallengeError) -> Vec<String>) -> Self {
        let AuthError { kind, message, log } = refusal;
        let error = match kind {
            AuthErrorKind::Unauthorized { invalid_token } => {
                let error = if invalid_token {
                    ChallengeError::InvalidToken
                } else {
                    ChallengeError::None
                };
                let refused = Self::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message);
                challenge(error)
                    .iter()
                    .fold(refused, |refused, value| refused.with_header(WWW_AUTHENTICATE, value))
            }
            AuthErrorKind::Throttled { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests, message)
                    .with_header(RETRY_AFTER, &retry_after.as_secs().to_string())
            }
            AuthErrorKind::Forbidden => Self::new(StatusCode::FORBIDDEN, Code::Denied, message),
            AuthErrorKind::Malformed => Self::new(StatusCode::BAD_REQUEST, Code::Unsupported, message),
        };
        error.because(log)
    }

    /// A request that could not be read: what its connection says of it.
    pub(crate) fn unreadable(status: u16, message: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let code = match status {
            StatusCode::REQUEST_TIMEOUT => Code::Unavailable,
            _ => Code::Unsupported,
        };
        Self::new(status, code, message)
    }

    /// 503: the storage does not work.
    pub(crate) fn unhealthy() -> Self {
        let message = "the storage does not work at the moment, try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message).with_header(RETRY_AFTER, "10")
    }

    /// 503: nothing is removed without a line of the log that says so.
    pub(crate) fn not_audited() -> Self {
        let message = "nothing was removed: the registry's log does not take the line that tells of it; tell whoever \
                       runs the registry, or try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message)
            .with_header(RETRY_AFTER, "10")
            .because("the log did not take the audit line of a removal, nothing was removed")
    }

    /// 413: a manifest over the limit.
    pub(crate) fn too_large(limit: u64) -> Self {
        let message = format!("a manifest has at most {limit} bytes here, see storage.manifest.maxsize");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid, message)
    }

    /// 416: the range has nothing of a blob of `size` bytes (RFC 9110 section 15.5.17).
    pub(crate) fn range_not_satisfiable(size: u64) -> Self {
        let message = format!("the blob has {size} bytes, the range is outside of them");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, Code::SizeInvalid, message)
            .with_header(CONTENT_RANGE, &format!("bytes */{size}"))
    }

    /// 400: more ranges in one request than are answered in one.
    pub(crate) fn too_many_ranges() -> Self {
        let message = format!("a request may ask for {MAX_RANGES} ranges, ask for fewer at once");
        Self::new(StatusCode::BAD_REQUEST, Code::Unsupported, message)
    }

    /// 416: a piece that does not begin where the upload ends.
    pub(crate) fn upload_offset(offset: u64) -> Self {
        let message = format!("the upload has {offset} bytes, the next piece begins there");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, Code::BlobUploadInvalid, message)
            .with_header(RANGE, &format!("0-{}", offset.saturating_sub(1)))
            .with_detail(json!({ "offset": offset }))
    }

    /// 408: the body comes too slowly, or not at all.
    pub(crate) fn body_slow() -> Self {
        let message = "the request's body stopped arriving, or took too long";
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::Unavailable, message)
    }

    /// 503: as many requests as may be are being served, and it waited for its turn.
    pub(crate) fn full(full: Overloaded) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, full.to_string()).with_header(RETRY_AFTER, "5")
    }

    /// The client went away, or did not send what it announced.
    pub(crate) fn body_cut(error: PayloadError) -> Self {
        let message = match error {
            PayloadError::EncodingCorrupted => "the request's body has a chunk that cannot be read",
            _ => "the request's body ended early; the upload can be resumed, ask for its status",
        };
        Self::new(StatusCode::BAD_REQUEST, Code::BlobUploadInvalid, message).because(error)
    }

    /// The answer; what is wrong inside is logged.
    pub(crate) fn into_response(self) -> HttpResponse {
        if let Some(cause) = &self.cause {
            match self.status.is_server_error() {
                true => tracing::error!(status = self.status.as_u16(), cause, "request failed"),
                false => tracing::info!(status = self.status.as_u16(), cause, "request refused"),
            }
        }
        let mut response = HttpResponse::build(self.status);
        for header in self.headers {
            response.append_header(header);
        }
        let errors: Vec<Value> = self.entries.iter().map(Entry::json).collect();
        response.json(json!({ "errors": errors }))
    }
}

impl Entry {
    fn json(&self) -> Value {
        let mut entry = json!({ "code": self.code.as_str(), "message": self.message });
        if !self.detail.is_null() {
            entry["detail"] = self.detail.clone();
        }
        entry
    }
}
