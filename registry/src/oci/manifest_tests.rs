//! Tests of `manifest.rs`.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::oci::Algorithm;

const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn parse(manifest: &Value) -> Result<Manifest, InvalidManifest> {
    Manifest::parse(manifest.to_string().as_bytes())
}

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

fn described(content: &str) -> Value {
    json!({ "mediaType": "application/x", "digest": digest(content).to_string(), "size": content.len() })
}

fn image() -> Value {
    json!({ "schemaVersion": 2, "mediaType": OCI_IMAGE, "config": described("{}"), "layers": [described("layer")] })
}

fn index() -> Value {
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described("image")] })
}

fn with(mut manifest: Value, field: &str, value: Value) -> Value {
    manifest[field] = value;
    manifest
}

fn without(mut manifest: Value, field: &str) -> Value {
    manifest.as_object_mut().unwrap().remove(field);
    manifest
}

#[test]
fn every_kind_is_read() {
    for (manifest, media_type) in [
        (image(), MediaType::OCI_IMAGE),
        (index(), MediaType::OCI_INDEX),
        (
            with(image(), "mediaType", json!(MediaType::DOCKER_IMAGE.as_str())),
            MediaType::DOCKER_IMAGE,
        ),
        (
            with(index(), "mediaType", json!(MediaType::DOCKER_LIST.as_str())),
            MediaType::DOCKER_LIST,
        ),
        // Without a type of its own, the shape tells.
        (without(image(), "mediaType"), MediaType::OCI_IMAGE),
        (without(index(), "mediaType"), MediaType::OCI_INDEX),
        (with(index(), "mediaType", Value::Null), MediaType::OCI_INDEX),
        (with(image(), "mediaType", json!("")), MediaType::OCI_IMAGE),
    ] {
        let bytes = manifest.to_string();
        assert_eq!(
            Manifest::parse(bytes.as_bytes()).unwrap().media_type,
            media_type,
            "{manifest}"
        );
        assert_eq!(
            Manifest::media_type_of(bytes.as_bytes()).unwrap(),
            media_type,
            "{manifest}"
        );
    }
}

#[test]
fn what_the_rules_need_is_kept() {
    let mut manifest = with(image(), "subject", described("subject"));
    manifest["annotations"] = json!({ "a": "b", "null": null });
    manifest["artifactType"] = json!("application/sbom");
    manifest["org.example.custom"] = json!({ "any": ["thing"] });
    manifest["layers"] = json!([{
        "mediaType": "application/x",
        "digest": digest("layer").to_string(),
        "size": 5,
        "data": "bGF5ZXI=",
        "urls": ["https://example.com/layer"],
        "annotations": {},
    }]);
    let manifest = parse(&manifest).unwrap();
    let Content::Image { config, layers } = &manifest.content else {
        panic!("{manifest:?}")
    };
    assert_eq!((&config.digest, config.size), (&digest("{}"), 2));
    assert_eq!(
        (&layers[0].digest, &*layers[0].urls),
        (&digest("layer"), &["https://example.com/layer".to_owned()][..])
    );
    assert_eq!(manifest.subject, Some(digest("subject")));
    assert_eq!(manifest.artifact_type.as_deref(), Some("application/sbom"));
    assert_eq!(
        manifest.annotations,
        BTreeMap::from([("a", "b"), ("null", "")].map(|(k, v)| (k.into(), v.into())))
    );
}

#[test]
fn platforms_of_an_index_are_kept() {
    let mut manifest = index();
    manifest["manifests"][0]["platform"] = json!({ "os": "linux", "architecture": "arm64", "variant": "v8" });
    let Content::Index { manifests } = parse(&manifest).unwrap().content else {
        panic!("an index")
    };
    let platform = Platform {
        os: "linux".to_owned(),
        architecture: "arm64".to_owned(),
    };
    assert_eq!(manifests[0].platform, Some(platform));
}

#[test]
fn lists_may_be_empty_or_absent() {
    for layers in [json!([]), Value::Null] {
        let parsed = parse(&with(image(), "layers", layers)).unwrap();
        assert!(matches!(parsed.content, Content::Image { layers, .. } if layers.is_empty()));
    }
    assert!(parse(&without(image(), "layers")).is_ok());
    let empty = parse(&with(index(), "manifests", json!([]))).unwrap();
    assert_eq!(empty.content, Content::Index { manifests: Vec::new() });
}

#[test]
fn the_type_of_a_referrer() {
    let of = |manifest: &Value| parse(manifest).unwrap().referrer_type().map(str::to_owned);
    let artifact = |manifest| with(manifest, "artifactType", json!("application/sbom"));
    assert_eq!(of(&artifact(image())).as_deref(), Some("application/sbom"));
    assert_eq!(of(&image()).as_deref(), Some("application/x"), "the config's");
    assert_eq!(
        of(&with(image(), "artifactType", json!(""))).as_deref(),
        Some("application/x")
    );
    assert_eq!(of(&artifact(index())).as_deref(), Some("application/sbom"));
    assert_eq!(of(&index()), None);
}

#[test]
fn schema_1_is_recognised_however_it_is_written() {
    for manifest in [
        json!({ "schemaVersion": 1, "fsLayers": [] }),
        json!({ "schemaVersion": 1, "mediaType": MediaType::DOCKER_SCHEMA_1.as_str() }),
        json!({ "schemaVersion": 1, "mediaType": MediaType::DOCKER_SCHEMA_1_SIGNED.as_str() }),
    ] {
        assert!(matches!(parse(&manifest), Err(InvalidManifest::Schema1)), "{manifest}");
    }
}

#[test]
fn each_mistake_is_told_apart() {
    use InvalidManifest as E;
    type Is = fn(&InvalidManifest) -> bool;
    let cases: [(Value, Is); 15] = [
        (json!("text"), |e| matches!(e, E::Json(_))),
        (json!([]), |e| matches!(e, E::SchemaVersion(None) | E::Json(_))),
        (json!({}), |e| matches!(e, E::SchemaVersion(None))),
        (with(image(), "schemaVersion", json!(3)), |e| {
            matches!(e, E::SchemaVersion(Some(3)))
        }),
        (with(image(), "schemaVersion", json!("2")), |e| matches!(e, E::Json(_))),
        (without(image(), "schemaVersion"), |e| {
            matches!(e, E::SchemaVersion(None))
        }),
        (with(image(), "mediaType", json!("text")), |e| {
            matches!(e, E::MediaType(_))
        }),
        (
            with(image(), "mediaType", json!("application/vnd.oci.image.config.v1+json")),
            |e| matches!(e, E::UnknownMediaType(_)),
        ),
        (without(image(), "config"), |e| matches!(e, E::Missing("config"))),
        (with(image(), "layers", json!({})), |e| matches!(e, E::Json(_))),
        (with(image(), "manifests", json!([])), |e| {
            matches!(e, E::Ambiguous { field: "manifests", .. })
        }),
        (with(index(), "layers", json!([])), |e| {
            matches!(e, E::Ambiguous { field: "layers", .. })
        }),
        (with(index(), "config", described("{}")), |e| {
            matches!(e, E::Ambiguous { field: "config", .. })
        }),
        (
            with(image(), "subject", json!({})),
            |e| matches!(e, E::Digest { field, .. } if field == "subject"),
        ),
        (
            with(image(), "layers", json!([described("a"), { "digest": "sha384:00" }])),
            |e| matches!(e, E::Digest { field, .. } if field == "layers[1]"),
        ),
    ];
    for (manifest, is) in cases {
        let error = parse(&manifest).unwrap_err();
        assert!(is(&error), "{manifest}: {error:?}");
    }
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let content = image().to_string().replacen('{', &format!(r#"{{"x":{deep},"#), 1);
    assert_eq!(
        Manifest::parse(content.as_bytes()).unwrap().media_type,
        MediaType::OCI_IMAGE
    );
    assert!(Manifest::parse(format!(r#"{{"layers":{deep}}}"#).as_bytes()).is_err());
    assert!(Manifest::media_type_of(format!(r#"{{"schemaVersion":2,"manifests":{deep}}}"#).as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(content: Vec<u8>) {
        let _ = Manifest::parse(&content);
        let _ = Manifest::media_type_of(&content);
    }

    // What is accepted is served as what it was accepted as.
    #[test]
    fn a_stored_manifest_has_the_type_it_was_pushed_with(
        fields in prop::collection::btree_map(
            prop::sample::select(vec!["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations"]),
            prop::sample::select(vec![
                json!(1), json!(2), json!(OCI_IMAGE), json!(OCI_INDEX), json!([]), json!({}), Value::Null, described("a"),
            ]),
            0..7
        )
    ) {
        let content = json!(fields).to_string();
        if let Ok(manifest) = Manifest::parse(content.as_bytes()) {
            prop_assert_eq!(Manifest::media_type_of(content.as_bytes()).unwrap(), manifest.media_type);
        }
    }
}
