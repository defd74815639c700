//! Docker Desktop: it takes certificates from the system's store, or copies `.docker/certs.d` of the user into its
//! virtual machine, in both cases when it starts.

use super::Target;
use super::page::Page;

pub(super) fn windows_store(target: &Target) -> Page {
    Page::titled(&format!(
        "Docker Desktop on Windows, to trust {} by the certificate store",
        target.reference()
    ))
    .fetch_on_windows(target)
    .text("For you alone:")
    .block("certutil -user -addstore Root \"%USERPROFILE%\\lockgate-ca.crt\"")
    .text("or for everybody on the machine, in a command prompt of the administrator:")
    .block("certutil -addstore Root \"%USERPROFILE%\\lockgate-ca.crt\"")
    .text(
        "By hand it is: right-click the file, Install Certificate, Current User or Local Machine, Place all \
         certificates in the following store, Browse, Trusted Root Certification Authorities, Next, Finish.",
    )
    .text("Restart Docker Desktop.")
    .try_it(target)
}

pub(super) fn windows_certs_d(target: &Target) -> Page {
    let copy = |name: &String| {
        let directory = format!("%USERPROFILE%\\.docker\\certs.d\\{name}");
        format!("mkdir \"{directory}\"\ncopy /Y \"%USERPROFILE%\\lockgate-ca.crt\" \"{directory}\\ca.crt\"")
    };
    let commands: Vec<String> = windows_directories(target).iter().map(copy).collect();
    Page::titled(&format!(
        "Docker Desktop on Windows, to trust {} by .docker\\certs.d",
        target.reference()
    ))
    .fetch_on_windows(target)
    .text(
        "A colon cannot be in a directory's name on Windows. Versions of Docker Desktop differ in what stands for it, a \
         space or nothing, so both are made; the one that is not read does no harm:",
    )
    .block(&commands.join("\n"))
    .text("Restart Docker Desktop: it copies the directories when it starts.")
    .try_it(target)
}

pub(super) fn mac(target: &Target) -> Page {
    Page::titled(&format!("Docker Desktop on macOS, to trust {}", target.reference()))
        .fetch(target)
        .text("For everybody on the machine, by the system keychain:")
        .block("sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain lockgate-ca.crt")
        .text("or for you alone, by the login keychain:")
        .block("security add-trusted-cert -d -r trustRoot -k ~/Library/Keychains/login.keychain-db lockgate-ca.crt")
        .text("Restart Docker Desktop: it reads the keychains when it starts.")
        .try_it(target)
}

/// `registry 5000` as users of Docker Desktop report it, `registry5000` as Docker's documentation has it.
fn windows_directories(target: &Target) -> Vec<String> {
    let variants = |name: String| match name.rsplit_once(':') {
        // The colons of an IPv6 address go the same way as the port's; without a port there is nothing to do.
        Some(_) if !name.ends_with(']') => vec![name.replace(':', " "), name.replace(':', "")],
        _ => vec![name],
    };
    target.directories().into_iter().flat_map(variants).collect()
}
