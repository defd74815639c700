//! Tests of `manifests.rs`.

use serde_json::json;

use super::*;
use crate::oci::InvalidManifest;
use crate::service::testing::{
    OCI_IMAGE, OCI_INDEX, artifact, bytes, image, index, name, reference, registry, registry_with, sha256,
};

fn is_unknown(result: &Result<StoredManifest>) -> bool {
    use storage::Error::{ManifestUnknown, TagUnknown};
    matches!(result, Err(Error::Storage(ManifestUnknown(_) | TagUnknown(_))))
}

#[tokio::test]
async fn bytes_are_kept_as_they_came() {
    let registry = registry();
    let config = registry.push_blob("r", "{}").await;
    let content = Bytes::from(format!(
        "{{ \"mediaType\":\"{OCI_IMAGE}\",\n\t\"schemaVersion\": 2, \"org.example\": [1.50, \"\\u00e4\"],
           \"config\": {{\"digest\":\"{config}\",\"data\":\"e30=\"}}, \"layers\": null }} \n\n"
    ));
    let repository = name("r");
    let put = registry
        .put_manifest(&repository, &reference("v1"), Some(OCI_IMAGE), content.clone(), &[])
        .await;
    let digest = sha256(&content);
    assert_eq!(
        put.unwrap(),
        PutManifest {
            digest: digest.clone(),
            subject: None,
            tags: vec![]
        }
    );
    for reference in [reference("v1"), digest.clone().into()] {
        let stored = registry.manifest(&repository, &reference).await.unwrap();
        assert_eq!(stored.content, content);
        assert_eq!(
            (stored.digest, stored.media_type),
            (digest.clone(), MediaType::OCI_IMAGE)
        );
    }
}

#[tokio::test]
async fn the_digest_pushed_under_is_verified() {
    let registry = registry();
    let manifest = image(&registry.push_blob("r", "{}").await, &[]);
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let right = Digest::of(algorithm, &bytes(&manifest));
        assert_eq!(registry.push("r", &right, &manifest).await.unwrap().digest, right);
        assert_eq!(
            registry
                .manifest(&name("r"), &right.clone().into())
                .await
                .unwrap()
                .digest,
            right
        );
        let wrong = registry.push("r", Digest::of(algorithm, b""), &manifest).await;
        assert!(matches!(wrong, Err(Error::Storage(storage::Error::DigestMismatch { actual, .. })) if actual == right));
    }
}

#[tokio::test]
async fn one_push_may_set_several_tags() {
    let registry = registry();
    let manifest = image(&registry.push_blob("r", "{}").await, &[]);
    let content = bytes(&manifest);
    let digest = Digest::of(Algorithm::Sha512, &content);
    let tags: Vec<Tag> = ["1.2.3", "1", "latest"]
        .iter()
        .map(|tag| tag.parse().unwrap())
        .collect();
    let put = registry
        .put_manifest(&name("r"), &digest.clone().into(), None, content, &tags)
        .await
        .unwrap();
    assert_eq!(put.tags, tags);
    for tag in tags {
        let stored = registry.manifest(&name("r"), &tag.into()).await.unwrap();
        assert_eq!(
            stored.digest, digest,
            "a tag points to the digest pushed under, whatever its algorithm"
        );
    }
}

#[tokio::test]
async fn a_tag_moves() {
    let registry = registry();
    let first = registry.push_image("r", "latest", "1").await;
    let second = registry.push_image("r", "latest", "2").await;
    assert_eq!(
        registry
            .manifest(&name("r"), &reference("latest"))
            .await
            .unwrap()
            .digest,
        second
    );
    assert_eq!(
        registry
            .manifest(&name("r"), &first.clone().into())
            .await
            .unwrap()
            .digest,
        first
    );
}

#[tokio::test]
async fn a_tag_that_moves_while_it_is_followed_is_followed_again() {
    let (old, new) = (sha256("old"), sha256("new"));
    let read = async |digest: &Digest| match *digest == new {
        true => Ok(Bytes::from_static(b"new")),
        false => Err(storage::Error::ManifestUnknown(digest.clone())),
    };
    let asked = std::cell::Cell::new(0);
    let moves = async || {
        asked.set(asked.get() + 1);
        Ok(if asked.get() == 1 { old.clone() } else { new.clone() })
    };
    assert_eq!(
        follow(moves, read).await.unwrap(),
        (new.clone(), Bytes::from_static(b"new"))
    );
    let stays = async || Ok(old.clone());
    let gone = follow(stays, read).await;
    assert!(matches!(gone, Err(storage::Error::ManifestUnknown(digest)) if digest == old));
}

#[tokio::test]
async fn the_type_sent_is_the_type_inside() {
    let registry = registry();
    let config = registry.push_blob("r", "{}").await;
    let typed = image(&config, &[]);
    let mut untyped = typed.clone();
    untyped.as_object_mut().unwrap().remove("mediaType");
    let put = async |manifest: &serde_json::Value, content_type| {
        let content = bytes(manifest);
        registry
            .put_manifest(&name("r"), &reference("t"), content_type, content, &[])
            .await
    };
    for accepted in [
        None,
        Some(OCI_IMAGE),
        Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
    ] {
        assert!(put(&typed, accepted).await.is_ok(), "{accepted:?}");
        assert!(put(&untyped, accepted).await.is_ok(), "{accepted:?}");
        // The type served is known from the content alone.
        let served = registry.manifest(&name("r"), &reference("t")).await.unwrap();
        assert_eq!(served.media_type, MediaType::OCI_IMAGE);
    }
    for other in [
        OCI_INDEX,
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/json",
    ] {
        for manifest in [&typed, &untyped] {
            let refused = put(manifest, Some(other)).await;
            assert!(matches!(refused, Err(Error::MediaTypeMismatch { .. })), "{other}");
        }
    }
    assert!(matches!(put(&typed, Some("json")).await, Err(Error::ContentType(_))));
}

#[tokio::test]
async fn schema_1_is_refused() {
    let registry = registry();
    let schema_1 = json!({ "schemaVersion": 1, "name": "r", "tag": "latest", "fsLayers": [], "history": [] });
    let refused = registry.push("r", "latest", &schema_1).await;
    assert!(matches!(refused, Err(Error::Manifest(InvalidManifest::Schema1))));
}

#[tokio::test]
async fn four_mebibytes_are_accepted_and_no_more_than_the_limit() {
    let registry = registry();
    let mut manifest = image(&registry.push_blob("r", "{}").await, &[]);
    let rest = bytes(&manifest).len();
    manifest["annotations"] = json!({ "a": "" });
    let rest = rest + r#","annotations":{"a":""}"#.len();
    manifest["annotations"]["a"] = "a".repeat(4 * 1024 * 1024 - rest).into();
    assert_eq!(bytes(&manifest).len(), 4 * 1024 * 1024);
    assert!(registry.push("r", "large", &manifest).await.is_ok());
    let limited = registry_with(|storage, _| storage.max_manifest_size = 4 * 1024 * 1024 - 1);
    let refused = limited.push("r", "large", &manifest).await;
    assert!(matches!(refused, Err(Error::ManifestTooLarge { limit: 4_194_303 })));
}

#[tokio::test]
async fn the_subject_is_told_and_need_not_exist() {
    let registry = registry();
    registry.push_blob("r", "{}").await;
    let subject = sha256("missing");
    let put = registry
        .push("r", "sbom", &artifact(&subject, "application/x", ""))
        .await
        .unwrap();
    assert_eq!(put.subject, Some(subject));
}

#[tokio::test]
async fn deleting_a_manifest_takes_its_tags_along() {
    let registry = registry();
    let digest = registry.push_image("r", "a", "1").await;
    registry.push_image("r", "b", "1").await;
    registry.push_image("r", "c", "2").await;
    registry
        .delete_manifest(&name("r"), &digest.clone().into())
        .await
        .unwrap();
    for gone in [reference("a"), reference("b"), digest.into()] {
        assert!(is_unknown(&registry.manifest(&name("r"), &gone).await), "{gone}");
        assert!(registry.delete_manifest(&name("r"), &gone).await.is_err(), "{gone}");
    }
    assert!(registry.manifest(&name("r"), &reference("c")).await.is_ok());
}

#[tokio::test]
async fn deleting_a_tag_leaves_the_manifest() {
    let registry = registry();
    let digest = registry.push_image("r", "a", "1").await;
    registry.push_image("r", "b", "1").await;
    registry.delete_manifest(&name("r"), &reference("a")).await.unwrap();
    assert!(is_unknown(&registry.manifest(&name("r"), &reference("a")).await));
    assert!(registry.manifest(&name("r"), &reference("b")).await.is_ok());
    assert!(registry.manifest(&name("r"), &digest.into()).await.is_ok());
}

#[tokio::test]
async fn deleting_a_referrer_takes_it_off_the_list() {
    let registry = registry();
    registry.push_blob("r", "{}").await;
    let (repository, subject) = (name("r"), sha256("subject"));
    let manifest = artifact(&subject, "application/x", "");
    let digest = registry.push("r", "sbom", &manifest).await.unwrap().digest;
    let links = async || registry.storage.referrers(&repository, &subject).await.unwrap();
    assert_eq!(links().await, std::slice::from_ref(&digest));
    registry
        .delete_manifest(&repository, &digest.clone().into())
        .await
        .unwrap();
    // A link that was left would count again as soon as the revision is back.
    registry
        .storage
        .put_manifest(&repository, &digest, bytes(&manifest), None, &[])
        .await
        .unwrap();
    assert_eq!(links().await, []);
}

#[tokio::test]
async fn a_corrupt_manifest_can_be_deleted_and_pushed_again() {
    let registry = registry();
    let digest = registry.push_image("r", "a", "1").await;
    let hex = digest.hex();
    let data = registry
        .root
        .path()
        .join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    std::fs::write(data, "{").unwrap();
    let read = registry.manifest(&name("r"), &reference("a")).await;
    assert!(matches!(read, Err(Error::Storage(storage::Error::Corrupt { .. }))));
    registry
        .delete_manifest(&name("r"), &digest.clone().into())
        .await
        .unwrap();
    assert!(is_unknown(&registry.manifest(&name("r"), &reference("a")).await));
    assert_eq!(registry.push_image("r", "a", "1").await, digest);
    assert!(registry.manifest(&name("r"), &reference("a")).await.is_ok());
}

#[tokio::test]
async fn deleting_may_be_off() {
    let off = registry_with(|storage, _| storage.delete = false);
    let digest = off.push_image("r", "a", "1").await;
    for reference in [reference("a"), digest.into()] {
        let refused = off.delete_manifest(&name("r"), &reference).await;
        assert!(matches!(refused, Err(Error::DeleteDisabled)));
        assert!(off.manifest(&name("r"), &reference).await.is_ok());
    }
}

#[tokio::test]
async fn schema_1_of_an_older_registry_is_served() {
    let registry = registry();
    let content = bytes(&json!({ "schemaVersion": 1, "name": "r", "signatures": [] }));
    let digest = sha256(&content);
    let tag = "old".parse().unwrap();
    registry
        .storage
        .put_manifest(&name("r"), &digest, content.clone(), None, &[tag])
        .await
        .unwrap();
    let stored = registry.manifest(&name("r"), &reference("old")).await.unwrap();
    assert_eq!(
        (stored.media_type, stored.content),
        (MediaType::DOCKER_SCHEMA_1_SIGNED, content)
    );
}

#[tokio::test]
async fn an_index_is_served_as_one() {
    let registry = registry();
    let image = registry.push_image("r", "a", "1").await;
    registry.push("r", "index", &index(&[image])).await.unwrap();
    let stored = registry.manifest(&name("r"), &reference("index")).await.unwrap();
    assert_eq!(stored.media_type, MediaType::OCI_INDEX);
}
