//! Docker Toolbox: boot2docker in VirtualBox. `/var/lib/boot2docker` outlives a restart of the machine; certificates
//! in its `certs` are added to the trust store at boot, and `bootlocal.sh` runs as root at the end of it.

use super::Target;
use super::page::{Page, write_lines};

pub(super) fn instructions(target: &Target) -> Page {
    let page = Page::titled(&format!("Docker Toolbox on Windows, to trust {}", target.reference()))
        .fetch_on_windows(target)
        .text("1. Copy it into the virtual machine and enter that:")
        .block(
            "cd /d \"%USERPROFILE%\"\n\
             docker-machine scp lockgate-ca.crt default:/tmp/lockgate-ca.crt\n\
             docker-machine ssh default",
        )
        .text("2. In the virtual machine:")
        .block(&in_the_machine(target))
        .text("3. Back on Windows:")
        .block("docker-machine restart default");
    page.try_it(target)
}

fn in_the_machine(target: &Target) -> String {
    let mut commands = String::from(
        "sudo mkdir -p /var/lib/boot2docker/certs\n\
         sudo cp /tmp/lockgate-ca.crt /var/lib/boot2docker/certs/\n",
    );
    if let Some(line) = target.hosts_line() {
        // The machine writes its own /etc/hosts while it boots, hence the wait.
        let script = format!("#!/bin/sh\nsleep 5\necho {line} >> /etc/hosts");
        commands.push_str(&write_lines("/var/lib/boot2docker/bootlocal.sh", &script));
        commands.push_str("\nsudo chmod +x /var/lib/boot2docker/bootlocal.sh\n");
    }
    commands + "exit"
}
