//! The htpasswd file format, as Apache, nginx and CNCF distribution read it.

use std::collections::HashMap;
use std::sync::Arc;

use lockgate_config::text;

use super::password_hash::{InvalidHash, PasswordHash};

/// What a file says: the accounts of its good lines, and the mistakes in the others.
#[derive(Debug, Default)]
pub(super) struct Htpasswd {
    /// By name, in no order.
    pub(super) accounts: HashMap<Box<str>, Arc<Account>>,
    /// Lines that give nobody access, in the order of the file.
    pub(super) mistakes: Vec<Mistake>,
}

/// One account of the file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) struct Account {
    /// The number of its line, from 1.
    pub(super) number: usize,
    pub(in crate::auth) name: Box<str>,
    /// The hash of its password.
    pub(in crate::auth) hash: PasswordHash,
}

/// A line that is not in force. Never holds the line itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {reason}")]
pub(super) struct Mistake {
    /// The number of its line, from 1.
    pub(super) number: usize,
    pub(super) reason: Reason,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    /// Neither UTF-8 nor anything else that can be sent in a header.
    #[error("the line is not UTF-8")]
    Encoding,
    /// The file as a whole is UTF-16.
    #[error("the file is UTF-16, as Windows PowerShell's > writes it; save it as UTF-8")]
    Utf16,
    /// No `:` or nothing before it.
    #[error("expected `account:hash`")]
    Shape,
    /// The hash is none that is accepted.
    #[error("account {account}: {source}")]
    Hash {
        /// The account of the line.
        account: Box<str>,
        source: InvalidHash,
    },
    /// A later line for the same account.
    #[error("account {account} comes again in line {later}, and the last line counts")]
    Repeated {
        /// The account of the line.
        account: Box<str>,
        /// The number of the line that counts.
        later: usize,
    },
}

impl Htpasswd {
    /// Reads `bytes`. A broken line is a mistake, the others count.
    ///
    /// The last of several lines for one account counts, as in CNCF distribution whose key `auth.htpasswd` is
    /// (Apache and nginx take the first), and the others are reported.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut file = Self::default();
        if text::is_utf16(bytes) {
            let reason = Reason::Utf16;
            file.mistakes.push(Mistake { number: 1, reason });
            return file;
        }
        let bytes = text::without_mark(bytes);
        for (number, line) in (1..).zip(bytes.split(|b| *b == b'\n')) {
            match parse_line(number, line) {
                Ok(None) => {}
                Ok(Some(account)) => file.insert(account),
                Err(reason) => file.mistakes.push(Mistake { number, reason }),
            }
        }
        file.mistakes.sort_by_key(|mistake| mistake.number);
        file
    }

    fn insert(&mut self, account: Account) {
        let number = account.number;
        if let Some(earlier) = self.accounts.insert(account.name.clone(), Arc::new(account)) {
            let reason = Reason::Repeated {
                account: earlier.name.clone(),
                later: number,
            };
            self.mistakes.push(Mistake {
                number: earlier.number,
                reason,
            });
        }
    }
}

fn parse_line(number: usize, line: &[u8]) -> Result<Option<Account>, Reason> {
    let line = std::str::from_utf8(line).map_err(|_| Reason::Encoding)?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = line.split_once(':').ok_or(Reason::Shape)?;
    if name.is_empty() {
        return Err(Reason::Shape);
    }
    // nginx allows a comment as a third field; no hash holds a colon.
    let hash = rest.split(':').next().unwrap_or_default().trim();
    match hash.parse() {
        Ok(hash) => Ok(Some(Account {
            number,
            name: name.into(),
            hash,
        })),
        Err(source) => Err(Reason::Hash {
            account: name.into(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APR1: &str = "$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/";
    const BCRYPT: &str = "$2y$05$Ewy9nOKhwf7F3HvEJJYmEevuqpfVJcSIEQcw7U2XMMZwzjjpr4Mym";

    fn verifies(file: &Htpasswd, name: &str, password: &str) -> bool {
        file.accounts.get(name).is_some_and(|line| line.hash.verify(password))
    }

    /// What Apache's `htpasswd -nbm`, `-nbB` and `-nbs` wrote for "se:cret ü", "se:cret ü" and "secret".
    const OF_APACHE: &str = "\
anna:$apr1$bBiZMSRg$ta/tBC5d/EXBYFu1suioN0
bert:$2y$05$Zkj28UWCKVPVFSASM5b8z.U8ghbhSNOP/8zYGPE8U.kuKKPpqQBPe
carl:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
";

    // proves: SECURE-08
    #[test]
    fn lines_of_apaches_tool_verify() {
        let file = Htpasswd::parse(OF_APACHE.as_bytes());
        for name in ["anna", "bert"] {
            assert!(verifies(&file, name, "se:cret ü"), "{name}");
            assert!(!verifies(&file, name, "se:cret u"), "{name}");
        }
        assert_eq!(file.accounts.len(), 2);
        assert!(file.mistakes[0].to_string().contains("{SHA}"), "{:?}", file.mistakes);
    }

    #[test]
    fn comments_blank_lines_crlf_bom_and_third_fields_are_read() {
        let text = format!("\u{feff}# people\r\n\r\n  anna:{APR1}\r\nbert:{BCRYPT}:from the old server\r\n   \n#end");
        let file = Htpasswd::parse(text.as_bytes());
        assert_eq!(file.mistakes, []);
        assert!(verifies(&file, "anna", "secret") && verifies(&file, "bert", "secret"));
        assert_eq!(file.accounts["bert"].number, 4);
    }

    #[test]
    fn utf_16_is_told_once_and_lets_nobody_in() {
        let text = format!("anna:{APR1}\nbert:{BCRYPT}\n");
        let utf16: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let file = Htpasswd::parse(&utf16);
        assert!(file.accounts.is_empty());
        assert_eq!(file.mistakes.len(), 1);
        assert!(file.mistakes[0].to_string().starts_with("line 1: the file is UTF-16"));
    }

    #[test]
    fn a_broken_line_is_reported_with_its_number_and_the_rest_works() {
        let mut text = format!("anna:{APR1}\nnobody\n:{APR1}\ncarl:secret\n").into_bytes();
        text.extend(b"\xff\xfe:x\n");
        text.extend(format!("bert:{BCRYPT}").into_bytes());
        let file = Htpasswd::parse(&text);
        assert!(verifies(&file, "anna", "secret") && verifies(&file, "bert", "secret"));
        let mistakes: Vec<String> = file.mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert_eq!(mistakes[0], "line 2: expected `account:hash`");
        assert_eq!(mistakes[1], "line 3: expected `account:hash`");
        assert!(
            mistakes[2].starts_with("line 4: account carl: plain-text"),
            "{mistakes:?}"
        );
        assert_eq!(mistakes[3], "line 5: the line is not UTF-8");
        assert!(!mistakes.join(" ").contains("secret"));
    }

    #[test]
    fn the_last_line_of_an_account_counts_and_the_earlier_one_is_reported() {
        let file = Htpasswd::parse(format!("anna:{APR1}\n\nanna:{BCRYPT}\n").as_bytes());
        assert_eq!(file.accounts["anna"].number, 3);
        assert_eq!(
            file.mistakes[0].to_string(),
            "line 1: account anna comes again in line 3, and the last line counts"
        );
    }
}
