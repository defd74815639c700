//! A Windows service, as WinSW takes it. Lockgate runs on Linux, so what it starts is WSL.

use super::definition::ServiceDefinition;
use super::escape::xml;

/// The whole document, with what to do with it.
pub(crate) fn definition(definition: &ServiceDefinition) -> String {
    let places: Vec<_> = definition
        .places()
        .iter()
        .map(|place| format!("\"{}\"", place.display()))
        .collect();
    let command = |verb: &str, places: &[String]| {
        let program = definition.program.display();
        xml(&format!("--user root --exec \"{program}\" {verb} {}", places.join(" ")))
    };
    format!(
        r#"<!--
  Lockgate runs on Linux: on Windows it runs in WSL 2, which this starts at boot.
  wsl.exe knows nothing of Windows services, so a wrapper stands between: WinSW (https://github.com/winsw/winsw).
  Save this as {name}.xml beside WinSW.exe, version 3, then, in an administrator's PowerShell:

      .\WinSW.exe install {name}.xml
      .\WinSW.exe start {name}.xml

  The service must run as the Windows account that the Linux distribution belongs to: services.msc, Log On.
  Where WSL itself runs systemd, `lockgate service install` in the distribution does without all of this.
-->
<service>
  <id>{name}</id>
  <name>Lockgate container registry</name>
  <description>A container registry with its own TLS proxy, in WSL</description>
  <executable>wsl.exe</executable>
  <startarguments>{start}</startarguments>
  <stopexecutable>wsl.exe</stopexecutable>
  <stoparguments>{stop}</stoparguments>
  <stoptimeout>{seconds} sec</stoptimeout>
  <startmode>Automatic</startmode>
  <delayedAutoStart>true</delayedAutoStart>
  <onfailure action="restart" delay="5 sec"/>
  <log mode="roll-by-size"/>
</service>
"#,
        name = definition.name,
        start = command("start", &places),
        stop = command("stop", &places[..2]),
        seconds = definition.stop_seconds(),
    )
}
