//! `lockgate status` tells what a client would meet, and what a person should mend.

use std::fs;

use lockgate_testkit::eventually;

use crate::harness::{PLAIN, Workdir, status};

#[test]
fn storage_that_fails_is_told_with_exit_1_until_it_is_back() {
    let workdir = Workdir::new();
    let health = "health: {storagedriver: {enabled: true, interval: 100ms, threshold: 1}}\n";
    let config = workdir.write("config.yml", &format!("{PLAIN}{health}"));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    workdir.run(&["status"]).expect(0);
    workdir.run(&["status", "--probe", "ready"]).expect(0);

    let (volume, elsewhere) = (workdir.path("data/docker"), workdir.path("elsewhere"));
    fs::rename(&volume, &elsewhere).unwrap();
    eventually("503", || running.get("/v2/") == "503");
    let told = workdir.run(&["status"]).expect(1);
    assert!(
        told.stdout.contains("clients are not served: ") && told.stdout.contains("/readyz answers 503: the storage"),
        "{}",
        told.stdout
    );
    let json = status(&workdir);
    assert_eq!(json["serving"], false, "{json}");
    let probe = workdir.run(&["status", "--probe", "ready"]).expect(1);
    assert!(
        probe.stdout.is_empty() && probe.stderr.contains("503"),
        "{}",
        probe.stderr
    );
    workdir.run(&["status", "--probe", "live"]).expect(0);

    fs::rename(&elsewhere, &volume).unwrap();
    eventually("200", || running.get("/v2/") == "200");
    workdir.run(&["status"]).expect(0);
    assert_eq!(status(&workdir)["serving"], true);
}

#[test]
fn what_a_person_should_mend_is_exit_3_and_no_health_check_fails() {
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", PLAIN);
    let _running = workdir.start(&["--config", config.to_str().unwrap()]);
    workdir.write("config.yml", &format!("{PLAIN}nonsense: 1\n"));
    workdir.run(&["reload"]).expect(78);
    let told = workdir.run(&["status"]).expect(3);
    assert!(
        told.stdout.contains("the configuration file was refused"),
        "{}",
        told.stdout
    );
    let json = status(&workdir);
    assert_eq!(
        (&json["serving"], json["problems"].as_array().unwrap().len()),
        (&true.into(), 1),
        "{json}"
    );
    for what in ["ready", "live"] {
        workdir.run(&["status", "--probe", what]).expect(0);
    }
    workdir.write("config.yml", PLAIN);
    workdir.run(&["reload"]).expect(0);
    workdir.run(&["status"]).expect(0);
}

#[test]
fn a_certificate_that_does_not_cover_the_public_name_is_told() {
    let workdir = Workdir::new();
    workdir
        .run(&[
            "cert",
            "new",
            "--out",
            "made",
            "--name",
            "images.example",
            "--ip",
            "192.0.2.1",
        ])
        .expect(0);
    let config = |host: &str| {
        let tls = "  tls: {certificate: made/registry.crt, key: made/registry.key}\n";
        format!("{PLAIN}  host: https://{host}\n{tls}")
    };
    let path = workdir.write("config.yml", &config("images.example"));
    let _running = workdir.start(&["--config", path.to_str().unwrap()]);
    workdir.run(&["status"]).expect(0);
    for (host, code) in [("registry.example:5000", 3), ("192.0.2.1", 0), ("192.0.2.2", 3)] {
        workdir.write("config.yml", &config(host));
        workdir.run(&["reload"]).expect(0);
        let told = workdir.run(&["status"]).expect(code);
        let name = host.split(':').next().unwrap();
        let says = told
            .stdout
            .contains(&format!("connects to {name}: the certificate is not valid"));
        assert_eq!(says, code == 3, "{}", told.stdout);
    }
    fs::remove_file(workdir.path("made/registry.crt")).unwrap();
    let told = workdir.run(&["status"]).expect(3);
    assert!(told.stdout.contains("made/registry.crt"), "{}", told.stdout);
    workdir.run(&["status", "--probe", "ready"]).expect(0);
}

#[test]
fn where_clients_need_certificates_the_registry_itself_is_asked() {
    let workdir = Workdir::new();
    workdir
        .run(&["cert", "new", "--out", "made", "--name", "r.example"])
        .expect(0);
    let tls = "  tls: {certificate: made/registry.crt, key: made/registry.key, clientcas: [made/registry.crt]}\n";
    let path = workdir.write("config.yml", &format!("{PLAIN}{tls}"));
    let _running = workdir.start(&["--config", path.to_str().unwrap()]);
    workdir.run(&["status"]).expect(0);
}

#[test]
fn limits_that_are_reached_are_told_with_exit_3() {
    let workdir = Workdir::new();
    let limits = "  limits: {maxconnections: 2}\n";
    let path = workdir.write("config.yml", &format!("{PLAIN}{limits}"));
    let running = workdir.start(&["--config", path.to_str().unwrap()]);
    workdir.run(&["status"]).expect(0);
    let idle = [running.connect(), running.connect()];
    let told = eventually("the limit", || {
        let told = workdir.run(&["status"]);
        (told.code == Some(3)).then_some(told.stdout)
    });
    assert!(
        told.contains("new clients are sent away with 503") && told.contains("http.limits"),
        "{told}"
    );
    workdir.run(&["status", "--probe", "ready"]).expect(0);
    drop(idle);
    eventually("room again", || workdir.run(&["status"]).code == Some(0));
}
