//! Every endpoint, every way to get it wrong, and what no one would send.

use proptest::prelude::*;

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ID: &str = "0193b1f4-8b5e-4a3c-9d6e-0123456789ab";

fn get(path: &str) -> Result<Route, RouteError> {
    on(Method::GET, path)
}

fn on(method: Method, target: &str) -> Result<Route, RouteError> {
    match target.split_once('?') {
        Some((path, query)) => route(&method, path, Some(query)),
        None => route(&method, target, None),
    }
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn sha256() -> Digest {
    format!("sha256:{HEX}").parse().unwrap()
}

#[test]
fn the_base_is_found_with_and_without_its_slash() {
    assert_eq!(get("/v2/"), Ok(Route::Support));
    assert_eq!(get("/v2"), Ok(Route::Support));
    assert_eq!(on(Method::HEAD, "/v2/"), Ok(Route::Support));
}

#[test]
fn names_may_hold_the_words_of_endpoints() {
    for repository in [
        "a",
        "a/b/c",
        "tags/list",
        "a/blobs/b",
        "blobs/uploads",
        "manifests",
        "x/manifests/y",
        "referrers/referrers",
        "foo/manifests",
        "v2",
    ] {
        let repository = name(repository);
        let tags = get(&format!("/v2/{repository}/tags/list"));
        assert_eq!(
            tags,
            Ok(Route::Tags {
                repository: repository.clone(),
                page: PageQuery::default()
            })
        );
        for tag in ["list", "uploads", "tags", "latest", "blobs"] {
            assert_eq!(
                get(&format!("/v2/{repository}/manifests/{tag}")),
                Ok(Route::GetManifest {
                    repository: repository.clone(),
                    reference: Reference::Tag(tag.parse().unwrap())
                })
            );
        }
        assert_eq!(
            get(&format!("/v2/{repository}/blobs/sha256:{HEX}")),
            Ok(Route::GetBlob {
                repository: repository.clone(),
                digest: sha256()
            })
        );
        assert!(matches!(
            on(Method::POST, &format!("/v2/{repository}/blobs/uploads/")),
            Ok(Route::BeginUpload { repository: found, .. }) if found == repository
        ));
        assert_eq!(
            get(&format!("/v2/{repository}/blobs/uploads/{ID}")),
            Ok(Route::UploadStatus {
                repository: repository.clone(),
                id: ID.parse().unwrap()
            })
        );
        assert!(matches!(
            get(&format!("/v2/{repository}/referrers/sha256:{HEX}")),
            Ok(Route::Referrers { repository: found, .. }) if found == repository
        ));
    }
}

#[test]
fn head_goes_where_get_goes() {
    for path in [
        "/v2/_catalog".to_owned(),
        "/v2/a/tags/list".to_owned(),
        "/v2/a/manifests/b".to_owned(),
        format!("/v2/a/blobs/sha256:{HEX}"),
        format!("/v2/a/blobs/uploads/{ID}"),
        format!("/v2/a/referrers/sha256:{HEX}"),
    ] {
        assert_eq!(on(Method::HEAD, &path), get(&path));
        assert!(get(&path).is_ok(), "{path}");
    }
}

#[test]
fn other_methods_are_told_which_ones_there_are() {
    for (path, allow) in [
        ("/v2/".to_owned(), READ),
        ("/v2/_catalog".to_owned(), READ),
        ("/v2/a/tags/list".to_owned(), READ),
        ("/v2/a/manifests/b".to_owned(), MANIFEST),
        (format!("/v2/a/blobs/sha256:{HEX}"), BLOB),
        ("/v2/a/blobs/uploads/".to_owned(), UPLOADS),
        (format!("/v2/a/blobs/uploads/{ID}"), UPLOAD),
        (format!("/v2/a/referrers/sha256:{HEX}"), READ),
    ] {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            let found = on(method.parse().unwrap(), &format!("{path}?digest=sha256:{HEX}"));
            let refused = Err(RouteError::MethodNotAllowed { allow });
            assert_eq!(found == refused, !allow.contains(&method), "{method} {path}: {found:?}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_apart() {
    for path in [
        "",
        "/",
        "/v1/",
        "/v2x",
        "v2/",
        "/v2/a",
        "/v2/a/",
        "/v2/a/b",
        "/v2/manifests/latest",
        "/v2/tags/list",
    ] {
        assert_eq!(get(path), Err(RouteError::NotFound), "{path}");
    }
    for path in [
        "/v2/a/blobs/uploads/x/y",
        "/v2/uploads/x",
        "/v2/blobs/uploads/",
        "/v2/%FF/tags/list",
        "/v2/a/tags/list/",
    ] {
        assert_eq!(get(path), Err(RouteError::NotFound), "{path}");
    }
    for path in [
        "/v2/A/tags/list",
        "/v2//tags/list",
        "/v2/a//b/tags/list",
        "/v2/a/../b/tags/list",
        "/v2/../../etc/tags/list",
        "/v2/a%00/tags/list",
        "/v2/a%252Fb/tags/list",
        "/v2/a%2e%2e/tags/list",
        "/v2/a%2F..%2Fb/manifests/latest",
        "/v2/ä/blobs/uploads/x",
        &format!("/v2/{}/tags/list", "a".repeat(256)),
    ] {
        assert!(
            matches!(get(path), Err(RouteError::NameInvalid(_))),
            "{path}: {:?}",
            get(path)
        );
    }
    for path in [
        "/v2/a/manifests/sha256:baddigeststring",
        "/v2/a/blobs/latest",
        "/v2/a/referrers/sha384:00",
        "/v2/a/blobs/",
    ] {
        assert!(matches!(get(path), Err(RouteError::DigestInvalid(_))), "{path}");
    }
    for path in [
        "/v2/a/manifests/.",
        "/v2/a/manifests/..",
        "/v2/a/manifests/",
        "/v2/a/manifests/a%2Eb%20c",
    ] {
        assert!(matches!(get(path), Err(RouteError::TagInvalid(_))), "{path}");
    }
    for id in [
        "x",
        "..",
        "0193B1F4-8B5E-4A3C-9D6E-0123456789AB",
        "0193b1f48b5e4a3c9d6e0123456789ab",
    ] {
        assert_eq!(
            get(&format!("/v2/a/blobs/uploads/{id}")),
            Err(RouteError::UploadUnknown),
            "{id}"
        );
    }
}

#[test]
fn paths_are_decoded_once() {
    let digest = format!("/v2/a/blobs/sha256%3A{HEX}");
    assert_eq!(
        get(&digest),
        Ok(Route::GetBlob {
            repository: name("a"),
            digest: sha256()
        })
    );
    let slash = get("/v2/a%2Fb/tags/list");
    assert_eq!(
        slash,
        Ok(Route::Tags {
            repository: name("a/b"),
            page: PageQuery::default()
        })
    );
}

#[test]
fn pages() {
    let page = |query: &str| match get(&format!("/v2/_catalog?{query}")) {
        Ok(Route::Catalog { page }) => Ok((page.n, page.last)),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(page(""), Ok((None, None)));
    assert_eq!(page("n=&last="), Ok((None, None)));
    assert_eq!(page("n=0"), Ok((Some(0), None)));
    assert_eq!(page("n=10&last=a%2Fb"), Ok((Some(10), Some("a/b".to_owned()))));
    assert_eq!(page("last=a/b&n=7&other=1"), Ok((Some(7), Some("a/b".to_owned()))));
    for n in ["-1", "x", "1.5", "99999999999999999999999"] {
        assert_eq!(
            page(&format!("n={n}")),
            Err(RouteError::PaginationInvalid(n.to_owned()))
        );
        assert!(get(&format!("/v2/a/tags/list?n={n}")).is_err());
    }
}

#[test]
fn uploads_begin_in_several_ways() {
    let begin = |query: &str| match on(Method::POST, &format!("/v2/a/blobs/uploads/?{query}")) {
        Ok(Route::BeginUpload { begin, .. }) => Ok(begin),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let sha512: Digest = format!("sha512:{HEX}{HEX}").parse().unwrap();
    let plain = BeginUpload {
        algorithm: Algorithm::Sha256,
        digest: None,
        mount: None,
    };
    assert_eq!(begin(""), Ok(plain.clone()));
    assert_eq!(
        begin("digest-algorithm=sha512"),
        Ok(BeginUpload {
            algorithm: Algorithm::Sha512,
            ..plain.clone()
        })
    );
    assert_eq!(
        begin(&format!("digest={sha512}")),
        Ok(BeginUpload {
            algorithm: Algorithm::Sha512,
            digest: Some(sha512.clone()),
            mount: None
        })
    );
    let mount = |from: Option<&str>| BeginUpload {
        algorithm: Algorithm::Sha512,
        digest: None,
        mount: Some(Mount {
            digest: sha512.clone(),
            from: from.map(name),
        }),
    };
    assert_eq!(begin(&format!("mount={sha512}&from=b%2Fc")), Ok(mount(Some("b/c"))));
    assert_eq!(begin(&format!("from=b/c&mount={sha512}")), Ok(mount(Some("b/c"))));
    assert_eq!(begin(&format!("mount={sha512}&from=")), Ok(mount(None)));
    // Not a mount from anywhere: the client named a source, and it cannot be one.
    let elsewhere = BeginUpload {
        algorithm: Algorithm::Sha512,
        ..plain
    };
    assert_eq!(begin(&format!("mount={sha512}&from=NOT!A!NAME")), Ok(elsewhere));
    for query in [
        "digest=x",
        "mount=sha256:00",
        "digest-algorithm=sha384",
        "digest-algorithm=SHA256",
    ] {
        assert!(matches!(begin(query), Err(RouteError::DigestInvalid(_))), "{query}");
    }
}

#[test]
fn the_closing_request_has_a_digest() {
    let finish = |query: &str| on(Method::PUT, &format!("/v2/a/blobs/uploads/{ID}?{query}"));
    let (repository, id) = (name("a"), ID.parse().unwrap());
    let found = finish(&format!("_state=xyz&digest=sha256%3A{HEX}"));
    assert_eq!(
        found,
        Ok(Route::FinishUpload {
            repository,
            id,
            digest: sha256()
        })
    );
    assert_eq!(finish(""), Err(RouteError::DigestMissing));
    assert_eq!(finish("digest="), Err(RouteError::DigestMissing));
    assert!(matches!(finish("digest=sha256:00"), Err(RouteError::DigestInvalid(_))));
}

#[test]
fn manifests_are_pushed_with_further_tags() {
    let tags = |query: &str| match on(Method::PUT, &format!("/v2/a/manifests/sha256:{HEX}?{query}")) {
        Ok(Route::PutManifest { tags, .. }) => Ok(tags.iter().map(Tag::to_string).collect::<Vec<_>>()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(
        tags("tag=1.2.3&tag=1&tag=latest&tag=1"),
        Ok(["1.2.3", "1", "latest"].map(str::to_owned).into())
    );
    assert!(matches!(tags("tag=ok&tag=not%20ok"), Err(RouteError::TagInvalid(_))));
    let many = |count: usize| (0..count).map(|i| format!("tag=t{i}")).collect::<Vec<_>>().join("&");
    assert_eq!(tags(&many(MAX_TAGS)).map(|tags| tags.len()), Ok(MAX_TAGS));
    assert_eq!(
        tags(&many(MAX_TAGS + 1)),
        Err(RouteError::TooManyTags { max: MAX_TAGS })
    );
}

#[test]
fn referrers_are_filtered_and_paged() {
    let query = |text: &str| match get(&format!("/v2/a/referrers/sha256:{HEX}?{text}")) {
        Ok(Route::Referrers { query, .. }) => Ok((query.artifact_type, query.last)),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let json = || Some("application/x+json".to_owned());
    assert_eq!(query("artifactType=application%2Fx%2Bjson"), Ok((json(), None)));
    assert_eq!(query("artifactType=application/x+json"), Ok((json(), None)));
    assert_eq!(query(&format!("last=sha256:{HEX}")), Ok((None, Some(sha256()))));
    assert!(matches!(query("last=x"), Err(RouteError::DigestInvalid(_))));
}

/// How a client writes the request for a route.
fn render(route: &Route) -> (Method, String) {
    let pairs = |pairs: Vec<(&str, Option<String>)>| {
        let given = pairs
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", encode(&value?))));
        given.collect::<Vec<_>>().join("&")
    };
    let page = |page: &PageQuery| pairs(vec![("n", page.n.map(|n| n.to_string())), ("last", page.last.clone())]);
    let upload = |repository, id| format!("/v2/{repository}/blobs/uploads/{id}");
    let (method, target) = match route {
        Route::Support => ("GET", "/v2/".to_owned()),
        Route::Catalog { page: p } => ("GET", format!("/v2/_catalog?{}", page(p))),
        Route::Tags { repository, page: p } => ("GET", format!("/v2/{repository}/tags/list?{}", page(p))),
        Route::GetManifest { repository, reference } => ("GET", format!("/v2/{repository}/manifests/{reference}")),
        Route::DeleteManifest { repository, reference } => {
            ("DELETE", format!("/v2/{repository}/manifests/{reference}"))
        }
        Route::PutManifest {
            repository,
            reference,
            tags,
        } => {
            let tags = pairs(tags.iter().map(|tag| ("tag", Some(tag.to_string()))).collect());
            ("PUT", format!("/v2/{repository}/manifests/{reference}?{tags}"))
        }
        Route::GetBlob { repository, digest } => ("GET", format!("/v2/{repository}/blobs/{digest}")),
        Route::DeleteBlob { repository, digest } => ("DELETE", format!("/v2/{repository}/blobs/{digest}")),
        Route::BeginUpload { repository, begin } => {
            let query = pairs(vec![
                ("digest-algorithm", Some(begin.algorithm.name().to_owned())),
                ("digest", begin.digest.as_ref().map(Digest::to_string)),
                ("mount", begin.mount.as_ref().map(|mount| mount.digest.to_string())),
                (
                    "from",
                    begin
                        .mount
                        .as_ref()
                        .and_then(|mount| mount.from.as_ref())
                        .map(RepositoryName::to_string),
                ),
            ]);
            ("POST", format!("/v2/{repository}/blobs/uploads/?{query}"))
        }
        Route::UploadStatus { repository, id } => ("GET", upload(repository, id)),
        Route::AppendUpload { repository, id } => ("PATCH", upload(repository, id)),
        Route::CancelUpload { repository, id } => ("DELETE", upload(repository, id)),
        Route::FinishUpload { repository, id, digest } => (
            "PUT",
            format!("{}?digest={}", upload(repository, id), encode(&digest.to_string())),
        ),
        Route::Referrers {
            repository,
            subject,
            query,
        } => {
            let query = pairs(vec![
                ("artifactType", query.artifact_type.clone()),
                ("last", query.last.as_ref().map(Digest::to_string)),
            ]);
            ("GET", format!("/v2/{repository}/referrers/{subject}?{query}"))
        }
    };
    (method.parse().unwrap(), target)
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn repositories() -> impl Strategy<Value = RepositoryName> {
    let component = prop_oneof![
        "[a-z0-9]{1,8}((\\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}",
        prop::sample::select(vec!["tags", "list", "blobs", "uploads", "manifests", "referrers", "v2"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(component, 1..5).prop_map(|components| name(&components.join("/")))
}

fn digests() -> impl Strategy<Value = Digest> {
    let hex = prop_oneof![
        "[0-9a-f]{64}".prop_map(|hex| format!("sha256:{hex}")),
        "[0-9a-f]{128}".prop_map(|hex| format!("sha512:{hex}"))
    ];
    hex.prop_map(|text| text.parse().unwrap())
}

fn tags() -> impl Strategy<Value = Tag> {
    "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}".prop_map(|text| text.parse().unwrap())
}

fn references() -> impl Strategy<Value = Reference> {
    prop_oneof![tags().prop_map(Reference::Tag), digests().prop_map(Reference::Digest)]
}

fn pages_of() -> impl Strategy<Value = PageQuery> {
    (any::<Option<usize>>(), prop::option::of(".{1,20}")).prop_map(|(n, last)| PageQuery { n, last })
}

fn routes() -> impl Strategy<Value = Route> {
    let ids = || any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string().parse::<UploadId>().unwrap());
    let mounts = (digests(), prop::option::of(repositories())).prop_map(|(digest, from)| Mount { digest, from });
    let algorithms = prop::sample::select(vec![Algorithm::Sha256, Algorithm::Sha512]);
    let begins =
        (algorithms, prop::option::of(digests()), prop::option::of(mounts)).prop_map(|(algorithm, digest, mount)| {
            BeginUpload {
                algorithm,
                digest,
                mount,
            }
        });
    let filters = (prop::option::of("[a-z]{1,5}/[a-z+]{1,5}"), prop::option::of(digests()))
        .prop_map(|(artifact_type, last)| ReferrersQuery { artifact_type, last });
    let distinct = |mut tags: Vec<Tag>| {
        tags.sort();
        tags.dedup();
        tags
    };
    prop_oneof![
        Just(Route::Support),
        pages_of().prop_map(|page| Route::Catalog { page }),
        (repositories(), pages_of()).prop_map(|(repository, page)| Route::Tags { repository, page }),
        (repositories(), references()).prop_map(|(repository, reference)| Route::GetManifest { repository, reference }),
        (repositories(), references())
            .prop_map(|(repository, reference)| Route::DeleteManifest { repository, reference }),
        (repositories(), references(), prop::collection::vec(tags(), 0..5)).prop_map(
            move |(repository, reference, tags)| Route::PutManifest {
                repository,
                reference,
                tags: distinct(tags)
            }
        ),
        (repositories(), digests()).prop_map(|(repository, digest)| Route::GetBlob { repository, digest }),
        (repositories(), digests()).prop_map(|(repository, digest)| Route::DeleteBlob { repository, digest }),
        (repositories(), begins).prop_map(|(repository, begin)| Route::BeginUpload { repository, begin }),
        (repositories(), ids()).prop_map(|(repository, id)| Route::UploadStatus { repository, id }),
        (repositories(), ids()).prop_map(|(repository, id)| Route::AppendUpload { repository, id }),
        (repositories(), ids()).prop_map(|(repository, id)| Route::CancelUpload { repository, id }),
        (repositories(), ids(), digests()).prop_map(|(repository, id, digest)| Route::FinishUpload {
            repository,
            id,
            digest
        }),
        (repositories(), digests(), filters).prop_map(|(repository, subject, query)| Route::Referrers {
            repository,
            subject,
            query
        }),
    ]
}

proptest! {
    #[test]
    fn a_rendered_route_parses_back(expected in routes()) {
        let (method, target) = render(&expected);
        prop_assert_eq!(on(method, &target), Ok(expected), "{}", target);
    }

    #[test]
    fn a_route_may_be_wholly_encoded(expected in routes()) {
        let (method, target) = render(&expected);
        let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
        let path: String = path.bytes().map(|b| if b == b'/' { "/".to_owned() } else { format!("%{b:02X}") }).collect();
        prop_assert_eq!(route(&method, &path, query), Ok(expected), "{}", path);
    }

    #[test]
    fn any_request_is_answered(method in "[A-Z]{1,8}", path in ".*", query in prop::option::of(".*")) {
        let _ = route(&method.parse().unwrap(), &path, query.as_deref());
    }

    #[test]
    fn any_request_below_an_endpoint_is_answered(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
        words in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec!["manifests", "blobs", "uploads", "tags", "list", "referrers", "", ".", "..", "%2F", "%00"])
                    .prop_map(str::to_owned),
                ".{0,5}",
            ],
            0..6
        ),
        query in "(n|last|digest|mount|from|tag)=.{0,10}",
    ) {
        let path = format!("/v2/{}", words.join("/"));
        // A repository that comes out has come through its grammar, so it names nothing outside the tree.
        if let Ok(Route::Tags { repository, .. } | Route::GetManifest { repository, .. }) =
            route(&method.parse().unwrap(), &path, Some(&query))
        {
            prop_assert!(repository.as_str().split('/').all(|component| !matches!(component, "" | "." | "..")));
        }
    }
}

#[test]
fn odd_slashes_lead_to_the_endpoint_that_is_meant() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for (path, expected) in [
        ("/v2/_catalog/", "/v2/_catalog"),
        ("/v2/x/tags/list/", "/v2/x/tags/list"),
        ("/v2/x/tags/list///", "/v2/x/tags/list"),
        ("//v2/", "/v2/"),
        ("///v2///", "/v2/"),
        ("/v2//", "/v2/"),
        ("//v2", "/v2/"),
        ("//v2//a//b/tags//list", "/v2/a/b/tags/list"),
        ("/v2/a/manifests/v1/", "/v2/a/manifests/v1"),
        (&format!("/v2//a/blobs/{digest}/"), &format!("/v2/a/blobs/{digest}")),
        (
            &format!("/v2/a/referrers/{digest}/"),
            &format!("/v2/a/referrers/{digest}"),
        ),
    ] {
        assert_eq!(clean(path).as_deref(), Some(expected), "{path}");
        assert_eq!(clean(expected).as_deref(), Some(expected));
    }
    // No endpoint in any way, or none that is read.
    for path in [
        "",
        "/",
        "//",
        "//evil.example/",
        "//evil.example//v2/",
        "/v2/x/",
        "/v2/a/blobs/uploads/",
        "/v2//a/blobs/uploads/",
        "/v2/A/tags/list/",
        "/v2/../x/tags/list/",
        "/v2/a/../b/tags/list/",
        "/v2/a/%2Ftags/list",
        "\\\\v2/",
        "%2Fv2",
        "/v2%2F",
    ] {
        assert_eq!(clean(path), None, "{path}");
    }
}

proptest! {
    /// Never another host, never a loop.
    #[test]
    fn a_clean_path_begins_with_one_slash_and_stays(path in "(/|//|v2|a|tags|list|_catalog|manifests|\\.\\.|%2F|\\\\){0,12}") {
        if let Some(cleaned) = clean(&path) {
            prop_assert!(cleaned.starts_with("/v2/") && !cleaned.contains("//"));
            prop_assert_eq!(clean(&cleaned), Some(cleaned));
        }
    }
}
