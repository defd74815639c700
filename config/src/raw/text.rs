//! Text files that people edit: a byte order mark is dropped, and what is not UTF-8 is reported with its line.

/// What Windows' editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why bytes are no text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct NotText {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in bytes.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// `bytes` without the byte order mark that may stand before them.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// `bytes` as UTF-8, without a byte order mark.
pub fn decode(bytes: &[u8]) -> Result<&str, NotText> {
    if is_utf16(bytes) {
        return Err(NotText {
            line: 1,
            column: 1,
            message: "UTF-16, as Windows PowerShell's > writes it; save the file as UTF-8".to_owned(),
        });
    }
    let bytes = without_mark(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        NotText {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: before.len() - line_start + 1,
            message: format!(
                "the byte 0x{:02X} is not UTF-8; save the file as UTF-8",
                bytes[error.valid_up_to()]
            ),
        }
    })
}

/// With its mark, or with every other byte of the first ASCII character zero.
pub fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) || matches!(bytes, [0, 1..=127, ..] | [1..=127, 0, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_no_part_of_the_text() {
        assert_eq!(decode(b"\xef\xbb\xbfa\n"), Ok("a\n"));
        assert_eq!(decode(b""), Ok(""));
        assert_eq!(decode(b"\xef\xbb\xbf"), Ok(""));
        assert_eq!(decode("ü".as_bytes()), Ok("ü"));
        assert_eq!(without_mark(b"\xef\xbb"), b"\xef\xbb");
    }

    #[test]
    fn what_is_no_text_is_told_by_line() {
        let error = decode(b"\xef\xbb\xbfa: b\nc: M\xfcller\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 5));
        assert!(error.message.contains("0xFC"), "{error}");
        for bytes in [b"\xff\xfea\0".as_slice(), b"\xfe\xff\0a", b"a\0b\0", b"\0a\0b"] {
            let error = decode(bytes).unwrap_err();
            assert!(error.to_string().starts_with("line 1: UTF-16"), "{error}");
        }
    }
}
