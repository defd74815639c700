//! Instructions in the making.

use super::shell::quoted;
use super::target::{CERTIFICATE_URL_PATH, Target};

/// Instructions in the making: sentences, and commands indented by four spaces so that whole blocks can be copied.
pub(super) struct Instructions(String);

impl Instructions {
    pub(super) fn titled(title: &str) -> Self {
        Self(format!("{title}\n"))
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.push('\n');
        self.0.push_str(text);
        self.0.push('\n');
        self
    }

    pub(super) fn block(mut self, lines: &str) -> Self {
        self.0.push('\n');
        for line in lines.lines() {
            self.0.push_str(format!("    {line}").trim_end());
            self.0.push('\n');
        }
        self
    }

    /// How a machine that does not trust the registry yet gets the certificate from it, in a POSIX shell.
    pub(super) fn fetch(self, target: &Target) -> Self {
        let url = target.url(CERTIFICATE_URL_PATH);
        self.hosts(target)
            .text("Fetch the certificate from the registry, and go on only if its fingerprint is the same:")
            .block(&format!(
                "curl -fsSk -o lockgate-ca.crt {}\n\
                 openssl x509 -in lockgate-ca.crt -noout -fingerprint -sha256\n\
                 # {}",
                quoted(&url),
                target.fingerprint()
            ))
    }

    /// The same in Windows' command prompt, which has no openssl.
    pub(super) fn fetch_on_windows(self, target: &Target) -> Self {
        let url = target.url(CERTIFICATE_URL_PATH);
        self.hosts_on_windows(target)
            .text("Fetch the certificate from the registry, in a command prompt (in PowerShell, type cmd first):")
            .block(&format!(
                "curl.exe -fsSk -o \"%USERPROFILE%\\lockgate-ca.crt\" {url}\n\
                 powershell -Command \"$c = New-Object Security.Cryptography.X509Certificates.X509Certificate2 \
                 '%USERPROFILE%\\lockgate-ca.crt'; \
                 [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($c.RawData))\""
            ))
            .text("Go on only if the fingerprint that it prints is this one:")
            .block(&target.fingerprint().replace(':', "-"))
    }

    /// The hosts line, for clients whose DNS does not know the name.
    fn hosts(self, target: &Target) -> Self {
        match target.hosts_line() {
            None => self,
            Some(line) => self
                .text("If DNS does not know the registry's name there:")
                .block(&format!("echo '{line}' | sudo tee -a /etc/hosts")),
        }
    }

    fn hosts_on_windows(self, target: &Target) -> Self {
        match target.hosts_line() {
            None => self,
            Some(line) => self
                .text(
                    "If DNS does not know the registry's name there, add this line to \
                     C:\\Windows\\System32\\drivers\\etc\\hosts (as administrator):",
                )
                .block(&line),
        }
    }

    pub(super) fn try_it(self, target: &Target) -> Self {
        self.text("Then:")
            .block(&format!("docker login {}", target.reference()))
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// One command for each certs.d directory below `base`; it gets the directory's path.
pub(super) fn for_each_directory(target: &Target, base: &str, command: impl Fn(&str) -> String) -> String {
    let directories = target.directories().into_iter();
    let commands: Vec<String> = directories.map(|name| command(&format!("{base}/{name}"))).collect();
    commands.join("\n")
}
