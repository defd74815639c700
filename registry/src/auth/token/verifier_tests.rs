//! Tokens of others, as they come and as they are forged.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lockgate_config::ExternalTokens;
use lockgate_testkit::certificates::{self, Certificates};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use x509_parser::pem::Pem;

use super::super::public_key::{PublicKey, libtrust_id};
use super::super::{chain, jws};
use super::*;

const NOW: i64 = 1_800_000_000;

/// A token server: a directory with keys and certificates.
struct Server {
    directory: tempfile::TempDir,
    certificates: Certificates,
}

impl Server {
    /// `NAME.key` and the self-signed, version 1 certificate `NAME.crt` for each name.
    fn new(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self {
            certificates: Certificates::new(directory.path()),
            directory,
        };
        for name in names {
            let key = match *name {
                _ if name.starts_with("rsa") => certificates::rsa_key(),
                "p384" => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
                _ => KeyPair::generate().unwrap(),
            };
            server.certificates.version_1(name, key);
        }
        server
    }

    /// `NAME.crt` signed by `ISSUER.key`, with an EC key, and with what `change` says.
    fn issue(&mut self, name: &str, issuer: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = certificates::named(name);
        change(&mut params);
        self.certificates.issue(name, issuer, params);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn der(&self, name: &str) -> Vec<u8> {
        let pem = std::fs::read(self.path(name)).unwrap();
        Pem::iter_from_buffer(&pem).next().unwrap().unwrap().contents
    }

    fn certificate(&self, name: &str) -> String {
        STANDARD.encode(self.der(&format!("{name}.crt")))
    }

    /// The public key, and its SubjectPublicKeyInfo.
    fn public_key(&self, name: &str) -> (PublicKey, Vec<u8>) {
        let der = self.der(&format!("{name}.crt"));
        let certificate = chain::parse_certificate(&der).unwrap();
        (
            PublicKey::from_certificate(certificate.public_key()).unwrap(),
            certificate.public_key().raw.to_vec(),
        )
    }

    fn kid(&self, name: &str) -> String {
        self.public_key(name).0.thumbprint()
    }

    fn libtrust(&self, name: &str) -> String {
        libtrust_id(&self.public_key(name).1)
    }

    /// A token of `name`'s key.
    fn sign(&self, name: &str, header: &Value, claims: &Value) -> String {
        let der = self.der(&format!("{name}.key"));
        let random = SystemRandom::new();
        jws::compact(
            &header.to_string(),
            claims.to_string().as_bytes(),
            |message| match header["alg"].as_str().unwrap() {
                "ES384" => {
                    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &der).unwrap();
                    pair.sign(&random, message).map(|signature| signature.as_ref().to_vec())
                }
                alg @ ("RS256" | "PS256") => {
                    let pair = rsa::KeyPair::from_pkcs8(&der).unwrap();
                    let mut signature = vec![0; pair.public_modulus_len()];
                    let encoding: &'static dyn aws_lc_rs::signature::RsaEncoding = if alg == "RS256" {
                        &RSA_PKCS1_SHA256
                    } else {
                        &RSA_PSS_SHA256
                    };
                    pair.sign(encoding, &random, message, &mut signature)
                        .map(|()| signature)
                }
                _ => {
                    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
                    pair.sign(&random, message).map(|signature| signature.as_ref().to_vec())
                }
            },
        )
        .unwrap()
    }

    /// A verifier that trusts the certificates of `bundle`, or the key set in `jwks`.
    fn verifier(&self, bundle: &[&str], jwks: Option<&Value>, algorithms: &[&str]) -> TokenVerifier {
        let text: String = bundle
            .iter()
            .map(|name| std::fs::read_to_string(self.path(&format!("{name}.crt"))).unwrap())
            .collect();
        std::fs::write(self.path("bundle"), text).unwrap();
        std::fs::write(self.path("jwks"), jwks.unwrap_or(&Value::Null).to_string()).unwrap();
        let tokens = ExternalTokens {
            root_cert_bundle: (!bundle.is_empty()).then(|| self.path("bundle")),
            jwks: jwks.map(|_| self.path("jwks")),
            signing_algorithms: algorithms.iter().map(|&name| name.to_owned()).collect(),
            ..settings()
        };
        TokenVerifier::new(TrustedKeys::external(&tokens).unwrap(), "issuer", "service")
    }
}

fn settings() -> ExternalTokens {
    ExternalTokens {
        realm: "https://auth.example/auth".into(),
        service: "service".into(),
        issuer: "issuer".into(),
        root_cert_bundle: None,
        jwks: None,
        signing_algorithms: Vec::new(),
        auto_redirect: false,
        auto_redirect_path: "/auth/token".into(),
    }
}

/// As docker_auth writes them.
fn good_claims() -> Value {
    json!({
        "iss": "issuer", "sub": "anna", "aud": "service", "exp": NOW + 300, "nbf": NOW - 10, "iat": NOW, "jti": "123",
        "access": [{"type": "repository", "name": "a/b", "actions": ["pull", "push"]}, {"type": "repository", "name": "c", "actions": null}],
    })
}

fn refused(verifier: &TokenVerifier, token: &str) -> InvalidToken {
    verifier.verify(token, NOW).expect_err(token)
}

fn accepted(verifier: &TokenVerifier, token: &str) -> bool {
    verifier
        .verify(token, NOW)
        .is_ok_and(|verified| verified.account.as_deref() == Some("anna"))
}

#[test]
fn tokens_as_docker_auth_makes_them_are_accepted() {
    let server = Server::new(&["rsa", "ec", "p384"]);
    let verifier = server.verifier(&["rsa", "ec", "p384"], None, &[]);
    for (name, alg) in [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("p384", "ES384")] {
        for header in [
            json!({"typ": "JWT", "alg": alg, "kid": server.libtrust(name)}),
            json!({"typ": "JWT", "alg": alg, "kid": server.kid(name)}),
            json!({"typ": "JWT", "alg": alg, "x5c": [server.certificate(name)]}),
            json!({"typ": "JWT", "alg": alg, "jwk": serde_json::from_str::<Value>(&server.public_key(name).0.to_jwk()).unwrap()}),
        ] {
            let token = server.sign(name, &header, &good_claims());
            let verified = verifier
                .verify(&token, NOW)
                .unwrap_or_else(|error| panic!("{header}: {error}"));
            assert_eq!(verified.account.as_deref(), Some("anna"));
            let grants: Vec<String> = verified.grants.iter().map(Scope::to_string).collect();
            assert_eq!(grants, ["repository:a/b:pull,push", "repository:c:"]);
        }
    }
}

#[test]
fn key_sets_are_known_by_their_kid_and_thumbprint() {
    let server = Server::new(&["ec", "other"]);
    let mut jwk: Value = serde_json::from_str(&server.public_key("ec").0.to_jwk()).unwrap();
    jwk["kid"] = "first".into();
    let jwks = json!({"keys": [jwk, {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}]});
    let verifier = server.verifier(&[], Some(&jwks), &[]);
    for kid in ["first".to_owned(), server.kid("ec")] {
        assert!(accepted(
            &verifier,
            &server.sign("ec", &json!({"alg": "ES256", "kid": kid}), &good_claims())
        ));
        let forged = server.sign("other", &json!({"alg": "ES256", "kid": kid}), &good_claims());
        assert_eq!(refused(&verifier, &forged), InvalidToken::Signature);
    }
    for kid in ["shared", "", "FIRST"] {
        let token = server.sign("ec", &json!({"alg": "ES256", "kid": kid}), &good_claims());
        assert_eq!(refused(&verifier, &token), InvalidToken::Untrusted, "{kid}");
    }
}

#[test]
fn forged_tokens_are_refused() {
    let server = Server::new(&["ec", "rsa", "stranger"]);
    let verifier = server.verifier(&["ec", "rsa"], None, &[]);
    let header = json!({"alg": "ES256", "kid": server.kid("ec")});
    let good = server.sign("ec", &header, &good_claims());
    assert!(accepted(&verifier, &good));
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());

    // No signature at all, under each name that was ever accepted for it.
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", parts[2]] {
            let token = format!(
                "{}.{}.{signature}",
                encode(&json!({"alg": alg, "kid": server.kid("ec")})),
                parts[1]
            );
            assert_eq!(refused(&verifier, &token), InvalidToken::Untrusted, "{alg}");
        }
    }
    // The public key as a shared secret: HS256 over what everybody knows.
    let spki = server.public_key("rsa").1;
    for secret in [spki.clone(), std::fs::read(server.path("rsa.crt")).unwrap()] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
        let token = jws::compact(
            &json!({"alg": "HS256", "kid": server.kid("rsa")}).to_string(),
            good_claims().to_string().as_bytes(),
            |message| Ok::<_, ()>(aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()),
        );
        assert_eq!(refused(&verifier, &token.unwrap()), InvalidToken::Untrusted);
    }
    // Somebody else's key: under a known name, with its own certificate, with its own key in the header.
    let jwk: Value = serde_json::from_str(&server.public_key("stranger").0.to_jwk()).unwrap();
    let mut named = jwk.clone();
    named["kid"] = server.kid("ec").into();
    for (header, expected) in [
        (header.clone(), InvalidToken::Signature),
        (
            json!({"alg": "ES256", "kid": server.kid("stranger")}),
            InvalidToken::Untrusted,
        ),
        (json!({"alg": "ES256"}), InvalidToken::Untrusted),
        (
            json!({"alg": "ES256", "x5c": [server.certificate("stranger")]}),
            InvalidToken::Untrusted,
        ),
        (
            json!({"alg": "ES256", "x5c": [server.certificate("stranger"), server.certificate("ec")]}),
            InvalidToken::Untrusted,
        ),
        (
            json!({"alg": "ES256", "x5c": [server.certificate("ec")]}),
            InvalidToken::Signature,
        ),
        (
            json!({"alg": "ES256", "x5c": [], "kid": server.kid("ec")}),
            InvalidToken::Untrusted,
        ),
        (
            json!({"alg": "ES256", "jwk": jwk, "kid": server.kid("ec")}),
            InvalidToken::Untrusted,
        ),
        (json!({"alg": "ES256", "jwk": named}), InvalidToken::Untrusted),
        (
            json!({"alg": "ES256", "kid": server.kid("ec"), "crit": ["exp"]}),
            InvalidToken::Malformed,
        ),
    ] {
        assert_eq!(
            refused(&verifier, &server.sign("stranger", &header, &good_claims())),
            expected,
            "{header}"
        );
    }
    // An algorithm that does not fit the key.
    let token = server.sign("rsa", &json!({"alg": "RS256", "kid": server.kid("ec")}), &good_claims());
    assert_eq!(refused(&verifier, &token), InvalidToken::Signature);
    // Other claims under a good signature; parts missing, too many, padded, cut, empty, huge.
    let mut claims = good_claims();
    claims["sub"] = "root".into();
    assert_eq!(
        refused(&verifier, &format!("{}.{}.{}", parts[0], encode(&claims), parts[2])),
        InvalidToken::Signature
    );
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.x"),
        format!("{good}="),
        format!(".{}.{}", parts[1], parts[2]),
        good[..good.len() - 1].to_owned(),
        format!("{good}{}", "A".repeat(64 * 1024)),
        format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none","alg":"ES256"}"#),
            parts[1],
            parts[2]
        ),
    ] {
        assert!(verifier.verify(&token, NOW).is_err(), "{token:.80}");
    }
}

#[test]
fn tokens_for_others_and_other_times_are_refused() {
    let server = Server::new(&["ec"]);
    let verifier = server.verifier(&["ec"], None, &[]);
    let token = |change: Value| {
        let mut claims = good_claims();
        claims
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        server.sign("ec", &json!({"alg": "ES256", "kid": server.kid("ec")}), &claims)
    };
    for (change, expected) in [
        (json!({"aud": "elsewhere"}), InvalidToken::Elsewhere),
        (json!({"aud": []}), InvalidToken::Elsewhere),
        (json!({"aud": ["elsewhere"]}), InvalidToken::Elsewhere),
        (json!({"aud": null}), InvalidToken::Malformed),
        (json!({"iss": "somebody"}), InvalidToken::Elsewhere),
        (json!({"iss": ""}), InvalidToken::Elsewhere),
        (json!({"exp": NOW - 61}), InvalidToken::Expired),
        (json!({"exp": 0}), InvalidToken::Expired),
        (json!({"nbf": NOW + 61}), InvalidToken::Expired),
        (json!({"exp": i64::MAX, "nbf": i64::MAX}), InvalidToken::Expired),
        (json!({"exp": "tomorrow"}), InvalidToken::Malformed),
        (json!({"access": "all"}), InvalidToken::Malformed),
    ] {
        assert_eq!(refused(&verifier, &token(change.clone())), expected, "{change}");
    }
    for change in [
        json!({"aud": ["x", "service"]}),
        json!({"exp": NOW - 59}),
        json!({"nbf": NOW + 59}),
        json!({"access": null}),
        json!({"access": [{"type": "repository", "name": "a", "actions": ["pull", "metrics"]}]}),
    ] {
        assert!(accepted(&verifier, &token(change.clone())), "{change}");
    }
}

#[test]
fn a_remembered_token_expires_all_the_same() {
    let server = Server::new(&["ec"]);
    let verifier = server.verifier(&["ec"], None, &[]);
    let token = server.sign("ec", &json!({"alg": "ES256", "kid": server.kid("ec")}), &good_claims());
    assert!(accepted(&verifier, &token) && accepted(&verifier, &token));
    assert_eq!(verifier.verify(&token, NOW + 361).err(), Some(InvalidToken::Expired));
}

#[test]
fn chains_are_followed_to_the_bundle_and_nowhere_else() {
    fn authority(params: &mut CertificateParams) {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    }
    fn leaf(params: &mut CertificateParams) {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    }
    let mut server = Server::new(&["root", "stranger"]);
    server.issue("middle", "root", authority);
    server.issue("leaf", "middle", leaf);
    server.issue("direct", "root", leaf);
    server.issue("under-leaf", "direct", leaf);
    server.issue("expired", "root", |params| {
        leaf(params);
        params.not_after = OffsetDateTime::from_unix_timestamp(NOW - 86_400).unwrap();
    });
    server.issue("odd", "root", |params| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions.push(unknown);
    });
    server.issue("short", "root", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    server.issue("too-deep", "short", authority);
    server.issue("deep-leaf", "too-deep", leaf);
    let verifier = server.verifier(&["root"], None, &[]);
    for (chain, expected) in [
        (&["direct"][..], true),
        (&["leaf", "middle"], true),
        (&["leaf", "stranger", "middle"], true),
        (&["leaf", "middle", "root"], true),
        (&["leaf"], false),
        (&["leaf", "stranger"], false),
        (&["under-leaf", "direct"], false),
        (&["expired"], false),
        (&["odd"], false),
        (&["deep-leaf", "too-deep", "short"], false),
        (&["stranger"], false),
        (&["leaf", "middle", "middle", "middle", "middle", "middle"], false),
    ] {
        let x5c: Vec<String> = chain.iter().map(|name| server.certificate(name)).collect();
        let token = server.sign(chain[0], &json!({"alg": "ES256", "x5c": x5c}), &good_claims());
        assert_eq!(accepted(&verifier, &token), expected, "{chain:?}");
    }
}

#[test]
fn the_algorithms_can_be_narrowed_and_shared_secrets_never_allowed() {
    let server = Server::new(&["ec", "rsa"]);
    let verifier = server.verifier(&["ec", "rsa"], None, &["RS256"]);
    let by = |name: &str, alg: &str| server.sign(name, &json!({"alg": alg, "kid": server.kid(name)}), &good_claims());
    assert!(accepted(&verifier, &by("rsa", "RS256")));
    assert_eq!(refused(&verifier, &by("rsa", "PS256")), InvalidToken::Untrusted);
    assert_eq!(refused(&verifier, &by("ec", "ES256")), InvalidToken::Untrusted);
    let shared = ExternalTokens {
        signing_algorithms: vec!["HS256".into()],
        ..settings()
    };
    assert!(
        TrustedKeys::external(&shared)
            .map(drop)
            .unwrap_err()
            .to_string()
            .contains("HS256 takes a shared secret")
    );
}

#[test]
fn files_without_a_key_are_an_error_that_names_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let bundle = |path: &Path| ExternalTokens {
        root_cert_bundle: Some(path.into()),
        ..settings()
    };
    let jwks = |path: &Path| ExternalTokens {
        jwks: Some(path.into()),
        ..settings()
    };
    for (content, tokens, part) in [
        ("", bundle(&path), "holds no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            bundle(&path),
            "malformed",
        ),
        ("{}", jwks(&path), "no JSON Web Key Set"),
        (r#"{"keys":[]}"#, jwks(&path), "holds no public key"),
        (
            r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
            jwks(&path),
            "holds no public key",
        ),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = TrustedKeys::external(&tokens).map(drop).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    assert!(TrustedKeys::external(&bundle(&directory.path().join("none"))).is_err());
}
