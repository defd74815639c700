//! Hashing that can be stopped and gone on with, in the form that distribution stores: the `MarshalBinary` of Go's
//! `crypto/sha256` and `crypto/sha512`.
//!
//! ```text
//! magic "sha\x03" or "sha\x07" | 8 words, big endian | the unfinished block, zero-filled | bytes hashed, u64 big endian
//! ```

use sha2::digest::Digest as _;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Sha256, Sha512};

use crate::oci::{Algorithm, Digest};

/// A hash on its way.
#[derive(Clone)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(piece),
            Self::Sha512(hash) => hash.update(piece),
        }
    }

    /// The digest of what was hashed so far.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Sha256(hash) => Digest::from_bytes(Algorithm::Sha256, &hash.clone().finalize()),
            Self::Sha512(hash) => Digest::from_bytes(Algorithm::Sha512, &hash.clone().finalize()),
        }
    }

    /// Go's form of the state.
    pub(crate) fn marshal(&self) -> Vec<u8> {
        match self {
            Self::Sha256(hash) => SHA256.marshal(&hash.serialize()),
            Self::Sha512(hash) => SHA512.marshal(&hash.serialize()),
        }
    }

    /// From Go's form of the state after `offset` bytes; `None` when it is not that.
    pub(crate) fn unmarshal(algorithm: Algorithm, state: &[u8], offset: u64) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => SHA256.restore(state, offset).map(Self::Sha256),
            Algorithm::Sha512 => SHA512.restore(state, offset).map(Self::Sha512),
        }
    }
}

/// What differs between the two algorithms. `sha2` serializes as
/// `8 words, little endian | blocks hashed, little endian | bytes in the unfinished block, u8 | these bytes, zero-filled`.
struct Form {
    magic: &'static [u8; 4],
    word: usize,
    block: usize,
    /// Width of the number of blocks.
    count: usize,
}

const SHA256: Form = Form {
    magic: b"sha\x03",
    word: 4,
    block: 64,
    count: 8,
};
const SHA512: Form = Form {
    magic: b"sha\x07",
    word: 8,
    block: 128,
    count: 16,
};

impl Form {
    fn marshal(&self, serialized: &[u8]) -> Vec<u8> {
        let (words, rest) = serialized.split_at(8 * self.word);
        let (count, rest) = rest.split_at(self.count);
        let (filled, unfinished) = (usize::from(rest[0]), &rest[1..]);
        let mut blocks = [0; 8];
        blocks.copy_from_slice(&count[..8]);
        let hashed = u64::from_le_bytes(blocks) * self.block as u64 + filled as u64;

        let mut state = self.magic.to_vec();
        for word in words.chunks_exact(self.word) {
            state.extend(word.iter().rev());
        }
        state.extend(&unfinished[..filled]);
        state.resize(state.len() + self.block - filled, 0);
        state.extend(hashed.to_be_bytes());
        state
    }

    fn restore<H: SerializableState>(&self, state: &[u8], offset: u64) -> Option<H> {
        let rest = state.strip_prefix(self.magic)?;
        if rest.len() != 8 * self.word + self.block + 8 || !rest.ends_with(&offset.to_be_bytes()) {
            return None;
        }
        let (words, rest) = rest.split_at(8 * self.word);
        let filled = usize::try_from(offset % self.block as u64).ok()?;

        let mut serialized = SerializedState::<H>::default();
        let (words_out, rest_out) = serialized.split_at_mut(8 * self.word);
        for (out, word) in words_out.chunks_exact_mut(self.word).zip(words.chunks_exact(self.word)) {
            out.copy_from_slice(word);
            out.reverse();
        }
        let (count_out, rest_out) = rest_out.split_at_mut(self.count);
        count_out[..8].copy_from_slice(&(offset / self.block as u64).to_le_bytes());
        rest_out[0] = u8::try_from(filled).ok()?;
        rest_out[1..=filled].copy_from_slice(&rest[..filled]);
        H::deserialize(&serialized).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    #[test]
    fn state_has_gos_length() {
        assert_eq!(Hasher::new(Algorithm::Sha256).marshal().len(), 108);
        assert_eq!(Hasher::new(Algorithm::Sha512).marshal().len(), 204);
    }

    // The initial state is known from FIPS 180-4, section 5.3.3; the rest of the form from Go's documentation of it.
    #[test]
    fn state_of_three_bytes_is_spelled_out() {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(b"abc");
        let state = hasher.marshal();
        assert_eq!(&state[..8], b"sha\x03\x6a\x09\xe6\x67");
        assert_eq!(&state[32..36], &[0x5b, 0xe0, 0xcd, 0x19]);
        assert_eq!(&state[36..40], b"abc\0");
        assert!(state[40..100].iter().all(|byte| *byte == 0));
        assert_eq!(&state[100..], &3u64.to_be_bytes());
    }

    proptest! {
        #[test]
        fn goes_on_where_it_stopped(length in 0usize..1000, cut in 0usize..1000, wide in any::<bool>()) {
            let algorithm = if wide { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let content = content(length);
            let (head, tail) = content.split_at(cut.min(length));
            let mut first = Hasher::new(algorithm);
            first.update(head);
            let mut second = Hasher::unmarshal(algorithm, &first.marshal(), head.len() as u64).unwrap();
            second.update(tail);
            prop_assert_eq!(second.digest(), Digest::of(algorithm, &content));
        }

        #[test]
        fn nothing_but_a_state_of_that_offset_is_taken(bytes in proptest::collection::vec(any::<u8>(), 0..220), offset in 0u64..300) {
            let hasher = Hasher::unmarshal(Algorithm::Sha256, &bytes, offset);
            prop_assert!(hasher.is_none() || bytes.starts_with(b"sha\x03"));
            let state = Hasher::new(Algorithm::Sha512).marshal();
            prop_assert_eq!(Hasher::unmarshal(Algorithm::Sha512, &state, offset).is_some(), offset == 0);
        }
    }
}
