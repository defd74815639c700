//! A launchd daemon: launchd.plist(5). Lockgate runs on Linux, so what it starts is a container.

use super::definition::ServiceDefinition;
use super::escape::xml;

/// The whole property list. `port`: where clients reach it.
pub(crate) fn plist(definition: &ServiceDefinition, port: u16) -> String {
    let label = format!("org.{}", definition.name);
    let volume = format!("{}:/srv", definition.home.root().display());
    let publish = format!("{port}:{port}");
    let listen = format!(":{port}");
    let arguments = [
        "/usr/local/bin/docker",
        "run",
        "--rm",
        "--name",
        &definition.name.to_string(),
        "--publish",
        &publish,
        "--volume",
        &volume,
        "lockgate",
        "/lockgate",
        "start",
        "--home",
        "/srv",
        "--listen",
        &listen,
    ];
    let arguments: String = arguments
        .map(|argument| format!("        <string>{}</string>\n", xml(argument)))
        .concat();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!--
  Lockgate runs on Linux: on a Mac it runs in a Linux container, which this starts at boot.
  The image is the static Linux binary alone (`cargo static` builds it), made once with

      tar -c -C DIRECTORY/OF/THE/BINARY lockgate | docker import - lockgate

  Save this as /Library/LaunchDaemons/{label}.plist, then: sudo launchctl bootstrap system /Library/LaunchDaemons/{label}.plist

  Its certificate is for the container's own names: add the option hostname, with the name that clients use, to the arguments.
-->
<plist version="1.0">
<dict>
    <key>Label</key>
    <string>{label}</string>
    <key>ProgramArguments</key>
    <array>
{arguments}    </array>
    <key>RunAtLoad</key>
    <true/>
    <key>KeepAlive</key>
    <dict>
        <key>SuccessfulExit</key>
        <false/>
    </dict>
    <key>ExitTimeOut</key>
    <integer>{stop}</integer>
    <key>StandardErrorPath</key>
    <string>/var/log/{name}.log</string>
</dict>
</plist>
"#,
        label = xml(&label),
        name = definition.name,
        stop = definition.stop_seconds(),
    )
}
