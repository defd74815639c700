//! JSON Web Tokens as distribution's token specification has them: issued here, or by somebody else.
//!
//! ```text
//! token text ─▶ jws (shape) ─▶ trust (whose key?) ─▶ public_key (signature) ─▶ claims (for us, now?)
//!                               └▶ chain (x5c)
//! request ─▶ issuer ─▶ signing_key                        the built-in token server
//! ```

mod chain;
mod claims;
mod issuer;
mod jws;
mod public_key;
mod request;
mod signing_key;
mod trusted_keys;
mod verifier;

use lockgate_config::ExternalTokens;

pub(super) use issuer::TokenIssuer;
pub use request::{TokenRequest, TokenResponse};

pub use signing_key::{KeyError, check_token_key, ensure_token_key};
pub(super) use trusted_keys::TrustedKeys;
pub use trusted_keys::TrustedKeysError;
pub(super) use verifier::TokenVerifier;

/// Whether the files that `auth.token` names hold keys that tokens can be verified with.
pub fn check_external_tokens(tokens: &ExternalTokens) -> Result<(), TrustedKeysError> {
    TrustedKeys::external(tokens).map(drop)
}
