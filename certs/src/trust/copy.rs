//! To another Docker host, by ssh.

use super::Target;
use super::docker::DIRECTORY;
use super::page::{Page, for_each_directory, quoted};

pub(super) fn instructions(target: &Target) -> Page {
    let install = for_each_directory(target, &format!("/{DIRECTORY}"), |directory| {
        let file = quoted(&format!("{directory}/ca.crt"));
        format!("ssh -t USER@OTHERHOST \"sudo install -D -m 0644 /tmp/lockgate-ca.crt {file}\"")
    });
    let page = Page::titled(&format!("Another Docker host, to trust {}", target.reference()))
        .text("On this machine, with the other host's name and your account there:")
        .block(&format!(
            "scp {} USER@OTHERHOST:/tmp/lockgate-ca.crt\n{install}",
            target.quoted_file()
        ));
    match target.hosts_line() {
        None => page,
        Some(line) => page
            .text("If DNS does not know the registry's name there:")
            .block(&format!(
                "ssh -t USER@OTHERHOST \"echo '{line}' | sudo tee -a /etc/hosts\""
            )),
    }
    .text("Docker reads the directory at each connection: no restart. On the other host:")
    .block(&format!("docker login {}", target.reference()))
}
