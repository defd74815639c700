//! apr1: Apache's variant of MD5-crypt, what `htpasswd -m` and `openssl passwd -apr1` write.
//!
//! It is here only to read files that exist: MD5 a thousand times over costs an attacker nothing today.

use md5::{Digest, Md5};

const MAGIC: &[u8] = b"$apr1$";
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The order in which the digest's bytes are packed, three to four characters (apr_md5.c, `apr_md5_encode`).
const PACKING: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// Characters of an encoded digest.
pub(super) const ENCODED_LENGTH: usize = 22;
/// Longest salt that counts.
pub(super) const MAX_SALT_LENGTH: usize = 8;

/// Whether `text` consists of the characters that salts and digests are written in.
pub(super) fn is_encoded(text: &str) -> bool {
    text.bytes().all(|b| ALPHABET.contains(&b))
}

/// The 22 characters that follow `$apr1$salt$`.
pub(super) fn digest(password: &[u8], salt: &[u8]) -> [u8; ENCODED_LENGTH] {
    let inner = Md5::new_with_prefix(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize();

    let mut first = Md5::new_with_prefix(password).chain_update(MAGIC).chain_update(salt);
    for chunk in password.chunks(inner.len()) {
        first.update(&inner[..chunk.len()]);
    }
    // One byte for each bit of the length: a NUL for 1, the password's first byte for 0.
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { &[0][..] } else { &password[..1] });
        length >>= 1;
    }

    let mut state = first.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        next.update(if round & 1 == 1 { password } else { &state[..] });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if round & 1 == 1 { &state[..] } else { password });
        state = next.finalize();
    }
    encode(&state)
}

fn encode(digest: &[u8]) -> [u8; ENCODED_LENGTH] {
    let mut text = [0; ENCODED_LENGTH];
    for (group, [high, middle, low]) in text.chunks_mut(4).zip(PACKING) {
        let bits = u32::from(digest[high]) << 16 | u32::from(digest[middle]) << 8 | u32::from(digest[low]);
        write_base64(group, bits);
    }
    write_base64(&mut text[20..], u32::from(digest[11]));
    text
}

/// Six bits a character, the lowest first.
fn write_base64(into: &mut [u8], mut bits: u32) {
    for character in into {
        *character = ALPHABET[(bits & 0x3f) as usize];
        bits >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_equal_those_of_openssl() {
        // From `openssl passwd -apr1 -salt SALT PASSWORD`.
        for (password, salt, expected) in VECTORS {
            let digest = digest(password.as_bytes(), salt.as_bytes());
            assert_eq!(
                std::str::from_utf8(&digest).unwrap(),
                *expected,
                "{password:?} {salt:?}"
            );
        }
    }

    const VECTORS: &[(&str, &str, &str)] = &[
        ("secret", "b/zyIT2G", "p09X61P.J8Qv54keme2pQ/"),
        ("a", "x", "16j9.5e7KiXmuYFAYpPJM/"),
        ("", "saltsalt", "a8ml/vK5HEjiZ5oypDWA7/"),
        (
            "a password of more than thirty-two characters",
            "abcdefgh",
            "vsUJvO64KCSJvmrGRYu2q/",
        ),
        ("pässwörd:with:colons", "12345678", "ib5srTq3juOfvrEw/GwF40"),
        ("sixteen bytes ok", "./AZaz09", "1HNhmJuW3fWhsfYS2qBWz."),
    ];
}
