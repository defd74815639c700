//! What a person reads when the registry is ready: where it is, who may in, and what to type next.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use crate::configuration::public_url::PublicUrl;
use crate::configuration::variables::ActiveVariables;
use crate::os::shell::shell_word;
use crate::setup::FirstAccount;

#[derive(Debug)]
pub(crate) struct Banner {
    pub(crate) url: PublicUrl,
    /// The account that was made now: the first run has one, later ones have not.
    pub(crate) account: Option<FirstAccount>,
    /// Where the first account's password is kept.
    pub(crate) password_file: PathBuf,
    /// Why there is no certificate yet, when one is ordered.
    pub(crate) certificate_problem: Option<String>,
    /// The certificate of our own authority, when clients have to trust it.
    pub(crate) authority: Option<PathBuf>,
    /// What was made and what lay ready, at the first start.
    pub(crate) beginnings: Vec<String>,
    pub(crate) variables: ActiveVariables,
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Lockgate serves {}", self.url)?;
        if let Some(problem) = &self.certificate_problem {
            writeln!(f, "Certificate: {problem}; `lockgate status` tells more.")?;
        }
        self.lists(f)?;
        if let Some(account) = &self.account {
            self.first_run(f, account)?;
        } else if self.password_file.exists() {
            writeln!(
                f,
                "The first account's password is kept in {}.",
                self.password_file.display()
            )?;
        }
        writeln!(f, "Ctrl-C, or `lockgate stop`, finishes what is in flight and ends.")
    }
}

impl Banner {
    /// What there was to make and to take, and what variables say.
    fn lists(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables = self.variables.lines();
        let is_first = !self.beginnings.is_empty();
        let otherwise = if is_first || self.variables.any() {
            self.variables.otherwise()
        } else {
            Vec::new()
        };
        let lists = [
            self.beginnings.iter().map(String::as_str).collect(),
            variables.iter().map(String::as_str).collect(),
            otherwise,
        ];
        for list in lists.iter().filter(|list: &&Vec<&str>| !list.is_empty()) {
            f.write_char('\n')?;
            list.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }

    fn first_run(&self, f: &mut fmt::Formatter<'_>, account: &FirstAccount) -> fmt::Result {
        let reference = self.url.reference();
        writeln!(f, "\n  account   {}", account.name)?;
        if let Some(password) = &account.password {
            // It is shown this once.
            let kept = self.password_file.display();
            writeln!(
                f,
                "  password  {}   (not shown again; kept in {kept})",
                password.reveal()
            )?;
        }
        if let Some(authority) = &self.authority {
            // The first process of a container knows paths inside it alone.
            let is_in_container = std::process::id() == 1;
            writeln!(f, "\nLet this machine's docker trust it, or its podman:\n")?;
            for engine in ["docker", "containers"] {
                let directory = format!("/etc/{engine}/certs.d/{reference}");
                writeln!(f, "  {}", trust_command(authority, &directory, is_in_container))?;
            }
            f.write_str("\nOther clients: `lockgate cert trust --help`. ")?;
        } else {
            f.write_char('\n')?;
        }
        if self.url.host() != "localhost" {
            writeln!(
                f,
                "Docker on this machine needs no trust for localhost:{}.",
                self.url.port()
            )?;
        } else if self.authority.is_some() {
            writeln!(f, "Docker on this machine needs no trust for localhost.")?;
        }
        writeln!(f, "\nThen try, with any image that you have:\n")?;
        writeln!(f, "  docker login {reference} -u {}", shell_word(account.name.as_str()))?;
        writeln!(
            f,
            "  docker tag alpine {reference}/alpine && docker push {reference}/alpine"
        )?;
        writeln!(f, "  docker pull {reference}/alpine\n")
    }
}

/// Puts the certificate of the authority where an engine on the host looks for it.
fn trust_command(authority: &Path, directory: &str, is_in_container: bool) -> String {
    let authority = shell_word(&authority.display().to_string());
    let copy = match is_in_container {
        true => format!("docker cp CONTAINER:{authority}"),
        false => format!("cp {authority}"),
    };
    format!("sudo mkdir -p {directory} && sudo {copy} {directory}/ca.crt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_copied_from_where_it_is() {
        let command = |is_in_container| trust_command(Path::new("/srv/tls/ca.crt"), "/etc/d/r:5443", is_in_container);
        assert_eq!(
            command(false),
            "sudo mkdir -p /etc/d/r:5443 && sudo cp /srv/tls/ca.crt /etc/d/r:5443/ca.crt"
        );
        assert_eq!(
            command(true),
            "sudo mkdir -p /etc/d/r:5443 && sudo docker cp CONTAINER:/srv/tls/ca.crt /etc/d/r:5443/ca.crt"
        );
    }
}
