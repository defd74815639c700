//! Conditional requests, RFC 9110 section 13: the digest is the entity tag.

use crate::oci::Digest;

/// A strong entity tag.
pub(crate) fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Whether `If-None-Match` names what we have: then the answer is 304. Comparison is weak (section 13.1.2), and a
/// digest without quotes is taken too, for CNCF distribution took it.
pub(crate) fn none_match(header: Option<&str>, digest: &Digest) -> bool {
    let ours = digest.to_string();
    header.is_some_and(|header| {
        header.split(',').map(str::trim).any(|tag| {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            tag == "*" || tag.trim_matches('"') == ours
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;

    #[test]
    fn a_digest_matches_itself_in_every_form() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let tag = etag(&digest);
        for header in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            digest.to_string(),
            "*".into(),
        ] {
            assert!(none_match(Some(&header), &digest), "{header}");
        }
        for header in [
            String::new(),
            "\"x\"".into(),
            etag(&Digest::of(Algorithm::Sha256, b"x")),
        ] {
            assert!(!none_match(Some(&header), &digest), "{header}");
        }
        assert!(!none_match(None, &digest));
    }
}
