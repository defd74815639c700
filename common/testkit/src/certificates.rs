//! Certificates of other authorities than Lockgate's, as users bring them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize,
    SigningKey,
};

/// A directory with `NAME.crt` and `NAME.key` for each certificate that was made in it.
pub struct Certificates {
    directory: PathBuf,
    made: HashMap<String, (CertificateParams, KeyPair)>,
}

impl Certificates {
    /// Makes them in `directory`.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            made: HashMap::new(),
        }
    }

    /// A certificate that signs itself, with a new P-256 key.
    pub fn self_signed(&mut self, name: &str, params: CertificateParams) {
        self.self_signed_with(name, params, KeyPair::generate().unwrap());
    }

    /// A certificate that signs itself, with this key.
    pub fn self_signed_with(&mut self, name: &str, params: CertificateParams, key: KeyPair) {
        let certificate = params.self_signed(&key).unwrap().pem();
        self.keep(name, &certificate, params, key);
    }

    /// A certificate of X.509 version 1, as old tools write them, that signs itself with this key.
    pub fn version_1(&mut self, name: &str, key: KeyPair) {
        let params = named(name);
        let version_3 = params.self_signed(&key).unwrap();
        self.keep(name, &pem(&version_1(version_3.der(), &key)), params, key);
    }

    /// A certificate with a new P-256 key, signed by `issuer`'s, whatever that may sign.
    pub fn issue(&mut self, name: &str, issuer: &str, params: CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let (issuer_params, issuer_key) = &self.made[issuer];
        let issuer = Issuer::from_params(issuer_params, issuer_key);
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        self.keep(name, &certificate, params, key);
    }

    fn keep(&mut self, name: &str, certificate: &str, params: CertificateParams, key: KeyPair) {
        std::fs::write(self.directory.join(format!("{name}.crt")), certificate).unwrap();
        std::fs::write(self.directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        self.made.insert(name.to_owned(), (params, key));
    }
}

/// A certificate with the common name `name` alone.
pub fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// The same for an authority.
pub fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// The same for the server that `host` names.
pub fn server(name: &str, host: &str) -> CertificateParams {
    let mut params = named(name);
    let hosts = CertificateParams::new([host.to_owned()]).unwrap();
    params.subject_alt_names = hosts.subject_alt_names;
    params
}

/// A new RSA key of 2048 bits.
pub fn rsa_key() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

/// The certificate, which has no extensions, without its version, and signed again by `key`.
fn version_1(certificate: &[u8], key: &impl SigningKey) -> Vec<u8> {
    /// `[0] { INTEGER 2 }`: version 3.
    const VERSION: [u8; 5] = [0xa0, 3, 2, 1, 2];
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 3;
    let (parts, _) = split(certificate);
    let (fields, rest) = split(parts);
    let (algorithm, _) = rest.split_at(rest.len() - split(rest).1.len());
    let signed = encode(SEQUENCE, fields.strip_prefix(&VERSION).unwrap());
    let signature = key.sign(&signed).unwrap();
    // No unused bits.
    let signature = encode(BIT_STRING, &[&[0], &*signature].concat());
    encode(SEQUENCE, &[&*signed, algorithm, &signature].concat())
}

/// The content of the first DER value, and what follows it.
fn split(der: &[u8]) -> (&[u8], &[u8]) {
    let (head, length) = match der[1] {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        short => (2, usize::from(short)),
    };
    der[head..].split_at(length)
}

/// Lines of any length are one to those who read.
fn pem(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}
