use super::*;

const HASH: &str = "$2y$04$LYnVGvdTXngm6uDRqpRHPePecbOCz/V9WcMxsRkmZljkubx9O1L1u"; // secret

const PILLAR: &str = "\
makina-projects.registry:
  data:
    users:
      admin: {password: test1}
      readonly:
        password: |
          test2
      hashed: {password: '$2y$04$LYnVGvdTXngm6uDRqpRHPePecbOCz/V9WcMxsRkmZljkubx9O1L1u'}
      template: {password: \"{{ salt['generate']('x') }}\"}
      other: {password: $6$abc$def}
      '': {}
    acl:
      # Admin has full access to everything.
      - {match: {account: \"admin\"}, actions: [\"*\"]}
      - {match: {account: \"readonly\"}, actions: [\"pull\"]}
    domain: \"registryh.docker.tld\"
    ssl_key: |
      -----BEGIN
";

fn read_as(file: &str, text: &str) -> Result<DockerAuth, ImportError> {
    DockerAuth::read(&serde_yaml::from_str(text).unwrap(), text, file, Some("lockgate"))
}

fn read(text: &str) -> DockerAuth {
    read_as("auth.yml", text).unwrap()
}

fn names(found: &DockerAuth) -> Vec<&str> {
    found.accounts.iter().map(|(name, _)| name.as_str()).collect()
}

// proves: MAKINA-09
#[test]
fn a_pillar_holds_passwords_and_a_configuration_hashes() {
    let found = read(PILLAR);
    assert_eq!(names(&found), ["admin", "readonly", "hashed"]);
    for (account, password) in [(0, "test1"), (1, "test2"), (2, "secret")] {
        assert!(found.accounts[account].1.verify(password), "{password}");
    }
    assert_eq!(found.without_account, ["template", "other"]);
    assert!(found.anonymous && found.acl.len() == 3, "{:?}", found.acl);
    assert!(!format!("{found:?}").contains("test1"));
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.starts_with("domain, ssl_key: not taken over"))
    );

    // The same text where docker_auth itself reads it, or where nobody knows who does.
    let own = format!(
        "server: {{addr: ':5001'}}\n{}",
        PILLAR
            .replace("makina-projects.registry:\n  data:\n", "")
            .replace("\n    ", "\n")
    );
    for text in [
        own.trim_start_matches("    ").replace("    users:", "users:"),
        PILLAR.replace("makina-projects.registry", "values"),
        PILLAR.replace("    domain:", "    token: {issuer: i}\n    domain:"),
    ] {
        let found = read(&text);
        assert_eq!(names(&found), ["hashed"], "{text}");
        assert_eq!(found.without_account, ["admin", "readonly", "template", "other"]);
    }
    assert_eq!(
        names(&read_as("registry.sls", &PILLAR.replace("makina-projects.registry", "values")).unwrap()).len(),
        3
    );
}

#[test]
fn passwords_that_let_nobody_in_make_no_account() {
    for password in [
        "$2y$05$xxx",
        "$2y$",
        "$6$abc$def",
        "$1$abc$def",
        "'{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='",
        "$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/",
        "CHANGEME",
        "''",
        "12345",
        "[a]",
        "$2y$31$LYnVGvdTXngm6uDRqpRHPePecbOCz/V9WcMxsRkmZljkubx9O1L1u",
        "$2x$04$LYnVGvdTXngm6uDRqpRHPePecbOCz/V9WcMxsRkmZljkubx9O1L1u",
    ] {
        let found = read(&format!("users: {{anna: {{password: {password}}}}}\nacl: []\n"));
        assert_eq!(names(&found), [""; 0], "{password}");
        assert_eq!(found.without_account, ["anna"]);
        let warning = &found.warnings[0];
        assert!(
            warning.starts_with("users.anna.password: no account was made: "),
            "{warning}"
        );
        assert!(warning.contains("`lockgate user add anna`"), "{warning}");
        assert!(!warning.contains("abc"), "{warning}");
    }
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let found = read(&format!(
            "users: {{anna: {{password: {prefix}{}}}}}\nacl: []\n",
            &HASH[4..]
        ));
        assert!(
            found.accounts[0].1.verify("secret") && found.warnings.is_empty(),
            "{prefix}"
        );
    }
}

#[test]
fn without_rules_in_the_file_nobody_may_do_anything() {
    for (rules, warned) in [
        ("acl: []", ""),
        ("", "acl: there are no rules, and"),
        ("acl: ~", "acl: there are no rules, and"),
        (
            "acl_mongo: {collection: acl}",
            "acl: there are no rules in the file itself",
        ),
        ("acl_xorm: {database_type: mysql}", "acl_xorm: rules from there"),
        ("ext_authz: {command: x}", "ext_authz: rules from there"),
        ("plugin_authz: {plugin_path: x}", "plugin_authz: rules from there"),
        ("casbin_authz: {policy_path: x}", "casbin_authz: rules from there"),
    ] {
        let found = read(&format!("users: {{anna: {{password: {HASH}}}, '': {{}}}}\n{rules}\n"));
        assert_eq!((found.acl.len(), found.anonymous), (0, false), "{rules}");
        assert!(
            found.warnings.join("\n").contains(warned),
            "{rules}: {:?}",
            found.warnings
        );
        assert_eq!(found.warnings.is_empty(), warned.is_empty(), "{:?}", found.warnings);
        assert_eq!(found.notes.is_empty(), rules != "acl: []");
    }
}

#[test]
fn each_section_that_is_not_taken_is_told_once() {
    let accounts = [
        "google_auth",
        "github_auth",
        "oidc_auth",
        "gitlab_auth",
        "ldap_auth",
        "mongo_auth",
        "xorm_auth",
        "ext_auth",
        "plugin_authn",
    ];
    let rules = ["acl_mongo", "acl_xorm", "ext_authz", "plugin_authz", "casbin_authz"];
    for section in accounts.iter().chain(&rules) {
        let found = read(&format!(
            "acl: [{{match: {{}}, actions: [pull]}}]\n{section}: {{labels: {{a: b}}, more: [1]}}\n"
        ));
        assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
        let warning = &found.warnings[0];
        let what = if accounts.contains(section) {
            "accounts"
        } else {
            "rules"
        };
        assert!(
            warning.starts_with(&format!("{section}: {what} from there are not taken over")),
            "{warning}"
        );
        assert!(
            read(&format!("acl: []\n{section}:\n")).warnings.is_empty(),
            "{section} is empty"
        );
    }
}

/// Every key that docker_auth reads of `server` and `token`.
#[test]
fn each_setting_is_told_with_its_place_in_config_yml() {
    let found = read(
        "
users: {}
acl: []
server:
  addr: ':5001'
  net: tcp
  path_prefix: /x
  certificate: c
  key: k
  hsts: true
  tls_min_version: TLS12
  tls_curve_preferences: [P256]
  tls_cipher_suites: [x]
  letsencrypt: {email: a@b, cache_dir: d, host: h}
  real_ip_header: X-Forwarded-For
  real_ip_pos: -2
  speed: 9
token: {issuer: i, expiration: 900, certificate: c, key: k, disable_legacy_key_id: true}
extra: 1
",
    );
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    // One for each key, and one for the empty list of rules.
    assert_eq!(found.notes.len(), 13 + 5 + 1 + 1, "{:#?}", found.notes);
    for start in [
        "server.tls_min_version: not taken over; its place in config.yml is http.tls.minimumtls",
        "server.real_ip_pos: not taken over: the client",
        "server.speed: not taken over: docker_auth has no such key",
        "token.expiration: not taken over; its place in config.yml is auth.issuer.expiration",
        "extra: not taken over: docker_auth has no such keys",
    ] {
        assert!(
            found.notes.iter().any(|note| note.starts_with(start)),
            "{start} in {:#?}",
            found.notes
        );
    }
}

#[test]
fn labels_that_are_groups_stay_and_others_are_written_out() {
    let users =
        format!("users: {{anna: {{password: {HASH}, labels: {{group: [VIP, dev], title: [Boss]}}}}, bert: {{}}}}\n");
    let found = read(&format!(
        "{users}acl: [{{match: {{labels: {{group: VIP}}}}, actions: [pull]}}]\n"
    ));
    assert_eq!(found.acl, [r#"{match: {labels: {"group": "VIP"}}, actions: ["pull"]}"#]);
    assert_eq!(found.groups["VIP"], ["anna"]);
    assert!(
        found
            .notes
            .iter()
            .any(|note| note == "users anna: the label \"title\" was left out: no rule asks for it"),
        "{:?}",
        found.notes
    );

    let found = read(&format!(
        "{users}acl: [{{match: {{labels: {{title: B*}}}}, actions: [pull]}}]\n"
    ));
    assert_eq!(
        found.acl,
        [r#"{match: {labels: {"group": "title=B_"}}, actions: ["pull"]}"#]
    );
    assert_eq!(found.groups["title=B_"], ["anna"]);
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.starts_with("acl[0]: written for auth.groups \"title=B_\"")),
        "{:?}",
        found.notes
    );

    // Somebody whom nobody knows here may have the label.
    let found = read(&format!(
        "{users}ldap_auth: {{addr: x}}\nacl: [{{match: {{labels: {{groups: Admin}}}}, actions: []}}]\n"
    ));
    assert!(
        found
            .warnings
            .iter()
            .any(|warning| warning.starts_with("acl[0]: the rule was left out")),
        "{:?}",
        found.warnings
    );
}

#[test]
fn groups_of_other_accounts_have_other_names() {
    let found = read(&format!(
        "users:
  anna: {{password: {HASH}, labels: {{a: ['x*']}}}}
  bert: {{password: {HASH}, labels: {{a: ['x?']}}}}
acl: [{{match: {{name: '${{labels:a}}'}}, actions: [pull]}}]
"
    ));
    assert_eq!(found.acl.len(), 2, "{:?}", found.acl);
    assert_eq!(found.groups["a=x_"], ["anna"]);
    assert_eq!(found.groups["a=x_-2"], ["bert"]);
}

#[test]
fn what_cannot_be_taken_over_says_why_and_where() {
    let many: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    let many = many.join(", ");
    for (text, expected) in [
        ("a: 1", "no `users`"),
        ("[]", "no `users`"),
        ("x: {users: {a: {}}}\ny: {users: {a: {}}}", "at x, y"),
        ("users: {a: {password: b}}\nacl: 1", "acl: expected a list of rules"),
        ("users: [a]\nacl: []", "users: expected users: {NAME"),
        ("users: {a: b}\nacl: []", "users.a: expected {password: HASH}"),
        (
            "users: {a: {labels: {x: y}}}\nacl: []",
            "users.a.labels.x: expected a list",
        ),
        ("users: {true: {}}\nacl: []", "users: put this into quotes"),
        ("acl: [~]", "acl[0]: expected {match"),
        (
            "acl: [{match: {}, actions: [], note: x}]",
            "acl[0].note: docker_auth ignores this key",
        ),
        (
            "acl: [{match: {name: 1.10}, actions: []}]",
            "acl[0].match.name: put this into quotes",
        ),
        (
            "acl: [{match: {name: 0x10}, actions: []}]",
            "acl[0].match.name: put this into quotes",
        ),
        (
            "acl: [{match: {name: +10}, actions: []}]",
            "acl[0].match.name: put this into quotes",
        ),
        (
            "acl: [{match: {name: '/(/'}, actions: []}]",
            "acl[0].match.name: \"/(/\": expected a regular expression",
        ),
        (
            "acl: [{match: {service: other}, actions: []}]",
            "acl[0].match.service: no rule is about the service",
        ),
        ("x: {acl: [{match: 1}]}", "x.acl[0]: `match` is missing"),
        (
            &format!(
                "users: {{a: {{labels: {{x: [{many}], y: [{many}]}}}}}}\nacl: [{{match: {{name: '${{labels:x}}/${{labels:y}}'}}, actions: []}}]"
            ),
            "acl[0]: too many combinations",
        ),
        (
            "users: {a: {labels: {x: ['${name}']}}}\nacl: [{match: {name: '${labels:x}'}, actions: []}]",
            "acl[0]: a label holds ${",
        ),
    ] {
        let read = read_as("auth.yml", text).map(|found| found.acl.len());
        let error = read.unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
