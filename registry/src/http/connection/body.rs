//! Where the body of a request ends, and so the next head begins. Pure.

use std::ops::ControlFlow;

/// How much of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are left.
    Length(u64),
    /// A chunked body (RFC 9112 section 7.1).
    Chunked(Chunk),
    /// All that follows: the client wants to speak another protocol from here on.
    Rest,
}

/// Where among chunks one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the digits of a size; how many there were.
    Size { size: u64, digits: u8 },
    /// Behind them, up to the end of the line; whether CR was the last.
    Extension { size: u64, after_cr: bool },
    /// In the content of a chunk, of which so many bytes are left.
    Content(u64),
    /// In the end of a line behind it, of which so many bytes were there.
    ContentEnd(u8),
    /// In the trailer; how long its present line is, and whether CR was the last.
    Trailer { length: u64, after_cr: bool },
    /// It cannot be read, and nobody knows where the next request would begin.
    BrokenBody,
}

impl Body {
    /// A chunked body of which nothing was taken yet.
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunk::Size { size: 0, digits: 0 })
    }

    /// Takes from `bytes` what belongs to it, and says how much that is: less than all of them only at its end, or up to
    /// what cannot be read.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Length(left) => {
                let taken = (bytes.len() as u64).min(*left);
                *left -= taken;
                taken as usize
            }
            Self::Rest => bytes.len(),
            Self::Chunked(chunk) => {
                let (taken, is_over) = chunk.take(bytes);
                if is_over {
                    *self = Self::Length(0);
                }
                taken
            }
        }
    }

    /// Whether it cannot be read.
    pub(super) fn is_broken(&self) -> bool {
        *self == Self::Chunked(Chunk::BrokenBody)
    }

    /// Whether all of it was taken.
    pub(super) fn is_over(&self) -> bool {
        *self == Self::Length(0)
    }
}

impl Chunk {
    /// How many of `bytes` belong to the body, and whether it ends among them.
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Self::Content(left) = self {
                let taken = ((bytes.len() - at) as u64).min(*left);
                *left -= taken;
                at += taken as usize;
                if *left == 0 {
                    *self = Self::ContentEnd(0);
                }
                continue;
            }
            match self.next(byte) {
                ControlFlow::Continue(next) => *self = next,
                ControlFlow::Break(()) => return (at + 1, true),
            }
            if *self == Self::BrokenBody {
                return (at, false);
            }
            at += 1;
        }
        (at, false)
    }

    fn next(self, byte: u8) -> ControlFlow<(), Self> {
        ControlFlow::Continue(match (self, byte) {
            (Self::Size { size, digits }, _) if byte.is_ascii_hexdigit() => match digits {
                0..15 => Self::Size {
                    size: size * 16 + u64::from((byte as char).to_digit(16).unwrap_or(0)),
                    digits: digits + 1,
                },
                _ => Self::BrokenBody,
            },
            (Self::Size { digits: 0, .. }, _) => Self::BrokenBody,
            (Self::Size { size, .. }, b'\r' | b';' | b' ' | b'\t') => Self::Extension {
                size,
                after_cr: byte == b'\r',
            },
            (
                Self::Extension {
                    size: 0,
                    after_cr: true,
                },
                b'\n',
            ) => Self::Trailer {
                length: 0,
                after_cr: false,
            },
            (Self::Extension { size, after_cr: true }, b'\n') => Self::Content(size),
            (Self::Extension { after_cr: true, .. }, _) | (Self::Extension { .. }, b'\n') => Self::BrokenBody,
            (Self::Extension { size, .. }, _) => Self::Extension {
                size,
                after_cr: byte == b'\r',
            },
            (Self::ContentEnd(0), b'\r') => Self::ContentEnd(1),
            (Self::ContentEnd(1), b'\n') => Self::Size { size: 0, digits: 0 },
            (
                Self::Trailer {
                    length: 0,
                    after_cr: true,
                },
                b'\n',
            ) => return ControlFlow::Break(()),
            (Self::Trailer { after_cr: true, .. }, b'\n') => Self::Trailer {
                length: 0,
                after_cr: false,
            },
            (
                Self::Trailer {
                    after_cr: false,
                    length,
                },
                b'\r',
            ) => Self::Trailer { length, after_cr: true },
            (
                Self::Trailer {
                    after_cr: false,
                    length,
                },
                _,
            ) if byte != b'\n' => Self::Trailer {
                length: length + 1,
                after_cr: false,
            },
            (
                Self::BrokenBody | Self::Size { .. } | Self::ContentEnd(_) | Self::Trailer { .. } | Self::Content(_),
                _,
            ) => Self::BrokenBody,
        })
    }
}
