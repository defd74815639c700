//! CNCF distribution, for tests of what it and Lockgate read of each other.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lockgate_testkit::{Answer, Client, require};

/// Executables of distribution that are installed: `docker-registry` (Debian, 2.8) and `registry` (3.x, `go install`).
pub(crate) fn installed_distributions() -> Vec<&'static str> {
    let is_distribution = |program: &str| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("distribution"))
    };
    let programs = ["docker-registry", "registry"];
    require(&programs);
    programs
        .into_iter()
        .filter(|program| is_distribution(program))
        .collect()
}

/// A distribution that serves until it is dropped.
pub(crate) struct Distribution {
    process: Child,
    address: String,
}

impl Distribution {
    /// With this configuration, in its directory; waits until it listens.
    pub(crate) fn serve(program: &str, configuration: &Path) -> Self {
        let mut process = Command::new(program)
            .arg("serve")
            .arg(configuration)
            .current_dir(configuration.parent().unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            let read = log.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "{program} ended before it listened");
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split(['"', ' ', '\n']).next().unwrap().to_owned();
            }
        };
        // Read on, so that it never waits for its log.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, address }
    }

    /// Any request, by a client that takes manifests of OCI.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
        let headers = [&[("Accept", kinds)], headers].concat();
        Client::tcp(&self.address).send(method, target, &headers, body)
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
