//! Tests of `password_hash.rs`.

use super::*;

const ARGON2: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$";

#[test]
fn hashes_made_here_verify_here() {
    for hash in [
        hash_password("geheim").unwrap(),
        hash_password_bcrypt("geheim").unwrap(),
    ] {
        let hash: PasswordHash = hash.parse().unwrap();
        assert!(hash.verify("geheim"));
        assert!(!hash.verify("geheiM"));
        assert!(!hash.verify(""));
    }
}

#[test]
fn new_hashes_have_owasp_parameters_and_a_salt_of_their_own() {
    let (one, two) = (hash_password("x").unwrap(), hash_password("x").unwrap());
    assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
    assert_ne!(one, two);
    assert!(hash_password_bcrypt("x").unwrap().starts_with("$2y$12$"));
}

#[test]
fn every_bcrypt_prefix_is_accepted() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let hash: PasswordHash = format!("{prefix}{}", &hash[4..]).parse().unwrap();
        assert!(hash.verify("secret") && !hash.verify("secre"), "{prefix}");
    }
}

#[test]
fn what_is_refused_says_so_without_the_hash() {
    let cut = hash_password("x").unwrap();
    for (text, part) in [
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SHA}"),
        ("secret", "plain-text"),
        ("BWmZ5gguvH3ME", "crypt"),
        ("", "without a password"),
        ("$1$abc$def", "MD5-crypt"),
        ("$5$abc$def", "SHA-crypt"),
        ("$6$abc$def", "SHA-crypt"),
        ("$y$j9T$abc", "of this kind"),
        (
            "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "argon2i and",
        ),
        (ARGON2, "argon2id hash"),
        (&cut[..cut.len() - 70], "argon2id hash"),
        (
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "256 MiB",
        ),
        ("$2y$05$Ewy9nOKhwf7F3HvEJJYmEevuqpfVJcSIEQcw7U2XMMZwzjjpr4M", "bcrypt"),
        ("$2x$05$Ewy9nOKhwf7F3HvEJJYmEevuqpfVJcSIEQcw7U2XMMZwzjjpr4Mym", "$2x$"),
        ("$2y$31$Ewy9nOKhwf7F3HvEJJYmEevuqpfVJcSIEQcw7U2XMMZwzjjpr4Mym", "cost"),
        ("$apr1$b/zyIT2G$p09X61P", "apr1"),
        ("$apr1$b/zyIT2G$p09X61P.J8Qv54keme2p!/", "apr1"),
    ] {
        let error = text.parse::<PasswordHash>().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(text.len() < 8 || !error.contains(text), "{error}");
    }
}

#[test]
fn passwords_that_cannot_be_typed_or_kept_are_refused() {
    assert_eq!(hash_password(""), Err(PasswordError::Empty));
    assert_eq!(hash_password("a\0b"), Err(PasswordError::Control));
    assert_eq!(hash_password("a\nb"), Err(PasswordError::Control));
    assert!(hash_password("a\tb").is_ok());
    assert_eq!(
        hash_password_bcrypt(&"x".repeat(73)),
        Err(PasswordError::TooLong { most: 72 })
    );
    assert!(hash_password_bcrypt(&"x".repeat(72)).is_ok());
}

#[test]
fn debug_shows_no_hash() {
    let hash: PasswordHash = "$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/".parse().unwrap();
    assert_eq!(format!("{hash:?}"), "Apr1([redacted])");
}
