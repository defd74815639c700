//! Where log lines go, and what they look like.

use lockgate_testkit::eventually;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{PLAIN, Workdir};

#[test]
fn lines_are_json_when_asked_with_the_fields_and_the_process_on_each() {
    // proves: HOMELAB-03
    let workdir = Workdir::new();
    let log = "log: {formatter: json, fields: {service: registry, environment: lab}}\n";
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + log));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    assert_eq!(running.get("/v2/"), "200");
    let lines = eventually("a line of each process", || {
        let log = running.log();
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        let all = ["supervisor", "proxy", "registry"];
        let is_there = all
            .iter()
            .all(|process| lines.iter().any(|line| line["process"] == *process));
        (is_there && lines.iter().any(|line| line["target"] == "access")).then_some(lines)
    });
    for line in &lines {
        assert_eq!(
            (&line["service"], &line["environment"]),
            (&"registry".into(), &"lab".into()),
            "{line}"
        );
    }
    let access = lines.iter().find(|line| line["target"] == "access").unwrap();
    assert_eq!(
        (&access["path"], &access["status"], &access["method"]),
        (&"/v2/".into(), &200.into(), &"GET".into())
    );
}

#[test]
fn each_sink_has_a_level_of_its_own_and_files_are_opened_again() {
    // proves: MOSI-09
    let workdir = Workdir::new();
    let log = "log: {console: {level: silent}, file: {level: info}}\n";
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + log));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    assert_eq!(running.get("/v2/"), "200");
    eventually("the access line", || {
        workdir.read("lockgate/log/proxy.log").contains("GET /v2/ 200")
    });
    for process in ["supervisor", "proxy", "registry"] {
        assert!(
            !workdir.read(&format!("lockgate/log/{process}.log")).is_empty(),
            "{process}"
        );
    }
    // What was said before the configuration was read is on stderr; nothing after it.
    assert!(
        !running.log().contains("access") && !running.log().contains("GET /v2/"),
        "{}",
        running.log()
    );

    std::fs::rename(workdir.path("lockgate/log/proxy.log"), workdir.path("moved")).unwrap();
    running.signal(Signal::SIGUSR1);
    eventually("a new file", || workdir.path("lockgate/log/proxy.log").exists());
    assert_eq!(running.get("/v2/"), "200");
    eventually("a line in it", || {
        workdir.read("lockgate/log/proxy.log").contains("GET /v2/ 200")
    });
}

#[test]
fn each_process_reopens_its_file_and_each_sink_can_be_silent() {
    // proves: MOSI-09
    let workdir = Workdir::new();
    let log = "log: {console: {level: debug}, file: {level: silent}}\n";
    let config = workdir.write("config.yml", &(PLAIN.to_owned() + log));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    assert_eq!(running.get("/v2/"), "200");
    eventually("the access line", || running.log().contains("GET /v2/ 200"));
    let logs = |name: &str| workdir.path(&format!("lockgate/log/{name}.log"));
    let processes = ["supervisor", "proxy", "registry"];
    for process in processes {
        assert_eq!(
            std::fs::read_to_string(logs(process)).unwrap_or_default(),
            "",
            "{process} is silent"
        );
    }

    workdir.write(
        "config.yml",
        &(PLAIN.to_owned() + "log: {console: {level: silent}, file: {level: debug}}\n"),
    );
    workdir.run(&["reload"]).expect(0);
    for process in processes {
        eventually("a line of each", || !std::fs::read(logs(process)).unwrap().is_empty());
        std::fs::rename(logs(process), workdir.path(process)).unwrap();
    }
    let said = running.log();
    running.signal(Signal::SIGUSR1);
    for process in processes {
        eventually("a new file of each", || logs(process).exists());
    }
    workdir.run(&["reload"]).expect(0);
    assert_eq!(running.get("/v2/"), "200");
    for process in processes {
        eventually("lines in the new file of each", || {
            !std::fs::read(logs(process)).unwrap().is_empty()
        });
    }
    assert_eq!(running.log(), said, "the console is silent");
}
