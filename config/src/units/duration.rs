//! Durations as Go writes them: `10s`, `1h30m`, `250ms`, `1.5h`.

use std::time::Duration;

/// What a duration looks like, for messages.
pub(crate) const EXAMPLES: &str = "10s, 5m, 1h30m or 250ms";

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number with a unit.
    #[error("expected a duration such as {EXAMPLES}")]
    Malformed,
    /// It is a number without a unit.
    #[error("expected a duration with its unit, such as {EXAMPLES}")]
    NoUnit,
    /// It is below zero.
    #[error("expected a duration that is not negative, such as {EXAMPLES}")]
    Negative,
    /// More than 2^63 - 1 nanoseconds, Go's limit of 292 years.
    #[error("expected a duration of less than 292 years, such as {EXAMPLES}")]
    TooLong,
}

/// Reads a duration by the rules of Go's `time.ParseDuration`, negative ones excepted.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(DurationError::Malformed);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (nanoseconds, after) = term(rest)?;
        total = total.saturating_add(nanoseconds);
        rest = after;
    }
    match u64::try_from(total) {
        Ok(_) if negative && total > 0 => Err(DurationError::Negative),
        Ok(nanoseconds) if i64::try_from(nanoseconds).is_ok() => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err(DurationError::TooLong),
    }
}

/// One number with its unit, in nanoseconds, and what follows it.
fn term(text: &str) -> Result<(u128, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Malformed);
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let scale: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(DurationError::NoUnit),
        _ => return Err(DurationError::Malformed),
    };
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| DurationError::TooLong)?
    };
    Ok((whole.saturating_mul(scale).saturating_add(part(fraction, scale)), rest))
}

/// `0.fraction` of `scale`, cut below one nanosecond.
fn part(fraction: &str, scale: u128) -> u128 {
    // Beyond 15 digits not even an hour's fraction has a nanosecond left.
    let fraction = &fraction[..fraction.len().min(15)];
    let exponent = u32::try_from(fraction.len()).expect("at most 15");
    fraction
        .parse::<u128>()
        .map_or(0, |digits| digits * scale / 10_u128.pow(exponent))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("10s", 10_000_000_000),
            ("+5s", 5_000_000_000),
            ("168h", 604_800_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("250ms", 250_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("12µs", 12_000),
            ("12μs", 12_000),
            ("0.100000000000000000000h", 360_000_000_000),
            ("39h9m14.425s", 140_954_425_000_000),
            ("-0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for (text, error) in [
            ("", DurationError::Malformed),
            ("10", DurationError::NoUnit),
            ("1h30", DurationError::NoUnit),
            ("ten", DurationError::Malformed),
            ("10 s", DurationError::Malformed),
            ("1d", DurationError::Malformed),
            (".s", DurationError::Malformed),
            ("-10s", DurationError::Negative),
            ("2562048h", DurationError::TooLong),
            ("99999999999999999999999999999999999999999h", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn sums_its_terms(h in 0_u64..100_000, m in 0_u64..60, s in 0_u64..60, ms in 0_u64..1000, ns in 0_u64..1000) {
            let expected = Duration::from_secs(h * 3600 + m * 60 + s) + Duration::from_millis(ms) + Duration::from_nanos(ns);
            prop_assert_eq!(parse(&format!("{h}h{m}m{s}s{ms}ms{ns}ns")), Ok(expected));
        }

        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_near_the_format(text in "[-+]?[0-9.]{0,30}(h|m|s|ms|us|µs|ns)?[0-9.]{0,5}s?") {
            let _ = parse(&text);
        }
    }
}
