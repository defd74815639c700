//! Sizes in bytes: `4194304`, `4MiB`, `100MB`.

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of bytes, such as 4194304, 4MiB or 100MB")]
pub(crate) struct SizeError;

/// Reads a whole number of bytes, with a binary (KiB, MiB, GiB) or decimal (KB, MB, GB) unit or none.
pub(crate) fn parse(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let scale: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(SizeError),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(scale))
        .ok_or(SizeError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(parse("4194304"), Ok(4 << 20));
        assert_eq!(parse("4MiB"), Ok(4 << 20));
        assert_eq!(parse("100 MB"), Ok(100_000_000));
        assert_eq!(parse("1g"), Ok(1 << 30));
        for wrong in ["", "MiB", "-1", "1.5GiB", "4 TiBs", "18446744073709551615k"] {
            assert_eq!(parse(wrong), Err(SizeError), "{wrong}");
        }
    }
}
