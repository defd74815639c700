//! JSON Web Tokens as distribution's token specification has them: issued here, or by somebody else.
//!
//! ```text
//! token text ─▶ jws (shape) ─▶ trusted_keys (whose key?) ─▶ public_key (signature) ─▶ claims (for us, now?)
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

pub(super) use issuer::{IssueError, TokenIssuer};
pub use request::{InvalidTokenRequest, TokenRequest, TokenResponse};
pub use signing_key::{KeyError, check_token_key, ensure_token_key};
pub(super) use trusted_keys::TrustedKeys;
pub use trusted_keys::{TrustedKeysError, check_external_tokens};
pub(super) use verifier::TokenVerifier;
