//! The public Rust client, `oci-client`.
//!
//! It runs in this process, and so outside of a test's machine: the test starts its own program again in there.

use std::fs;

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, Config, ImageLayer};
use oci_client::manifest::{self, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::Run;

/// One blob in several pieces: the client sends 4 MiB at a time.
const NOISE_MEBIBYTES: u32 = 9;

#[test]
fn oci_client_pushes_pulls_and_lists_referrers() {
    let Some(machine) = images::machine() else { return };
    let lockgate = Lockgate::start(&machine);
    let noise = images::noise_layer(&machine, "noise", NOISE_MEBIBYTES, 1);
    machine
        .test("rust_client::in_the_machine")
        .env("TEST_ADDRESS", lockgate.address())
        .env("TEST_ACCOUNT", lockgate.account())
        .env("TEST_PASSWORD", lockgate.password())
        .env("TEST_AUTHORITY", lockgate.authority())
        .env("TEST_LAYER", noise)
        .ok();
}

#[test]
#[ignore = "the test above runs it in its machine"]
fn in_the_machine() {
    let Ok(address) = std::env::var("TEST_ADDRESS") else {
        return;
    };
    let variable = |name: &str| std::env::var(name).expect("set by the test above");
    let auth = RegistryAuth::Basic(variable("TEST_ACCOUNT"), variable("TEST_PASSWORD"));
    let authority = fs::read(variable("TEST_AUTHORITY")).expect("authority");
    let layer = fs::read(variable("TEST_LAYER")).expect("layer");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    for monolithic in [false, true] {
        let image = format!("{address}/team/app:{}", if monolithic { "whole" } else { "chunked" });
        let image: Reference = image.parse().expect("a reference");
        runtime.block_on(round_trip(monolithic, &authority, &image, &auth, &layer));
    }
}

async fn round_trip(monolithic: bool, authority: &[u8], image: &Reference, auth: &RegistryAuth, layer: &[u8]) {
    let untrusting = Client::new(ClientConfig::default());
    untrusting
        .fetch_manifest_digest(image, auth)
        .await
        .expect_err("nobody vouches for the certificate");
    let client = Client::new(ClientConfig {
        use_monolithic_push: monolithic,
        extra_root_certificates: vec![Certificate {
            encoding: CertificateEncoding::Pem,
            data: authority.to_owned(),
        }],
        ..ClientConfig::default()
    });

    let layers = [ImageLayer::oci_v1(layer.to_owned(), None)];
    let config = Config::oci_v1(b"{}".to_vec(), None);
    client.push(image, &layers, config, auth, None).await.expect("push");
    let pulled = client
        .pull(image, auth, vec![manifest::IMAGE_LAYER_MEDIA_TYPE])
        .await
        .expect("pull");
    assert!(pulled.layers[0].data == layer, "the layer came back different");
    let digest = client.fetch_manifest_digest(image, auth).await.expect("HEAD");
    assert_eq!(pulled.digest.as_deref(), Some(&*digest));
    let tags = client.list_tags(image, auth, None, None).await.expect("tags").tags;
    assert!(tags.iter().any(|tag| Some(&**tag) == image.tag()), "{tags:?}");

    let accepted = [manifest::OCI_IMAGE_MEDIA_TYPE];
    let (bytes, raw) = client.pull_manifest_raw(image, auth, &accepted).await.expect("GET");
    assert_eq!(raw, digest);
    attach(&client, image, auth, &digest, bytes.len()).await;
}

/// Attaches a note to the image and finds it again by its type.
async fn attach(client: &Client, image: &Reference, auth: &RegistryAuth, digest: &str, size: usize) {
    let kind = "application/vnd.example.note";
    let note = [ImageLayer::new(b"a note".to_vec(), kind.to_owned(), None)];
    let config = Config::new(b"{}".to_vec(), "application/vnd.oci.empty.v1+json".to_owned(), None);
    let mut manifest = OciImageManifest::build(&note, &config, None);
    manifest.artifact_type = Some(kind.to_owned());
    manifest.subject = Some(OciDescriptor {
        media_type: manifest::OCI_IMAGE_MEDIA_TYPE.to_owned(),
        digest: digest.to_owned(),
        size: i64::try_from(size).expect("small"),
        ..OciDescriptor::default()
    });
    let tag = format!("{}-note", image.tag().expect("a tag"));
    let attached = Reference::with_tag(image.registry().to_owned(), image.repository().to_owned(), tag);
    client
        .push(&attached, &note, config, auth, Some(manifest))
        .await
        .expect("attach");
    let attached = client.fetch_manifest_digest(&attached, auth).await.expect("HEAD");

    let subject = image.clone_with_digest(digest.to_owned());
    let referrers = client.pull_referrers(&subject, Some(kind)).await.expect("referrers");
    let found: Vec<&str> = referrers.manifests.iter().map(|entry| &*entry.digest).collect();
    assert_eq!(found, [&attached]);
    let others = client
        .pull_referrers(&subject, Some("application/vnd.example.other"))
        .await
        .expect("referrers");
    assert!(others.manifests.is_empty(), "{others:?}");
}
