//! Binaries, files and moments that an upgrade can go wrong by: whatever they are, what served serves on.

use lockgate_certs::leaf::{LeafRequest, self_signed};
use lockgate_certs::load::CertificateFiles;
use lockgate_files::Existing;
use lockgate_testkit::{address, eventually, require_root};
use nix::sys::signal::{Signal, kill};

use crate::hand_over::pids;
use crate::harness::{PLAIN, Running, Workdir, ready_pid, status};

/// What `status` says of the last upgrade, once it says so.
fn refusal(workdir: &Workdir, about: &str) -> String {
    eventually(&format!("a refusal about {about:?}"), || {
        let status = status(workdir);
        let error = status["upgrade_error"].as_str()?;
        error.contains(about).then(|| error.to_owned())
    })
}

#[test]
fn a_program_that_only_ends_well_is_no_upgrade() {
    let workdir = Workdir::new();
    let binary = workdir.install("bin");
    let config = workdir.write("config.yml", PLAIN);
    let mut command = std::process::Command::new(&binary);
    command
        .args(["start", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()])
        .current_dir(workdir.path("."));
    let running = Running::of(command, &workdir.path("stderr"));
    let old = pids(&workdir);
    let refused = |text: &str, said: &str| {
        std::fs::rename(workdir.script("new", text), &binary).unwrap();
        running.signal(Signal::SIGUSR2);
        refusal(&workdir, said);
        assert_eq!(pids(&workdir), old);
        assert_eq!(running.get("/v2/"), "200");
    };
    refused("#!/bin/sh\nexit 0\n", "is no lockgate that can take over");
    refused("neither program nor script", "Exec format error");
    refused("#!/bin/sh\nexec sleep 0\n", "is no lockgate");
    // What is not even there is said as well.
    std::fs::remove_file(&binary).unwrap();
    running.signal(Signal::SIGUSR2);
    refusal(&workdir, "No such file");
}

#[test]
fn a_binary_is_asked_whether_it_understands_the_running_command_line() {
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", PLAIN);
    let ask = |started: &[&str]| {
        let all = [
            &["upgrade", "--accepts", "1", "--config", config.to_str().unwrap(), "--"],
            started,
        ];
        workdir.run(&all.concat())
    };
    assert!(!ask(&["start", "--listen", ":443"]).expect(0).stdout.is_empty());
    ask(&[]).expect(0);
    let refused = ask(&["start", "--of-tomorrow"]).expect(2);
    assert!(
        refused.stderr.contains("--of-tomorrow") && refused.stdout.is_empty(),
        "{}",
        refused.stderr
    );
    let older = workdir.run(&["upgrade", "--accepts", "0", "--config", config.to_str().unwrap()]);
    assert!(older.expect(1).stderr.contains("protocol"));
}

#[test]
fn a_home_that_cannot_be_prepared_is_refused_and_the_old_processes_go_on() {
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let old = pids(&workdir);
    // A directory of the home cannot be made: as when the disk is full, or cannot be written.
    std::fs::remove_dir(workdir.path("lockgate/run/acme")).unwrap();
    workdir.write("lockgate/run/acme", "");
    let refused = workdir.run(&["upgrade"]).expect(1);
    assert!(refused.stderr.contains("run/acme"), "{}", refused.stderr);
    assert_eq!(pids(&workdir), old);
    assert_eq!(running.get("/v2/"), "200");
    std::fs::remove_file(workdir.path("lockgate/run/acme")).unwrap();
    workdir.run(&["upgrade"]).expect(0);
    assert!(status(&workdir)["upgrade_error"].is_null());
}

fn write_pair(workdir: &Workdir) {
    let issued = self_signed(&LeafRequest::for_hosts(&["localhost".to_owned()]).unwrap()).unwrap();
    let pair = CertificateFiles {
        certificate: workdir.path("own.crt"),
        key: workdir.path("own.key"),
    };
    issued.write(&pair, Existing::Overwrite, None).unwrap();
}

#[test]
fn a_certificate_that_is_gone_or_does_not_fit_ends_nobody() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    write_pair(&workdir);
    let config = workdir.write(
        "config.yml",
        &(PLAIN.to_owned() + "  tls: {certificate: own.crt, key: own.key}\n"),
    );
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    let old = pids(&workdir);
    let problem = |about: &str| {
        eventually("a problem in the status", || {
            let status = status(&workdir);
            status["certificate_problem"].as_str()?.contains(about).then_some(())
        });
    };
    std::fs::rename(workdir.path("own.crt"), workdir.path("away")).unwrap();
    let refused = workdir.run(&["upgrade"]).expect(1);
    assert!(refused.stderr.contains("own.crt"), "{}", refused.stderr);
    assert_eq!(pids(&workdir), old, "{}", running.log());
    problem("own.crt");

    // A key that belongs to another: a proxy that comes back begins with the pair that was good.
    write_pair(&workdir);
    std::fs::rename(workdir.path("away"), workdir.path("own.crt")).unwrap();
    problem("own.key: does not belong to the certificate");
    kill(old[0], Signal::SIGKILL).unwrap();
    eventually("another proxy", || ready_pid(&workdir, "proxy") != old[0]);

    write_pair(&workdir);
    eventually("a status without a problem", || {
        status(&workdir)["certificate_problem"].is_null()
    });
    workdir.run(&["upgrade"]).expect(0);
}

#[test]
fn after_an_upgrade_the_configuration_says_where_to_listen() {
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", PLAIN);
    let _running = Running::of(
        workdir.command(&["start", "--config", config.to_str().unwrap()]),
        &workdir.path("stderr"),
    );
    // A port that the system chose holds for this supervisor; the next one is asked for another.
    let there = address::free_address();
    workdir.write("config.yml", &PLAIN.replace("127.0.0.1:0", &there));
    workdir.run(&["upgrade"]).expect(0);
    let url = status(&workdir)["url"].clone();
    workdir.run(&["reload"]).expect(0);
    let status = status(&workdir);
    assert_eq!((&status["generation"], &status["url"]), (&2.into(), &url), "{status}");
    assert_eq!(status["processes"][0]["address"], there);
}
