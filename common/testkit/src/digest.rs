//! Digests of content, as registries write them.
//!
//! ```
//! # use lockgate_testkit::sha256;
//! assert!(sha256(b"layer").starts_with("sha256:"));
//! ```

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256, Sha512};

/// `sha256:…` of `content`.
pub fn sha256(content: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex(&Sha256::digest(content)))
}

/// `sha512:…` of `content`.
pub fn sha512(content: impl AsRef<[u8]>) -> String {
    format!("sha512:{}", hex(&Sha512::digest(content)))
}

/// `sha256:…` of all that `from` gives, and its length.
pub fn sha256_of_stream(mut from: impl Read) -> io::Result<(String, u64)> {
    let mut hash = Hashing(Sha256::new());
    let length = io::copy(&mut from, &mut hash)?;
    Ok((format!("sha256:{}", hex(&hash.0.finalize())), length))
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4 has this one as its example.
    #[test]
    fn the_digest_of_abc_is_the_standards() {
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256("abc"), digest);
        assert_eq!(sha256_of_stream(&b"abc"[..]).unwrap(), (digest.to_owned(), 3));
        assert!(sha512("abc").starts_with("sha512:ddaf35a193617aba"));
    }
}
