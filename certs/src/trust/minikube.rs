//! Minikube copies certificates and files into its machine when it starts.

use super::Target;
use super::page::Page;

pub(super) fn instructions(target: &Target) -> Page {
    let page = Page::titled(&format!("Minikube, to trust {}", target.reference()))
        .text("On Linux and macOS.")
        .fetch(target)
        .text("Then:")
        .block("mkdir -p ~/.minikube/certs\ncp lockgate-ca.crt ~/.minikube/certs/lockgate-ca.pem")
        .text("On Windows.")
        .fetch_on_windows(target)
        .text("Then:")
        .block(
            "mkdir \"%USERPROFILE%\\.minikube\\certs\"\n\
             copy /Y \"%USERPROFILE%\\lockgate-ca.crt\" \"%USERPROFILE%\\.minikube\\certs\\lockgate-ca.pem\"",
        )
        .text("Certificates are taken up when Minikube starts:")
        .block("minikube stop\nminikube start --embed-certs");
    match target.hosts_line() {
        None => page,
        Some(line) => page
            .text("If DNS does not know the registry's name there (again after each start):")
            .block(&format!("minikube ssh \"echo '{line}' | sudo tee -a /etc/hosts\"")),
    }
}
