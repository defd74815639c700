//! Manifests over HTTP: pushed, pulled, refused, deleted.

use lockgate_registry::Frontend;
use lockgate_testkit::{sha256, sha512};

use crate::harness::{OPEN, Served};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn a_manifest_comes_back_byte_for_byte() {
    let served = Served::open();
    let (digest, manifest) = served.push_image("a/b", "v1", b"layer");
    for reference in ["v1", digest.as_str()] {
        let answer = served.get(&format!("/v2/a/b/manifests/{reference}"));
        answer.expect(200);
        assert_eq!(answer.body, manifest);
        assert_eq!(answer.header("content-type"), IMAGE);
        assert_eq!(answer.header("docker-content-digest"), digest);
        let head = served.send("HEAD", &format!("/v2/a/b/manifests/{reference}"), &[], b"");
        head.expect(200);
        assert_eq!(head.header("content-length"), manifest.len().to_string());
        assert_eq!(head.header("docker-content-digest"), digest);
        assert!(head.body.is_empty());
    }
    let etag = format!("\"{digest}\"");
    served
        .send("GET", "/v2/a/b/manifests/v1", &[("If-None-Match", &etag)], b"")
        .expect(304);
}

#[test]
fn a_put_says_where_and_what() {
    let served = Served::open();
    let manifest = served.image("a/b", b"layer");
    let digest = sha256(&manifest);
    let put = served.put_manifest("a/b", "v1", &manifest);
    assert_eq!(
        put.expect(201).header("location"),
        format!("/v2/a/b/manifests/{digest}")
    );
    assert_eq!(put.header("docker-content-digest"), digest);
    let by_digest = served.put_manifest("a/b", &sha512(&manifest), &manifest);
    assert_eq!(by_digest.expect(201).header("docker-content-digest"), sha512(&manifest));
    assert_eq!(
        served
            .get(&format!("/v2/a/b/manifests/{}", sha512(&manifest)))
            .expect(200)
            .body,
        manifest
    );
    served
        .put_manifest("a/b", &sha256(b"other"), &manifest)
        .expect_error(400, "DIGEST_INVALID");
}

#[test]
fn tags_of_the_query_are_set_and_told() {
    let served = Served::open();
    let manifest = served.image("a/b", b"layer");
    let digest = sha256(&manifest);
    let put = served.put_manifest("a/b", &format!("{digest}?tag=one&tag=two"), &manifest);
    put.expect(201);
    let told: Vec<&str> = put.values("oci-tag").collect();
    assert_eq!(told, ["one", "two"]);
    for tag in told {
        assert_eq!(
            served
                .get(&format!("/v2/a/b/manifests/{tag}"))
                .expect(200)
                .header("docker-content-digest"),
            digest
        );
    }
    served
        .put_manifest("a/b", &format!("{digest}?tag=.bad"), &manifest)
        .expect_error(400, "TAG_INVALID");
}

#[test]
fn every_missing_reference_is_named() {
    let served = Served::open();
    let (config, layer) = (sha256(b"config"), sha256(b"layer"));
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":6}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":5}}]}}"#
    );
    let refused = served.put_manifest("a/b", "v1", manifest.as_bytes());
    refused.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    let named: Vec<String> = refused.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["detail"]["digest"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, [config, layer]);
    served.get("/v2/a/b/manifests/v1").expect_error(404, "MANIFEST_UNKNOWN");
}

#[test]
fn an_index_wants_its_images_unless_sparse_ones_are_allowed() {
    let missing = sha256(b"an image that is not here");
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{{"mediaType":"{IMAGE}","digest":"{missing}","size":25,"platform":{{"os":"linux","architecture":"arm64"}}}}]}}"#
    );
    let put = |served: &Served| {
        served.send(
            "PUT",
            "/v2/a/manifests/v1",
            &[("Content-Type", INDEX)],
            index.as_bytes(),
        )
    };
    put(&Served::open()).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    let sparse = format!("{OPEN}validation: {{manifests: {{indexes: {{platforms: none}}}}}}\n");
    put(&Served::start(&sparse, Frontend::Other, |_| {})).expect(201);
}

#[test]
fn what_is_no_manifest_is_refused() {
    let served = Served::open();
    served
        .put_manifest("a/b", "v1", b"{")
        .expect_error(400, "MANIFEST_INVALID");
    served
        .put_manifest("a/b", "v1", b"[]")
        .expect_error(400, "MANIFEST_INVALID");
    let manifest = served.image("a/b", b"layer");
    let mismatch = served.send("PUT", "/v2/a/b/manifests/v1", &[("Content-Type", INDEX)], &manifest);
    mismatch.expect_error(400, "MANIFEST_INVALID");
    let schema_1 = br#"{"schemaVersion":1,"name":"a","tag":"v1","fsLayers":[],"history":[]}"#;
    let kind = [(
        "Content-Type",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    )];
    served
        .send("PUT", "/v2/a/b/manifests/v1", &kind, schema_1)
        .expect_error(400, "UNSUPPORTED");
}

#[test]
fn the_size_of_a_manifest_is_limited() {
    let served = Served::open();
    let manifest = served.image("a/b", b"layer");
    let padded = |bytes: usize| {
        let mut padded = manifest.clone();
        padded.resize(bytes, b' ');
        padded
    };
    served.put_manifest("a/b", "large", &padded(4 << 20)).expect(201);
    served
        .put_manifest("a/b", "larger", &padded((4 << 20) + 1))
        .expect_error(413, "SIZE_INVALID");
    let yaml = "storage: {filesystem: {rootdirectory: data}, manifest: {maxsize: 8388608}}\n";
    let wider = Served::start(yaml, Frontend::Other, |_| {});
    wider.image("a/b", b"layer");
    wider.put_manifest("a/b", "larger", &padded((4 << 20) + 1)).expect(201);
}

// proves: MAKINA-13
#[test]
fn a_deleted_manifest_takes_its_tags_along() {
    let served = Served::open();
    let (digest, manifest) = served.push_image("a/b", "v1", b"layer");
    served.put_manifest("a/b", "v2", &manifest).expect(201);
    served.push_image("a/b", "other", b"another layer");
    served
        .send("DELETE", &format!("/v2/a/b/manifests/{digest}"), &[], b"")
        .expect(202);
    for reference in ["v1", "v2", digest.as_str()] {
        served
            .get(&format!("/v2/a/b/manifests/{reference}"))
            .expect_error(404, "MANIFEST_UNKNOWN");
    }
    assert_eq!(
        served.get("/v2/a/b/tags/list").json()["tags"],
        serde_json::json!(["other"])
    );
    served
        .send("DELETE", &format!("/v2/a/b/manifests/{digest}"), &[], b"")
        .expect_error(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_deleted_tag_leaves_the_manifest() {
    let served = Served::open();
    let (digest, manifest) = served.push_image("a/b", "v1", b"layer");
    served.put_manifest("a/b", "v2", &manifest).expect(201);
    served.send("DELETE", "/v2/a/b/manifests/v1", &[], b"").expect(202);
    served.get("/v2/a/b/manifests/v1").expect_error(404, "MANIFEST_UNKNOWN");
    served.get("/v2/a/b/manifests/v2").expect(200);
    served.get(&format!("/v2/a/b/manifests/{digest}")).expect(200);
}

#[test]
fn names_and_references_are_checked() {
    let served = Served::open();
    served.get("/v2/UPPER/manifests/v1").expect_error(400, "NAME_INVALID");
    served.get("/v2/a/../manifests/v1").expect_error(400, "NAME_INVALID");
    served
        .get("/v2/a%2F..%2Fb/manifests/v1")
        .expect_error(400, "NAME_INVALID");
    served.get("/v2/a/manifests/-bad").expect_error(400, "TAG_INVALID");
    served
        .get("/v2/a/manifests/sha256:bad")
        .expect_error(400, "DIGEST_INVALID");
    served.get("/v2/nothing/here").expect_error(404, "UNSUPPORTED");
    let allow = served.send("POST", "/v2/a/manifests/v1", &[], b"");
    allow.expect_error(405, "UNSUPPORTED");
    assert_eq!(allow.header("allow"), "GET, HEAD, PUT, DELETE");
}

#[test]
fn media_types_have_no_case() {
    let served = Served::open();
    let manifest = served.image("a/b", b"layer");
    let put = |tag: &str, kind: &str, content: &[u8]| {
        let path = format!("/v2/a/b/manifests/{tag}");
        served.send("PUT", &path, &[("Content-Type", kind)], content)
    };
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let odd = "Application/vnd.OCI.Image.manifest.v1+JSON; charset=UTF-8";
    put("v1", odd, &manifest).expect(201);
    let inside = String::from_utf8(manifest.clone())
        .unwrap()
        .replace(kind, &kind.to_uppercase());
    put("v2", kind, inside.as_bytes()).expect(201);
    for (tag, content) in [("v1", manifest.as_slice()), ("v2", inside.as_bytes())] {
        let pulled = served.get(&format!("/v2/a/b/manifests/{tag}"));
        assert_eq!(
            (pulled.expect(200).header("content-type"), pulled.body.as_slice()),
            (kind, content)
        );
    }
    // Another type is another type.
    put("v3", "Application/vnd.OCI.image.index.v1+json", &manifest).expect_error(400, "MANIFEST_INVALID");
}
