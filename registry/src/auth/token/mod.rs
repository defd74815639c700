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
mod trust;
mod verifier;

pub(super) use issuer::TokenIssuer;
pub use request::{TokenRequest, TokenResponse};

pub use signing_key::{KeyError, ensure_token_key};
pub(super) use trust::Trust;
pub use trust::TrustError;
pub(super) use verifier::TokenVerifier;
