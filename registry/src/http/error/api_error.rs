//! An error as an answer. Which error gets which status and code: `kind`, and for each layer `error_map`.
//!
//! What the log says is another thing: a cause inside (paths, system errors) is logged here, once, and the client is told
//! what it can act on.

use actix_web::HttpResponse;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_RANGE, HeaderName, HeaderValue, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::code::Code;
use super::kind::ErrorKind;
use crate::auth::{AuthError, AuthErrorKind, ChallengeError, Scope};
use crate::oci::range::MAX_RANGES;

/// Characters of a message at most: some quote what the client sent.
const MESSAGE_LENGTH: usize = 1000;

/// An error as the client sees it: OCI distribution specification, "Error Codes".
#[derive(Debug)]
pub(crate) struct ApiError {
    kind: ErrorKind,
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
    /// With the kind's own message.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        Self::new(kind, kind.message())
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_LENGTH) {
            message.truncate(end);
            message.push_str(" ...");
        }
        let entry = Entry {
            code: kind.code(),
            message,
            detail: Value::Null,
        };
        Self {
            kind,
            entries: vec![entry],
            headers: Vec::new(),
            cause: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status()
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.kind.code()
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

    /// One entry with this error's code for each of `details`, in place of the one entry.
    pub(crate) fn for_each(mut self, details: impl IntoIterator<Item = (String, Value)>) -> Self {
        let code = self.kind.code();
        let entries: Vec<Entry> = details
            .into_iter()
            .map(|(message, detail)| Entry { code, message, detail })
            .collect();
        if !entries.is_empty() {
            self.entries = entries;
        }
        self
    }

    pub(crate) fn is(&self, kind: ErrorKind) -> bool {
        self.kind == kind
    }

    /// 401 with challenges, for a sender whose account is not known, or whose token does not allow it.
    pub(crate) fn needs_login(account: Option<&str>, challenges: &[String]) -> Self {
        let error = match account {
            None => Self::of(ErrorKind::Unauthorized),
            Some(_) => Self::new(
                ErrorKind::Unauthorized,
                "this token does not allow that; if the account may do it, ask for a token that does",
            ),
        };
        error.with_challenges(challenges)
    }

    /// 403: the account may not do what `scope` says.
    pub(crate) fn denied(scope: Option<&Scope>) -> Self {
        let error = Self::of(ErrorKind::Denied);
        match scope {
            Some(scope) => error.with_detail(json!({ "scope": scope.to_string() })),
            None => error,
        }
    }

    /// Credentials that were not accepted. `challenge` makes the values of `WWW-Authenticate` for a 401.
    pub(crate) fn refused(error: AuthError, challenge: impl FnOnce(ChallengeError) -> Vec<String>) -> Self {
        let AuthError { kind, message, log } = error;
        let answer = match kind {
            AuthErrorKind::Unauthorized { invalid_token } => {
                let challenges = challenge(match invalid_token {
                    true => ChallengeError::InvalidToken,
                    false => ChallengeError::None,
                });
                Self::new(ErrorKind::Unauthorized, message).with_challenges(&challenges)
            }
            AuthErrorKind::Throttled { retry_after } => Self::new(ErrorKind::TooManyRequests, message)
                .with_header(RETRY_AFTER, &retry_after.as_secs().to_string()),
            AuthErrorKind::Forbidden => Self::new(ErrorKind::Denied, message),
            AuthErrorKind::Malformed => Self::new(ErrorKind::BadRequest, message),
        };
        answer.because(log)
    }

    fn with_challenges(self, challenges: &[String]) -> Self {
        challenges
            .iter()
            .fold(self, |error, challenge| error.with_header(WWW_AUTHENTICATE, challenge))
    }

    /// A request whose head could not be read, with the status that its connection gives it.
    pub(crate) fn unreadable(status: u16, message: &str) -> Self {
        let kind = match StatusCode::from_u16(status) {
            Ok(StatusCode::METHOD_NOT_ALLOWED) => ErrorKind::MethodNotAllowed,
            Ok(StatusCode::REQUEST_TIMEOUT) => ErrorKind::RequestTimeout,
            Ok(StatusCode::URI_TOO_LONG) => ErrorKind::UriTooLong,
            Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => ErrorKind::HeadTooLarge,
            _ => ErrorKind::BadRequest,
        };
        Self::new(kind, message)
    }

    /// 503: the storage does not work.
    pub(crate) fn unhealthy() -> Self {
        Self::of(ErrorKind::Unavailable).with_header(RETRY_AFTER, "10")
    }

    /// 503: nothing is removed without a line of the log that says so.
    pub(crate) fn not_audited() -> Self {
        let message = "nothing was removed: the registry's log does not take the line that tells of it; tell whoever \
                       runs the registry, or try again later";
        Self::new(ErrorKind::Unavailable, message)
            .with_header(RETRY_AFTER, "10")
            .because("the log did not take the audit line of a removal, nothing was removed")
    }

    /// 413: the form of a token request has more than `limit` bytes.
    pub(crate) fn form_too_large(limit: u64) -> Self {
        let message = format!("the form of a token request has at most {limit} bytes, ask for fewer scopes at once");
        Self::new(ErrorKind::BodyTooLarge, message)
    }

    /// 416: the range has nothing of a blob of `size` bytes (RFC 9110 section 15.5.17).
    pub(crate) fn range_not_satisfiable(size: u64) -> Self {
        let message = format!("the blob has {size} bytes, the range is outside of them");
        Self::new(ErrorKind::RangeNotSatisfiable, message).with_header(CONTENT_RANGE, &format!("bytes */{size}"))
    }

    /// 400: more ranges in one request than are answered in one.
    pub(crate) fn too_many_ranges() -> Self {
        let message = format!("a request may ask for {MAX_RANGES} ranges, ask for fewer at once");
        Self::new(ErrorKind::BadRequest, message)
    }

    /// 416: a piece that does not begin where the upload ends.
    pub(crate) fn upload_offset(offset: u64) -> Self {
        let message = format!("the upload has {offset} bytes, the next piece begins there");
        Self::new(ErrorKind::UploadOffset, message)
            .with_header(RANGE, &format!("0-{}", offset.saturating_sub(1)))
            .with_detail(json!({ "offset": offset }))
    }

    /// 400: the client went away, or did not send what it announced, in a body that is read whole.
    pub(crate) fn body_cut(error: PayloadError) -> Self {
        let message = match error {
            PayloadError::EncodingCorrupted => "the request's body has a chunk that cannot be read",
            _ => ErrorKind::BodyUnreadable.message(),
        };
        Self::new(ErrorKind::BodyUnreadable, message).because(error)
    }

    /// The same in the body of an upload, which keeps what came.
    pub(crate) fn upload_cut(error: PayloadError) -> Self {
        match error {
            PayloadError::EncodingCorrupted => Self::body_cut(error),
            error => {
                let message = "the request's body ended early; the upload can be resumed, ask for its status";
                Self::new(ErrorKind::BodyUnreadable, message).because(error)
            }
        }
    }

    /// The answer; what is wrong inside is logged.
    pub(crate) fn into_response(self) -> HttpResponse {
        let status = self.kind.status();
        if let Some(cause) = &self.cause {
            match status.is_server_error() {
                true => tracing::error!(status = status.as_u16(), cause, "request failed"),
                false => tracing::info!(status = status.as_u16(), cause, "request refused"),
            }
        }
        let mut response = HttpResponse::build(status);
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
