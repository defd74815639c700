//! What an `Authorization` header says.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use lockgate_config::Secret;

use super::password::has_control;

/// Longest header value that is looked at.
const MAX_LENGTH: usize = 32 * 1024;
/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The credentials of a request. `Debug` shows none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credentials<'a> {
    /// Account and password (RFC 7617).
    Basic(BasicCredentials),
    /// A token (RFC 6750).
    Bearer(Token<'a>),
}

/// An account and its password, as the client gave them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct BasicCredentials {
    pub(super) account: String,
    pub(super) password: Secret,
}

/// A token as the client gave it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a>(pub(super) &'a str);

/// Neither Basic nor Bearer, or not well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Credentials<'a> {
    pub(super) fn parse(header: &'a str) -> Result<Self, Malformed> {
        if header.len() > MAX_LENGTH {
            return Err(Malformed);
        }
        let (scheme, rest) = header.trim().split_once(' ').ok_or(Malformed)?;
        let rest = rest.trim_start();
        if scheme.eq_ignore_ascii_case("basic") {
            BasicCredentials::decode(rest).map(Self::Basic)
        } else if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            Ok(Self::Bearer(Token(rest)))
        } else {
            Err(Malformed)
        }
    }
}

impl BasicCredentials {
    /// RFC 7617 section 2: base64 of `user-id:password` in UTF-8; the password may hold colons, neither a control character.
    /// A tab in a password is one that people have: htpasswd makes such accounts, and distribution lets them in.
    fn decode(token: &str) -> Result<Self, Malformed> {
        let text = String::from_utf8(BASE64.decode(token).map_err(|_| Malformed)?).map_err(|_| Malformed)?;
        let (account, password) = text.split_once(':').ok_or(Malformed)?;
        if account.is_empty() || account.chars().any(char::is_control) || has_control(password) {
            return Err(Malformed);
        }
        Ok(Self {
            account: account.to_owned(),
            password: Secret::new(password),
        })
    }
}

impl std::fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The account neither: people type their password into the wrong field.
        f.write_str("[redacted]")
    }
}

impl std::fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn basic(header: &str) -> Option<(String, String)> {
        match Credentials::parse(header) {
            Ok(Credentials::Basic(basic)) => Some((basic.account, basic.password.reveal().to_owned())),
            _ => None,
        }
    }

    fn owned(account: &str, password: &str) -> Option<(String, String)> {
        Some((account.to_owned(), password.to_owned()))
    }

    #[test]
    fn basic_is_read_as_rfc_7617_says() {
        // The RFC's own examples.
        assert_eq!(
            basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            owned("Aladdin", "open sesame")
        );
        assert_eq!(basic("Basic dGVzdDoxMjPCow=="), owned("test", "123£"));
        // Scheme in any case, several spaces, no padding, colons in the password, no password.
        assert_eq!(
            basic("bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ"),
            owned("Aladdin", "open sesame")
        );
        assert_eq!(basic("Basic YTo6Yjo="), owned("a", ":b:"));
        assert_eq!(basic("Basic YTo="), owned("a", ""));
        let tab = format!("Basic {}", BASE64.encode("a:\tb\tc"));
        assert_eq!(basic(&tab), owned("a", "\tb\tc"));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let nul = format!("Basic {}", BASE64.encode("a\0:b"));
        let line = format!("Basic {}", BASE64.encode("a:b\nc"));
        let nul_inside = format!("Basic {}", BASE64.encode("a:b\0c"));
        let tab = format!("Basic {}", BASE64.encode("a\tb:c"));
        let latin1 = format!("Basic {}", BASE64.encode(b"a:\xfc"));
        let long = format!("Basic {}", BASE64.encode(format!("a:{}", "x".repeat(MAX_LENGTH))));
        for header in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Basic YQ==",
            "Basic OmI=",
            "Digest YTpi",
            "YTpi",
            "Bearer",
            "Bearer ",
            "Basic YTpi YTpi",
            &nul,
            &line,
            &nul_inside,
            &tab,
            &latin1,
            &long,
        ] {
            assert_eq!(Credentials::parse(header), Err(Malformed), "{header:.40}");
        }
    }

    #[test]
    fn nothing_is_shown() {
        for header in ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearer abc.def.ghi"] {
            let shown = format!("{:?}", Credentials::parse(header).unwrap());
            assert!(
                !shown.contains("Aladdin") && !shown.contains("sesame") && !shown.contains("abc"),
                "{shown}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_account_and_password_round_trips(account in "[^:\\p{Cc}]{1,40}", password in "[\t\\P{Cc}]{0,80}") {
            let header = format!("Basic {}", BASE64.encode(format!("{account}:{password}")));
            prop_assert_eq!(basic(&header), Some((account, password)));
        }

        #[test]
        fn no_header_panics(header in "\\PC{0,200}") {
            let _ = Credentials::parse(&header);
        }

        #[test]
        fn no_basic_token_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Credentials::parse(&format!("Basic {}", BASE64.encode(bytes)));
        }
    }
}
