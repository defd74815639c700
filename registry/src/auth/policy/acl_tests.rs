//! docker_auth's documented behaviour, row by row.

use super::*;

/// `account=foo name=/z$/ ip=10.0.0.0/8 label.group=VIP -> pull,push`
fn rule(text: &str) -> AclRule {
    let (fields, actions) = text.split_once("->").unwrap_or((text, "*"));
    let mut matches = AclMatch::default();
    for field in fields.split_whitespace() {
        let (key, value) = field.split_once('=').unwrap();
        let pattern = || value.parse().unwrap();
        match key {
            "account" => matches.account = Some(pattern()),
            "type" => matches.r#type = Some(pattern()),
            "name" => matches.name = Some(pattern()),
            "service" => matches.service = Some(pattern()),
            "ip" => matches.ip = Some(value.parse().unwrap()),
            label => {
                matches
                    .labels
                    .insert(label.strip_prefix("label.").unwrap().to_owned(), pattern());
            }
        }
    }
    let actions = actions
        .trim()
        .split(',')
        .filter(|action| !action.is_empty())
        .map(str::to_owned)
        .collect();
    AclRule {
        matches,
        actions,
        comment: None,
    }
}

fn query<'a>(account: &'a str, kind: &'a str, name: &'a str, groups: &'a [String]) -> Query<'a> {
    Query {
        account,
        kind,
        name,
        service: "notary",
        client: None,
        groups,
    }
}

fn matches(text: &str, query: &Query<'_>) -> bool {
    Acl::new(&[rule(text)]).unwrap().first_match(query).is_some()
}

// proves: MAKINA-05
#[test]
fn fields_match_as_in_docker_auth() {
    let foo = query("foo", "bar", "baz", &[]);
    for (rule, query, expected) in [
        ("", foo, true),
        ("account=foo", foo, true),
        ("account=foo type=bar", foo, true),
        ("account=foo type=baz", foo, false),
        ("account=fo? type=b* name=/z$/", foo, true),
        ("account=fo? type=b* name=/^z/", foo, false),
        ("service=notary type=bar", foo, true),
        ("service=notary1 type=bar", foo, false),
        ("name=*", query("foo", "bar", "a/b", &[]), false),
        ("name=*/*", query("foo", "bar", "a/b", &[]), true),
        ("account=", query("", "bar", "baz", &[]), true),
        ("account=", foo, false),
        ("account=/.+/", query("", "bar", "baz", &[]), false),
        ("name=${account}", query("foo", "", "foo", &[]), true),
        ("name=${account}/*", query("foo", "", "foo/x", &[]), true),
        ("name=${account}/*", query("foo", "", "bar/x", &[]), false),
        ("name=/${account}_.*/", query("foo", "", "foo_x", &[]), true),
        ("name=/${account}_.*/", query(".*", "", "foo_x", &[]), false),
        (
            "name=${type}/${service}/${account}",
            query("foo", "bar", "bar/notary/foo", &[]),
            true,
        ),
        (
            "account=/^(.+)@test\\.com$/ name=${account:1}/*",
            query("john.smith@test.com", "", "john.smith/test", &[]),
            true,
        ),
        (
            "account=/^(.+)@test\\.com$/ name=${account:3}/*",
            query("john.smith@test.com", "", "john.smith/test", &[]),
            false,
        ),
        (
            "account=/^(.+)@test\\.com$/ name=${account:0}/*",
            query("john.smith@test.com", "", "john.smith/test", &[]),
            false,
        ),
        (
            "account=/^(.+)@(.+?).test\\.com$/ name=${account:1}-${account:2}/*",
            query("john.smith@it.test.com", "", "john.smith-it/test", &[]),
            true,
        ),
        (
            "account=/^(.+)@test\\.com$/ name=/^${account:1}-[a-z]+$/",
            query("j@test.com", "", "j-x", &[]),
            true,
        ),
        // A captured text is a text: docker_auth would let this one into every repository.
        (
            "account=/^(.+)@test\\.com$/ name=${account:1}/*",
            query("*@test.com", "", "john/test", &[]),
            false,
        ),
    ] {
        assert_eq!(matches(rule, &query), expected, "{rule} {query:?}");
    }
}

#[test]
fn addresses_match_as_in_docker_auth() {
    for (network, client, expected) in [
        ("127.0.0.1", None, false),
        ("127.0.0.1", Some("127.0.0.1"), true),
        ("127.0.0.1", Some("127.0.0.2"), false),
        ("127.0.0.0/8", Some("127.1.2.3"), true),
        ("127.0.0.0/8", Some("::ffff:127.1.2.3"), true),
        ("2001:db8::1", Some("2001:db8::1"), true),
        ("2001:db8::1", Some("2001:db8::2"), false),
        ("2001:db8::/48", Some("2001:db8::2"), true),
    ] {
        let client = client.map(|client: &str| client.parse().unwrap());
        let query = Query {
            client,
            ..query("foo", "bar", "baz", &[])
        };
        assert_eq!(
            matches(&format!("ip={network}"), &query),
            expected,
            "{network} {client:?}"
        );
    }
}

#[test]
fn groups_match_as_in_docker_auth() {
    let groups = ["admins".to_owned(), "VIP".to_owned()];
    let foo = query("foo", "bar", "admins/foo", &groups);
    for (rule, expected) in [
        ("label.foo=bar", false),
        ("label.group=admins", true),
        ("label.foo=bar label.group=admins", false),
        ("label.group=VIP", true),
        ("label.group=a*", true),
        ("label.group=/^(admins|VIP)$/", true),
        ("label.group=devs", false),
        ("name=${labels:group}/*", true),
        ("name=/^${labels:group}/[a-z]+$/", true),
        ("name=${labels:noexist}/*", false),
        ("name=${labels:group}/${labels:noexist}", false),
        ("name=${labels:group}/bar", false),
        ("name=/^(admins|${labels:noexist})\\//", true),
        // A capture is known to a label when a field has it too.
        ("account=/^(.)oo$/ label.group=/^${account:1}?VIP$/", false),
        (
            "account=/^(.)oo$/ label.group=/^${account:1}?VIP$/ name=/${account:1}oo/",
            true,
        ),
    ] {
        assert_eq!(matches(rule, &foo), expected, "{rule}");
    }
    assert!(!matches("label.group=admins", &query("foo", "bar", "baz", &[])));
    assert!(!matches("name=${labels:group}/*", &query("foo", "bar", "baz/foo", &[])));
}

/// The rules of docker_auth's `reference.yml` that its documentation explains.
fn reference() -> Acl {
    let rules = [
        "ip=127.0.0.0/8 -> *",
        "account=admin -> *",
        "account=test name=test-* -> *",
        "account=test -> ",
        "account=/.+/ name=${account}/* -> *",
        "account=/.+/ type=registry name=catalog -> *",
        "account=/.+/ -> pull",
        "account= name=hello-world -> pull",
        "label.group=VIP -> push",
    ];
    Acl::new(&rules.map(rule)).unwrap()
}

// proves: MAKINA-04, MAKINA-05, MAKINA-06, MOSI-10
#[test]
fn the_first_match_decides_and_nothing_is_allowed_by_default() {
    let acl = reference();
    for (account, kind, name, wished, granted, number) in [
        (
            "admin",
            "repository",
            "any/thing",
            "pull,push,delete",
            "pull,push,delete",
            2,
        ),
        ("admin", "registry", "catalog", "*", "*", 2),
        ("test", "repository", "test-1", "pull,push", "pull,push", 3),
        ("test", "repository", "test-1/x", "pull,push", "", 4),
        ("test", "registry", "catalog", "*", "", 4),
        ("anna", "repository", "anna/x", "pull,push,*", "pull,push,*", 5),
        ("anna", "registry", "catalog", "*", "*", 6),
        ("anna", "repository", "bert/x", "pull,push,delete", "pull", 7),
        ("anna", "repository", "bert/x", "*", "", 7),
        ("", "repository", "hello-world", "pull,push", "pull", 8),
        ("", "repository", "hello-universe", "pull", "", 0),
        ("", "registry", "catalog", "*", "", 0),
    ] {
        let query = query(account, kind, name, &[]);
        let wished = wished
            .split(',')
            .filter_map(Actions::named)
            .fold(Actions::NONE, |all, one| all | one);
        assert_eq!(acl.granted(&query, wished).to_string(), granted, "{query:?}");
        assert_eq!(
            acl.first_match(&query).map_or(0, |(number, _)| number),
            number,
            "{query:?}"
        );
    }
}

#[test]
fn a_star_among_others_is_an_action_like_the_others() {
    let acl = Acl::new(&[rule("-> pull,*")]).unwrap();
    let all = Actions::PULL | Actions::PUSH | Actions::ALL;
    let foo = query("foo", "", "", &[]);
    assert_eq!(acl.granted(&foo, all), Actions::PULL | Actions::ALL);
    let acl = Acl::new(&[rule("-> *,*")]).unwrap();
    assert_eq!(acl.granted(&foo, all), Actions::ALL, "two stars are not one");
}

#[test]
fn mistakes_name_the_rule_and_the_field() {
    let error = Acl::new(&[rule(""), rule("name=x -> pul")])
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("auth.acl[1].actions: `pul` is no action"), "{error}");
}

#[test]
fn a_rule_is_shown_as_it_is_written() {
    let mut rule = rule("account=anna name=a/* ip=10.0.0.0/8 label.group=VIP -> pull,push");
    rule.comment = Some("the boss".to_owned());
    let acl = Acl::new(&[rule]).unwrap();
    let shown = acl.rules[0].to_string();
    assert_eq!(
        shown,
        "match: {account: \"anna\", name: \"a/*\", ip: \"10.0.0.0/8\", labels: {group: \"VIP\"}} actions: [\"pull\", \"push\"] (the boss)"
    );
}
