//! Tags, the catalog and referrers over HTTP.

use lockgate_testkit::sha256;
use serde_json::json;

use crate::harness::Served;

const ARTIFACT: &str = "application/vnd.oci.image.manifest.v1+json";

/// The path that a `Link` leads to.
fn next(link: &str) -> &str {
    link.strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .expect(link)
}

#[test]
fn tags_are_sorted_and_paged() {
    let served = Served::open();
    let (_, manifest) = served.push_image("a/b", "one", b"layer");
    for tag in ["two", "three", "Zero"] {
        served.put_manifest("a/b", tag, &manifest).expect(201);
    }
    let all = served.get("/v2/a/b/tags/list");
    assert_eq!(
        all.expect(200).json(),
        json!({"name": "a/b", "tags": ["Zero", "one", "three", "two"]})
    );
    assert_eq!(all.header("link"), "");
    let first = served.get("/v2/a/b/tags/list?n=3");
    assert_eq!(first.expect(200).json()["tags"], json!(["Zero", "one", "three"]));
    let second = served.get(next(first.header("link")));
    assert_eq!(second.expect(200).json()["tags"], json!(["two"]));
    assert_eq!(second.header("link"), "");
    assert_eq!(
        served.get("/v2/a/b/tags/list?last=one").json()["tags"],
        json!(["three", "two"])
    );
    assert_eq!(
        served.get("/v2/a/b/tags/list?n=0").expect(200).json()["tags"],
        json!([])
    );
    served.get("/v2/unknown/tags/list").expect_error(404, "NAME_UNKNOWN");
}

#[test]
fn the_catalog_is_sorted_by_the_whole_name_and_paged() {
    let served = Served::open();
    for name in ["a/b", "a", "a-b", "b/c/d", "a/b/c"] {
        served.push_image(name, "v1", b"layer");
    }
    let all = served.get("/v2/_catalog").expect(200).json();
    assert_eq!(all, json!({"repositories": ["a", "a-b", "a/b", "a/b/c", "b/c/d"]}));
    let mut path = "/v2/_catalog?n=2".to_owned();
    let mut names = Vec::new();
    loop {
        let page = served.get(&path);
        page.expect(200);
        names.extend(page.json()["repositories"].as_array().unwrap().clone());
        match page.header("link") {
            "" => break,
            link => next(link).clone_into(&mut path),
        }
    }
    assert_eq!(json!(names), all["repositories"]);
}

fn artifact(served: &Served, subject: &str, kind: &str) -> String {
    let config = served.push_blob("a/b", b"{}");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{ARTIFACT}","artifactType":"{kind}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[],"subject":{{"mediaType":"{ARTIFACT}","digest":"{subject}","size":1}},"annotations":{{"kind":"{kind}"}}}}"#
    );
    let digest = sha256(manifest.as_bytes());
    let put = served.put_manifest("a/b", &digest, manifest.as_bytes());
    assert_eq!(put.expect(201).header("oci-subject"), subject);
    digest
}

#[test]
fn referrers_are_an_index_that_can_be_filtered() {
    let served = Served::open();
    // The subject may come later, or never.
    let subject = sha256(b"not pushed yet");
    let (sbom, signature) = (
        artifact(&served, &subject, "example/sbom"),
        artifact(&served, &subject, "example/sig"),
    );
    let path = format!("/v2/a/b/referrers/{subject}");

    let all = served.get(&path);
    assert_eq!(
        all.expect(200).header("content-type"),
        "application/vnd.oci.image.index.v1+json"
    );
    let mut listed: Vec<String> = all.json()["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|descriptor| descriptor["digest"].as_str().unwrap().to_owned())
        .collect();
    listed.sort();
    let mut expected = [sbom.clone(), signature];
    expected.sort();
    assert_eq!(listed, expected);

    let filtered = served.get(&format!("{path}?artifactType=example/sbom"));
    assert_eq!(filtered.expect(200).header("oci-filters-applied"), "artifactType");
    let only = &filtered.json()["manifests"];
    assert_eq!(only.as_array().unwrap().len(), 1);
    assert_eq!(only[0]["digest"], sbom);
    assert_eq!(only[0]["artifactType"], "example/sbom");
    assert_eq!(only[0]["annotations"]["kind"], "example/sbom");

    served
        .send("DELETE", &format!("/v2/a/b/manifests/{sbom}"), &[], b"")
        .expect(202);
    assert_eq!(served.get(&path).json()["manifests"].as_array().unwrap().len(), 1);
}

#[test]
fn an_unknown_subject_has_no_referrers() {
    let served = Served::open();
    let none = served.get(&format!("/v2/a/b/referrers/{}", sha256(b"unknown")));
    assert_eq!(none.expect(200).json()["manifests"], json!([]));
    served
        .get("/v2/a/b/referrers/sha256:bad")
        .expect_error(400, "DIGEST_INVALID");
}

#[test]
fn an_n_that_is_no_number_has_distributions_code() {
    let served = Served::open();
    served.push_image("a/b", "v1", b"layer");
    for n in ["x", "-1", "1.5", "1e3", "99999999999999999999999"] {
        for listing in ["/v2/_catalog", "/v2/a/b/tags/list"] {
            served
                .get(&format!("{listing}?n={n}"))
                .expect_error(400, "PAGINATION_NUMBER_INVALID");
        }
    }
    for n in ["", "0", "1", "99999"] {
        served.get(&format!("/v2/a/b/tags/list?n={n}")).expect(200);
    }
}
