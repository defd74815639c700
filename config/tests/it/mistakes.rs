//! Every mistake in one run, each with its key, its value and what would be right.

use lockgate_config::LoadError;

use crate::harness::{File, config, lines, mistakes};

// part of: MOSI-02
#[test]
fn all_at_once_in_the_order_of_the_file() {
    let told = lines(&mistakes(
        "\
version: 0.2
log:
  level: loud
  formatter: xml
storage:
  rootdirectory: /data
  filesystem:
    maxthreads: many
  delete:
    enabled: perhaps
http:
  adr: :5000
  addr: foo
  host: registry.example.com
  prefix: registry
  draintimeout: 60
  headers:
    Content-Length: ['1']
  tls:
    certificate: /c.pem
    minimumtls: tls1.0
  trustedproxies: [10.0.0.0/8, localhost]
  accel: internal
auth:
  htpasswd:
    realm: x
health:
  storagedriver:
    interval: 10 seconds
loglvel: info
",
    ));
    let expected = [
        "version = \"0.2\": expected 0.1",
        "log.level = \"loud\": expected silent, error, warn, info, debug or trace",
        "log.formatter = \"xml\": expected text, json or logstash",
        "storage.rootdirectory: unknown key; did you mean storage.filesystem.rootdirectory?",
        "storage.filesystem.maxthreads = \"many\": expected a whole number",
        "storage.delete.enabled = \"perhaps\": expected true or false",
        "http.adr: unknown key; did you mean http.addr?",
        "http.addr = \"foo\": expected host:port, :port or unix:PATH",
        "http.host = \"registry.example.com\": expected https://host",
        "http.prefix = \"registry\": expected a path",
        "http.headers.Content-Length",
        "http.tls.key: missing; expected besides http.tls.certificate",
        "http.tls.minimumtls = \"tls1.0\": expected tls1.2 or tls1.3: older",
        "http.trustedproxies[1] = \"localhost\": expected an IP address or a network",
        "http.accel = \"internal\": expected the path",
        "auth.htpasswd.path: missing; expected the file",
        "health.storagedriver.interval = \"10 seconds\": expected a duration such as 10s",
        "loglvel: unknown key; did you mean loglevel?",
    ];
    let told_lines: Vec<_> = told.lines().collect();
    assert_eq!(told_lines.len(), expected.len(), "{told}");
    for (line, start) in told_lines.iter().zip(expected) {
        // `http.tls.key` is not in the file: it stands where http.tls begins.
        assert!(
            line.starts_with(start) || told_lines.iter().any(|line| line.starts_with(start)),
            "{start} in:\n{told}"
        );
    }
    let place = |start: &str| told_lines.iter().position(|line| line.starts_with(start)).unwrap();
    assert!(place("version") < place("log.level") && place("log.level") < place("storage.rootdirectory"));
    assert!(place("http.headers") < place("http.tls.key") && place("http.tls.key") < place("http.trustedproxies"));
    assert_eq!(place("loglvel"), expected.len() - 1);
}

#[test]
fn broken_yaml_has_line_and_column_and_the_file_stays() {
    let file = File::new("version: 0.1\nstorage: filesystem\n{\n");
    let before = std::fs::read(file.path()).unwrap();
    match file.load(&[]) {
        Err(LoadError::Syntax { path, line, column, .. }) => {
            assert_eq!(path, file.path());
            assert!(line >= 3 && column >= 1, "{line}:{column}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read(file.path()).unwrap(), before);

    let error = File::new("version: 0.1\nlog: {level: info, level: debug}\n")
        .load(&[])
        .unwrap_err();
    assert!(matches!(&error, LoadError::Syntax { line: 2, .. }), "{error}");
}

// proves: HOMELAB-02
#[test]
fn the_version_is_required() {
    for (text, start) in [
        ("storage: filesystem", "version: missing"),
        ("{version: 2, storage: filesystem}", "version = \"2\""),
        ("{version: [0.1], storage: filesystem}", "version = \"[0.1]\""),
    ] {
        assert!(lines(&mistakes(text)).starts_with(start), "{text}");
    }
}

#[test]
fn a_file_that_is_no_section() {
    for text in ["", "~", "{}"] {
        let told = lines(&mistakes(text));
        assert!(
            told.contains("version: missing") && told.contains("storage.filesystem: missing"),
            "{told}"
        );
    }
    assert!(lines(&mistakes("[a, b]")).contains("(the file): expected a section with version, log"));
    assert!(lines(&mistakes("just text")).contains("(the file) = \"just text\""));
}

#[test]
fn wrong_shapes() {
    let told = lines(&mistakes(
        "
version: 0.1
storage: {filesystem: {rootdirectory: [a]}, delete: true, maintenance: {uploadpurging: [1]}}
http: {headers: [a], addr: {a: b}, trustedproxies: {a: b}, aliases: {name: a}, tls: {auto: 7}}
log: {fields: {a: [b]}, file: {maxsize: big}}
auth: {acl: {a: b}, groups: [a]}
",
    ));
    for start in [
        "storage.filesystem.rootdirectory = \"[a]\": expected a single value",
        "storage.delete = \"true\": expected a section with enabled",
        "storage.maintenance.uploadpurging: expected a section",
        "http.headers: expected names",
        "http.addr: expected a single value",
        "http.trustedproxies: expected a list",
        "http.aliases: expected a list of entries with name, certificate, key",
        "http.tls.auto = \"7\": expected a section with hostnames",
        "log.fields.a = \"[b]\": expected a single value",
        "log.file.maxsize = \"big\": expected a number of bytes",
        "auth.acl: expected a list of entries",
        "auth.groups: expected names",
    ] {
        assert!(told.lines().any(|line| line.starts_with(start)), "{start} in:\n{told}");
    }
}

#[test]
fn numbers_without_a_unit_where_nanoseconds_would_hurt() {
    let told = lines(&mistakes(
        "
version: 0.1
storage: {filesystem: , maintenance: {uploadpurging: {age: 168, interval: 24}}}
http: {limits: {idletimeout: 60, maxconnections: 0, maxrequests: 0, maxnetworkrequests: -1, bodytimeout: 60, maxuploads: 0}}
auth: {htpasswd: {path: h}, issuer: {expiration: 300}}
health: {storagedriver: {enabled: true, interval: 10}}
",
    ));
    for key in [
        "storage.maintenance.uploadpurging.age = \"168\"",
        "storage.maintenance.uploadpurging.interval = \"24\"",
        "http.limits.idletimeout = \"60\"",
        "http.limits.maxconnections = \"0\"",
        "http.limits.maxrequests = \"0\"",
        "http.limits.maxnetworkrequests = \"-1\"",
        "http.limits.bodytimeout = \"60\"",
        "http.limits.maxuploads = \"0\"",
        "auth.issuer.expiration = \"300\"",
        "health.storagedriver.interval = \"10\"",
    ] {
        assert!(told.contains(key), "{key} in:\n{told}");
    }
}

#[test]
fn a_number_without_a_unit_is_what_distribution_reads_and_told() {
    let config = config("version: 0.1\nstorage: filesystem\nhttp: {draintimeout: 60}\n");
    assert_eq!(config.http.drain_timeout.as_nanos(), 60);
    let told = lines(&config.warnings);
    assert!(
        told.contains("http.draintimeout") && told.contains("nanoseconds"),
        "{told}"
    );
}

#[test]
fn a_port_that_is_none() {
    for (http, expected) in [
        (
            "addr: ':99999'",
            "http.addr = \":99999\": expected a port of at most 65535\n",
        ),
        (
            "addr: 28444",
            "http.addr = \"28444\": expected host:port, :port or unix:PATH; did you mean :28444?\n",
        ),
        (
            "debug: {addr: ':65536'}",
            "http.debug.addr = \":65536\": expected a port of at most 65535\n",
        ),
        (
            "redirecthttps: 80, tls: {auto: true}",
            "http.redirecthttps = \"80\": expected host:port, :port or unix:PATH; did you mean :80?\n",
        ),
        (
            "host: 'https://r:70000'",
            "http.host = \"https://r:70000\": expected a port of 1 to 65535\n",
        ),
    ] {
        let told = lines(&mistakes(&format!(
            "version: 0.1\nstorage: filesystem\nhttp: {{{http}}}\n"
        )));
        assert_eq!(told, expected);
    }
}

/// The kind of file that people make of a compose file's section.
#[test]
fn a_configuration_below_a_key_of_its_own() {
    let told = lines(&mistakes("registry:\n  version: 0.1\n  storage: filesystem\n"));
    assert!(
        told.contains("registry: unknown key; what is below it belongs at the top of the file, without registry:\n"),
        "{told}"
    );
    let told = lines(&mistakes("version: 0.1\nstorage: filesystem\nregistry: {name: mine}\n"));
    assert!(
        told.starts_with("registry: unknown key; known here: version, log"),
        "{told}"
    );
    // A key that is refused where it belongs is not what was meant.
    let told = lines(&mistakes(
        "version: 0.1\nstorage: filesystem\nendpoints: []\nrealm: x\n",
    ));
    assert!(
        told.starts_with("endpoints: unknown key; known here") && told.contains("did you mean auth.htpasswd.realm?"),
        "{told}"
    );
}

#[test]
fn flags_of_yaml_1_1_are_flags_everywhere() {
    let config = config(
        "version: 0.1\nstorage: {filesystem: {rootdirectory: /d}, delete: {enabled: yes}}\n\
         http: {tls: {auto: on}}\ncompatibility: {schema1: {enabled: off}}\n\
         notifications: {endpoints: [{name: a, url: 'http://a/', disabled: yes}]}\n",
    );
    assert!(config.storage.delete && config.http.tls.is_some());
    assert_eq!(
        config.warnings.len(),
        1,
        "only that there are no accounts: {:?}",
        config.warnings
    );
    let told = lines(&mistakes(
        "version: 0.1\nstorage: filesystem\ncompatibility: {schema1: {enabled: yes}}\n",
    ));
    assert!(
        told.starts_with("compatibility.schema1.enabled = \"yes\": not supported"),
        "{told}"
    );
}

#[test]
fn a_file_that_is_no_utf_8_is_told_by_line() {
    for (bytes, expected) in [
        (
            b"version: 0.1\n# M\xfcller\nstorage: filesystem\n".as_slice(),
            ":2:4: the byte 0xFC is not UTF-8",
        ),
        (b"\xff\xfev\0e\0".as_slice(), ":1:1: UTF-16"),
    ] {
        let error = File::new(bytes).load(&[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for bytes in [
        "\u{feff}version: 0.1\nstorage: filesystem\n",
        "version: 0.1\nstorage: filesystem\n---\n",
        "\u{feff}---\r\nversion: 0.1\r\nstorage: filesystem\r\n---\r\n",
    ] {
        File::new(bytes).load(&[]).unwrap();
    }
}

#[test]
fn unknown_keys_deep_in_lists_and_sections() {
    let told = lines(&mistakes(
        "
version: 0.1
storage: {filesystem: {rootdir: /x}}
http: {debug: {prometheus: {enable: true}}, aliases: [{nam: a, certificate: c, key: k}]}
auth: {acl: [{match: {acount: a}, actions: [pull]}]}
zzz: 1
",
    ));
    for start in [
        "storage.filesystem.rootdir: unknown key; known here: rootdirectory, maxthreads",
        "http.debug.prometheus.enable: unknown key; did you mean http.debug.prometheus.enabled?",
        "http.aliases[0].nam: unknown key; did you mean http.aliases[0].name?",
        "auth.acl[0].match.acount: unknown key; did you mean auth.acl[0].match.account?",
        "zzz: unknown key; known here: version, log",
    ] {
        assert!(told.lines().any(|line| line.starts_with(start)), "{start} in:\n{told}");
    }
}

#[test]
fn malformed_patterns_name_the_rule_and_the_field() {
    let told = lines(&mistakes(
        "
version: 0.1
storage: filesystem
auth:
  htpasswd: {path: h}
  issuer: true
  acl:
    - {match: {}, actions: [pull]}
    - {match: {account: '/foo?*(/', name: '/foo(/', type: '[', labels: {group: '/foo(/'}}, actions: [pull]}
    - {match: {name: '/${account}(/', service: '${nobody}'}, actions: [pull]}
  anonymous: {pull: ['free/**', '/(/', '[a']}
",
    ));
    for start in [
        "auth.acl[1].match.account = \"/foo?*(/\": expected a regular expression: ",
        "auth.acl[1].match.name = \"/foo(/\": expected a regular expression: ",
        "auth.acl[1].match.type = \"[\": expected a glob: ",
        "auth.acl[1].match.labels.group = \"/foo(/\": expected a regular expression: ",
        "auth.acl[2].match.name = \"/${account}(/\": expected a regular expression: ",
        "auth.acl[2].match.service = \"${nobody}\": expected a variable that exists instead of ${nobody}: ",
        "auth.anonymous.pull[1] = \"/(/\": expected a regular expression: ",
        "auth.anonymous.pull[2] = \"[a\": expected a glob: ",
    ] {
        assert!(told.lines().any(|line| line.starts_with(start)), "{start} in:\n{told}");
    }
}

#[test]
fn headers_that_cannot_be_sent_are_mistakes() {
    for (header, expected) in [
        ("'X Y': [a]", "http.headers.X Y"),
        ("'': [a]", "http.headers."),
        ("upgrade: [a]", "http.headers.upgrade"),
        ("X-A: [\"a\\nb\"]", "http.headers.X-A"),
        ("X-A: [ok, \"a\\tb\"]", "http.headers.X-A"),
    ] {
        let text = format!("{{version: 0.1, storage: filesystem, http: {{headers: {{{header}}}}}}}");
        let told = lines(&mistakes(&text));
        assert!(
            told.lines().any(|line| line.starts_with(expected)),
            "{header} in:\n{told}"
        );
    }
}
