//! The compact serialization, RFC 7515 section 7.1: shape alone, nothing is believed yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::public_key::Jwk;

/// Longest token: fifty scopes with the longest names fit.
const MAX_LENGTH: usize = 32 * 1024;

/// The three parts of a token, decoded.
pub(super) struct Jws<'a> {
    pub(super) header: Header,
    /// The text that the signature is over: header and payload, still encoded.
    pub(super) signed: &'a str,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// The header members that count.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    /// Certificates in standard base64, the leaf first.
    pub(super) x5c: Option<Vec<String>>,
    pub(super) jwk: Option<Jwk>,
    /// Extensions that must be understood (section 4.1.11); none is.
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

impl<'a> Jws<'a> {
    /// `None` when it is no JWS, too long, or wants what is not understood.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let decode = |part| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        if header.crit.is_some() {
            return None;
        }
        // A payload with a dot in it is no base64, so three parts it is.
        Some(Self {
            header,
            signed,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }
}

/// The compact serialization of `header` and `payload`, signed by `sign`.
pub(super) fn compact<E>(
    header: &str,
    payload: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let mut text = URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    let signature = sign(text.as_bytes())?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Ok(text)
}
