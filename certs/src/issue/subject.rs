use rcgen::string::PrintableString;
use rcgen::{DistinguishedName, DnType, DnValue};

/// Whom a certificate names: the fields that `openssl req` asks for. All optional; clients look at the SANs only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// `C`: two letters, ISO 3166.
    pub country: Option<String>,
    /// `ST`, at most 128 characters.
    pub state: Option<String>,
    /// `L`, at most 128 characters.
    pub locality: Option<String>,
    /// `O`, at most 64 characters.
    pub organization: Option<String>,
    /// `CN`, at most 64 characters; the first name of a leaf unless set.
    pub common_name: Option<String>,
}

/// A field of a subject that X.509 does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("subject field {field}: {value:?}: {problem}")]
pub struct SubjectError {
    /// `C`, `ST`, `L`, `O` or `CN`.
    pub field: &'static str,
    /// The value that is refused.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Subject {
    /// The subject of a machine's own authority. The name tells two such authorities apart in a client's trust store.
    pub fn of_authority(host_name: &str) -> Self {
        let common_name = format!("Lockgate CA on {host_name}");
        Self {
            organization: Some("Lockgate".into()),
            common_name: Some(common_name.chars().take(64).collect()),
            ..Self::default()
        }
    }

    /// The name as X.509 writes it, with the upper bounds of RFC 5280 appendix A.1.
    pub(crate) fn distinguished_name(&self) -> Result<DistinguishedName, SubjectError> {
        let mut name = DistinguishedName::new();
        if let Some(country) = &self.country {
            name.push(DnType::CountryName, country_code(country)?);
        }
        let texts = [
            ("ST", DnType::StateOrProvinceName, &self.state, 128),
            ("L", DnType::LocalityName, &self.locality, 128),
            ("O", DnType::OrganizationName, &self.organization, 64),
            ("CN", DnType::CommonName, &self.common_name, 64),
        ];
        for (field, kind, value, bound) in texts {
            if let Some(value) = value {
                name.push(kind, bounded(field, value, bound)?);
            }
        }
        Ok(name)
    }
}

fn country_code(value: &str) -> Result<DnValue, SubjectError> {
    let refuse = || SubjectError {
        field: "C",
        value: value.to_owned(),
        problem: "expected the two letters of a country, such as DE".into(),
    };
    if value.len() != 2 || !value.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(refuse());
    }
    let code = PrintableString::try_from(value.to_ascii_uppercase()).map_err(|_| refuse())?;
    Ok(DnValue::PrintableString(code))
}

fn bounded(field: &'static str, value: &str, bound: usize) -> Result<DnValue, SubjectError> {
    let refuse = |problem: String| {
        Err(SubjectError {
            field,
            value: value.to_owned(),
            problem,
        })
    };
    if value.is_empty() {
        return refuse("is empty; leave the field out instead".into());
    }
    if value.chars().count() > bound {
        return refuse(format!("is longer than {bound} characters"));
    }
    if value.chars().any(char::is_control) {
        return refuse("holds a control character".into());
    }
    Ok(DnValue::Utf8String(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_bound() {
        let with = |edit: fn(&mut Subject)| {
            let mut subject = Subject::default();
            edit(&mut subject);
            subject.distinguished_name().map(|_| ()).map_err(|error| error.field)
        };
        assert_eq!(with(|s| s.country = Some("de".into())), Ok(()));
        assert_eq!(with(|s| s.country = Some("DEU".into())), Err("C"));
        assert_eq!(with(|s| s.country = Some("é".into())), Err("C"));
        assert_eq!(with(|s| s.state = Some("x".repeat(129))), Err("ST"));
        assert_eq!(with(|s| s.locality = Some(String::new())), Err("L"));
        assert_eq!(with(|s| s.organization = Some("ü".repeat(64))), Ok(()));
        assert_eq!(with(|s| s.organization = Some("x".repeat(65))), Err("O"));
        assert_eq!(with(|s| s.common_name = Some("a\nb".into())), Err("CN"));
    }

    #[test]
    fn an_authority_on_a_long_host_name_fits() {
        assert!(Subject::of_authority(&"h".repeat(253)).distinguished_name().is_ok());
    }
}
