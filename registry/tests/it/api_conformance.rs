//! What the OCI distribution specification's main branch asks for and no other module shows; docs/CONFORMANCE.md is the map.

use lockgate_registry::Frontend;
use lockgate_testkit::{Answer, sha256, sha512};
use serde_json::{Value, json};

use crate::harness::{OPEN, Served};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn put(served: &Served, reference: &str, manifest: &Value) -> (String, Answer) {
    let content = manifest.to_string();
    let kind = manifest["mediaType"].as_str().expect("a media type");
    let path = format!("/v2/a/b/manifests/{reference}");
    let answer = served.send("PUT", &path, &[("Content-Type", kind)], content.as_bytes());
    (sha256(content.as_bytes()), answer)
}

fn descriptor(kind: &str, digest: &str, size: usize) -> Value {
    json!({ "mediaType": kind, "digest": digest, "size": size })
}

/// An image without layers; its config is in the repository.
fn image(served: &Served) -> Value {
    let config = served.push_blob("a/b", b"{}");
    json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(CONFIG, &config, 2), "layers": [] })
}

fn index(manifests: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests })
}

fn pulled(served: &Served, reference: &str, manifest: &Value) {
    let answer = served.get(&format!("/v2/a/b/manifests/{reference}"));
    assert_eq!(answer.expect(200).body, manifest.to_string().as_bytes());
}

fn begin(served: &Served, query: &str) -> String {
    let begun = served.send("POST", &format!("/v2/a/b/blobs/uploads/{query}"), &[], b"");
    begun.expect(202).location().to_owned()
}

#[test]
fn what_does_not_exist_is_404_for_get_and_head() {
    let served = Served::open();
    served.push_image("a/b", "v1", b"layer");
    let (blob, manifest) = (sha256(b"no blob"), sha256(b"no manifest"));
    for (path, code) in [
        (format!("/v2/a/b/blobs/{blob}"), "BLOB_UNKNOWN"),
        (format!("/v2/no/repository/blobs/{blob}"), "BLOB_UNKNOWN"),
        ("/v2/a/b/manifests/v2".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/a/b/manifests/{manifest}"), "MANIFEST_UNKNOWN"),
        ("/v2/no/repository/manifests/v1".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/no/repository/manifests/{manifest}"), "MANIFEST_UNKNOWN"),
    ] {
        served.get(&path).expect_error(404, code);
        let head = served.send("HEAD", &path, &[], b"");
        assert!(head.expect(404).body.is_empty(), "{path}");
    }
}

#[test]
fn parameters_of_a_content_type_are_ignored_and_not_served() {
    let served = Served::open();
    let manifest = served.image("a/b", b"layer");
    let kind = [(
        "Content-Type",
        "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
    )];
    served.send("PUT", "/v2/a/b/manifests/v1", &kind, &manifest).expect(201);
    assert_eq!(
        served.get("/v2/a/b/manifests/v1").expect(200).header("content-type"),
        IMAGE
    );
}

#[test]
fn an_algorithm_that_is_not_supported_is_refused() {
    let served = Served::open();
    let start = "/v2/a/b/blobs/uploads/";
    let md5 = "md5:d41d8cd98f00b204e9800998ecf8427e";
    served
        .send("POST", &format!("{start}?digest-algorithm=md5"), &[], b"")
        .expect_error(400, "DIGEST_INVALID");
    served
        .send("POST", &format!("{start}?digest={md5}"), &[], b"x")
        .expect_error(400, "DIGEST_INVALID");
    let location = begin(&served, "");
    for invalid in [md5, "sha256:short", "nothing"] {
        served
            .send("PUT", &format!("{location}?digest={invalid}"), &[], b"x")
            .expect_error(400, "DIGEST_INVALID");
    }
    served
        .put_manifest("a/b", md5, b"{}")
        .expect_error(400, "DIGEST_INVALID");
}

#[test]
fn the_first_chunk_begins_at_zero_and_the_last_one_at_the_end() {
    let served = Served::open();
    let location = begin(&served, "");
    let late = served.send("PATCH", &location, &[("Content-Range", "1-3")], b"123");
    late.expect(416);
    let first = served.send("PATCH", &location, &[("Content-Range", "0-3")], b"0123");
    first.expect(202);
    let put = format!("{location}?digest={}", sha256(b"012345"));
    for range in ["5-6", "3-4", "0-1"] {
        served.send("PUT", &put, &[("Content-Range", range)], b"45").expect(416);
    }
    let status = served.get(&location);
    assert_eq!(status.expect(204).header("range"), "0-3");
    let go_on = status.location().to_owned();
    let put = format!("{go_on}?digest={}", sha256(b"012345"));
    served.send("PUT", &put, &[("Content-Range", "4-5")], b"45").expect(201);
}

#[test]
fn a_mount_says_where_and_what_in_any_algorithm() {
    let served = Served::open();
    let location = served.send("POST", "/v2/source/blobs/uploads/?digest-algorithm=sha512", &[], b"");
    let digest = sha512(b"shared");
    let put = location.location_with(&digest);
    served.send("PUT", &put, &[], b"shared").expect(201);
    let mounted = served.send(
        "POST",
        &format!("/v2/a/b/blobs/uploads/?mount={digest}&from=source"),
        &[],
        b"",
    );
    assert_eq!(mounted.expect(201).header("docker-content-digest"), digest);
    assert_eq!(mounted.header("location"), format!("/v2/a/b/blobs/{digest}"));
    assert_eq!(served.get(mounted.location()).expect(200).body, b"shared");
    // Neither source nor blob are there: an upload begins, of the algorithm that was asked for.
    let other = sha512(b"other");
    let location = begin(&served, &format!("?mount={other}&from=not/there"));
    served
        .send("PUT", &format!("{location}?digest={other}"), &[], b"other")
        .expect(201);
}

#[test]
fn ten_tags_and_more_are_set_by_one_push() {
    let served = Served::open();
    let manifest = image(&served).to_string();
    let digest = sha512(manifest.as_bytes());
    let tags: Vec<String> = (0..32).map(|number| format!("tag-{number:02}")).collect();
    let query: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
    let put = served.put_manifest("a/b", &format!("{digest}?{}", query.join("&")), manifest.as_bytes());
    assert_eq!(put.expect(201).values("oci-tag").count(), 32);
    assert_eq!(served.get("/v2/a/b/tags/list").json()["tags"], json!(tags));
    let last = served.get("/v2/a/b/manifests/tag-31");
    assert_eq!(last.expect(200).header("docker-content-digest"), digest);
}

#[test]
fn manifests_of_every_kind_are_kept() {
    let served = Served::open();
    let plain = image(&served);
    let mut layerless = plain.clone();
    layerless.as_object_mut().unwrap().remove("layers");
    let mut custom = plain.clone();
    custom["org.example.unknown"] = json!({ "nested": [1, "two", null] });
    let mut with_data = plain.clone();
    with_data["config"]["data"] = json!("e30=");
    let mut artifact = plain.clone();
    artifact["artifactType"] = json!("application/vnd.example.anything");
    artifact["layers"] = json!([{ "mediaType": "application/wasm", "digest": sha256(b"{}"), "size": 2 }]);
    let away = sha256(b"in another place");
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let mut elsewhere = plain.clone();
    elsewhere["layers"] =
        json!([{ "mediaType": foreign, "digest": away, "size": 9, "urls": ["https://store.example/blob"] }]);
    let kinds = [
        ("plain", plain),
        ("no-layers-field", layerless),
        ("custom-fields", custom),
        ("data-field", with_data),
        ("artifact", artifact),
        ("nondistributable", elsewhere),
        ("empty-index", index(&[])),
    ];
    for (tag, manifest) in &kinds {
        let (digest, answer) = put(&served, tag, manifest);
        assert_eq!(answer.expect(201).header("docker-content-digest"), digest, "{tag}");
        pulled(&served, tag, manifest);
        pulled(&served, &digest, manifest);
    }
}

#[test]
fn indexes_may_list_indexes() {
    let served = Served::open();
    let (inner, _) = put(&served, "image", &image(&served));
    let size = image(&served).to_string().len();
    let middle = index(&[descriptor(IMAGE, &inner, size)]);
    let (digest, _) = put(&served, "middle", &middle);
    let outer = index(&[descriptor(INDEX, &digest, middle.to_string().len())]);
    let (digest, answer) = put(&served, "outer", &outer);
    answer.expect(201);
    pulled(&served, &digest, &outer);
    served.send("DELETE", "/v2/a/b/manifests/middle", &[], b"").expect(202);
    pulled(&served, "outer", &outer);
}

#[test]
fn sparse_manifests_are_taken_where_nothing_is_validated() {
    let sparse = format!("{OPEN}validation: {{disabled: true}}\n");
    let missing = json!({
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": descriptor(CONFIG, &sha256(b"no config"), 9),
        "layers": [descriptor(LAYER, &sha256(b"no layer"), 8)],
    });
    let served = Served::start(&sparse, Frontend::Other, |_| {});
    put(&served, "sparse", &missing).1.expect(201);
    pulled(&served, "sparse", &missing);
    let strict = Served::open();
    let (_, refused) = put(&strict, "sparse", &missing);
    refused.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(
        refused.json()["errors"].as_array().unwrap().len(),
        2,
        "each one is named"
    );
}

#[test]
fn a_repository_without_tags_has_an_empty_list() {
    let served = Served::open();
    let manifest = image(&served);
    let digest = sha256(manifest.to_string().as_bytes());
    put(&served, &digest, &manifest).1.expect(201);
    let list = served.get("/v2/a/b/tags/list");
    assert_eq!(list.expect(200).json(), json!({ "name": "a/b", "tags": [] }));
    for tag in ["one", "two"] {
        put(&served, tag, &manifest).1.expect(201);
    }
    let none = served.get("/v2/a/b/tags/list?n=0");
    assert_eq!(
        (none.expect(200).header("link"), &none.json()["tags"]),
        ("", &json!([]))
    );
    // All that is left is one page, exactly full.
    let rest = served.get("/v2/a/b/tags/list?n=1&last=one");
    assert_eq!(
        (rest.expect(200).header("link"), &rest.json()["tags"]),
        ("", &json!(["two"]))
    );
}

#[test]
fn a_referrer_is_described_by_what_it_says_of_itself() {
    let served = Served::open();
    let subject = sha256(b"the subject");
    let about = descriptor(IMAGE, &subject, 11);
    let mut typed = image(&served);
    typed["subject"] = about.clone();
    typed["artifactType"] = json!("application/vnd.example.sbom");
    typed["annotations"] = json!({ "org.example": "kept" });
    let mut untyped = image(&served);
    untyped["subject"] = about.clone();
    let mut list = index(&[]);
    list["subject"] = about;
    list["annotations"] = json!({ "kind": "index" });
    let mut expected = Vec::new();
    for (manifest, artifact_type) in [
        (&typed, json!("application/vnd.example.sbom")),
        // "If the artifactType is empty or missing in the image manifest": the config's media type.
        (&untyped, json!(CONFIG)),
        // An index has no config: none.
        (&list, Value::Null),
    ] {
        let digest = sha256(manifest.to_string().as_bytes());
        let (_, answer) = put(&served, &digest, manifest);
        assert_eq!(answer.expect(201).header("oci-subject"), subject);
        expected.push((digest, artifact_type, manifest));
    }
    let path = format!("/v2/a/b/referrers/{subject}");
    let all = served.get(&path);
    assert_eq!(all.expect(200).header("oci-filters-applied"), "");
    assert_eq!(
        (&all.json()["schemaVersion"], &all.json()["mediaType"]),
        (&json!(2), &json!(INDEX))
    );
    let listed = all.json()["manifests"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 3);
    for (digest, artifact_type, manifest) in &expected {
        let found = listed.iter().find(|found| found["digest"] == **digest).expect(digest);
        assert_eq!(&found["artifactType"], artifact_type);
        assert_eq!(found["mediaType"], manifest["mediaType"]);
        assert_eq!(found["size"], manifest.to_string().len());
        assert_eq!(found["annotations"], manifest["annotations"]);
    }
    let kind = CONFIG.replace('+', "%2B");
    let filtered = served.get(&format!("{path}?artifactType={kind}"));
    assert_eq!(filtered.expect(200).json()["manifests"][0]["digest"], expected[1].0);
    assert_eq!(
        served.get(&format!("{path}?artifactType=no/such")).json()["manifests"],
        json!([])
    );
}

#[test]
fn referrers_under_the_fallback_tag_are_listed_too() {
    let served = Served::open();
    let subject = sha256(b"pushed by an old client");
    let mut manifest = image(&served);
    manifest["subject"] = descriptor(IMAGE, &subject, 23);
    let (digest, _) = put(&served, "signature", &manifest);
    // As the registry that an old client pushed to left it: listed under the tag, and in no index.
    let links = served
        .home
        .path()
        .join("data/docker/registry/v2/repositories/a/b/_manifests/referrers");
    std::fs::remove_dir_all(links).unwrap();
    let path = format!("/v2/a/b/referrers/{subject}");
    assert_eq!(served.get(&path).expect(200).json()["manifests"], json!([]));
    let list = index(&[descriptor(IMAGE, &digest, manifest.to_string().len())]);
    put(&served, &subject.replace(':', "-"), &list).1.expect(201);
    let listed = served.get(&path).json();
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &listed["manifests"][0]["digest"],
            &listed["manifests"][0]["artifactType"]
        ),
        (&json!(digest), &json!(CONFIG))
    );
}

#[test]
fn many_referrers_come_in_pages() {
    let served = Served::open();
    let subject = sha256(b"a popular one");
    // Two descriptors with 2.5 MiB of annotations each do not fit the 4 MiB that a client must take.
    for number in 0..3 {
        let mut manifest = image(&served);
        manifest["subject"] = descriptor(IMAGE, &subject, 13);
        manifest["annotations"] = json!({ "number": number.to_string(), "text": "x".repeat(5 << 19) });
        let digest = sha256(manifest.to_string().as_bytes());
        put(&served, &digest, &manifest).1.expect(201);
    }
    let kind = CONFIG.replace('+', "%2B");
    let mut path = format!("/v2/a/b/referrers/{subject}?artifactType={kind}");
    let mut numbers = Vec::new();
    let mut pages = 0;
    loop {
        let page = served.get(&path);
        assert_eq!(page.expect(200).header("oci-filters-applied"), "artifactType");
        assert!(page.body.len() <= 4 << 20, "{} bytes", page.body.len());
        let listed = page.json();
        let manifests = listed["manifests"].as_array().unwrap();
        numbers.extend(
            manifests
                .iter()
                .map(|found| found["annotations"]["number"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match page.header("link") {
            "" => break,
            link => {
                let next = link
                    .strip_prefix('<')
                    .and_then(|link| link.strip_suffix(">; rel=\"next\""));
                next.expect(link).clone_into(&mut path);
            }
        }
    }
    numbers.sort();
    assert_eq!((pages, numbers), (3, ["0", "1", "2"].map(str::to_owned).to_vec()));
}

#[test]
fn deletes_may_be_off_for_tags_and_manifests_too() {
    let served = Served::start(
        "storage: {filesystem: {rootdirectory: data}}\n",
        Frontend::Other,
        |_| {},
    );
    let (digest, _) = served.push_image("a/b", "v1", b"layer");
    for reference in ["v1", digest.as_str()] {
        let path = format!("/v2/a/b/manifests/{reference}");
        served.send("DELETE", &path, &[], b"").expect_error(405, "UNSUPPORTED");
        served.get(&path).expect(200);
    }
}

#[test]
fn deleting_in_a_repository_that_does_not_exist_is_404() {
    let served = Served::open();
    let digest = sha256(b"nothing");
    for (path, code) in [
        (format!("/v2/no/repository/manifests/{digest}"), "MANIFEST_UNKNOWN"),
        ("/v2/no/repository/manifests/v1".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/no/repository/blobs/{digest}"), "BLOB_UNKNOWN"),
    ] {
        served.send("DELETE", &path, &[], b"").expect_error(404, code);
    }
}

#[test]
fn the_host_that_a_proxy_was_asked_for_is_ignored() {
    let served = Served::open();
    let (digest, manifest) = served.push_image("a/b", "v1", b"layer");
    let answer = served.get("/v2/a/b/manifests/v1?ns=registry.example");
    assert_eq!(answer.expect(200).body, manifest);
    assert_eq!(answer.header("oci-namespace"), "", "it scoped nothing");
    served
        .get(&format!("/v2/a/b/manifests/{digest}?ns=registry.example"))
        .expect(200);
    let blob = sha256(b"layer");
    served
        .get(&format!("/v2/a/b/blobs/{blob}?ns=registry.example"))
        .expect(200);
}

#[test]
fn warnings_are_not_sent() {
    let served = Served::open();
    served.push_image("a/b", "v1", b"layer");
    for path in [
        "/v2/",
        "/v2/a/b/manifests/v1",
        "/v2/a/b/tags/list",
        "/v2/no/manifests/v1",
    ] {
        assert!(!served.get(path).has("warning"), "{path}");
    }
}

/// A row of docs/CONFORMANCE.md is worth as much as the test that it names.
#[test]
fn the_page_names_tests_that_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/CONFORMANCE.md")).unwrap();
    let named: Vec<_> = page.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > 100, "{} tests are named", named.len());
    for (file, test) in named {
        let folder = if file.contains('/') { "" } else { "registry/tests/it/" };
        let file = format!("{folder}{file}.rs");
        let source = std::fs::read_to_string(root.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{file} has no {test}");
    }
}
