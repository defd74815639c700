//! The known word nearest to a mistyped one.

use strsim::osa_distance;

/// The nearest of `known`, when near enough to be what was meant: a third of its letters may be wrong.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (word.len().max(candidate.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["addr", "net", "host", "prefix", "secret", "tls"];
        for (typed, meant) in [
            ("adr", "addr"),
            ("adress", "addr"),
            ("tsl", "tls"),
            ("Addr", "addr"),
            ("sercet", "secret"),
            ("hots", "host"),
        ] {
            assert_eq!(nearest(typed, known), (typed != "adress").then_some(meant), "{typed}");
        }
        assert_eq!(nearest("trustedproxies", known), None);
    }
}
