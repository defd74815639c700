//! Images as an OCI image layout directory (image-spec, image-layout.md), written by hand, for skopeo to copy.

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_testkit::digest::{sha256, sha256_of_stream};
use serde_json::{Value, json};

/// A directory that skopeo calls `oci:DIRECTORY:TAG`.
pub(crate) struct OciLayout {
    directory: PathBuf,
}

impl OciLayout {
    /// An empty layout in `directory`.
    pub(crate) fn create(directory: PathBuf) -> Self {
        fs::create_dir_all(directory.join("blobs/sha256")).expect("blobs");
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("oci-layout");
        Self { directory }
    }

    /// How skopeo names the content under `tag`.
    pub(crate) fn source(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.directory.display())
    }

    /// An image for linux on `architecture` of uncompressed layers; its descriptor.
    pub(crate) fn image(&self, architecture: &str, layers: &[&Path], command: &[&str]) -> Value {
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.file("application/vnd.oci.image.layer.v1.tar", layer))
            .collect();
        // Uncompressed, a layer's digest is its diff id.
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let config = self.document(
            "application/vnd.oci.image.config.v1+json",
            &json!({
                "architecture": architecture, "os": "linux", "config": { "Cmd": command },
                "rootfs": { "type": "layers", "diff_ids": diff_ids },
            }),
        );
        let mut descriptor = self.document(
            "application/vnd.oci.image.manifest.v1+json",
            &json!({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config, "layers": layers,
            }),
        );
        descriptor["platform"] = json!({ "architecture": architecture, "os": "linux" });
        descriptor
    }

    /// An index of `manifests`; its descriptor.
    pub(crate) fn index(&self, manifests: &[Value]) -> Value {
        self.document(
            "application/vnd.oci.image.index.v1+json",
            &json!({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
            }),
        )
    }

    /// Gives `descriptor` a name; the layout has just this one.
    pub(crate) fn tag(&self, mut descriptor: Value, tag: &str) {
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
        fs::write(self.directory.join("index.json"), index.to_string()).expect("index.json");
    }

    fn document(&self, media_type: &str, document: &Value) -> Value {
        let bytes = document.to_string();
        let digest = sha256(&bytes);
        fs::write(self.blob(&digest), &bytes).expect("blob");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// The hexadecimal digits under which a layer's file is kept.
    pub(crate) fn digest_of(&self, layer: &Path) -> String {
        let descriptor = self.file("application/octet-stream", layer);
        descriptor["digest"].as_str().expect("a digest").replace("sha256:", "")
    }

    fn file(&self, media_type: &str, file: &Path) -> Value {
        let (digest, size) = sha256_of_stream(fs::File::open(file).expect("layer")).expect("layer");
        let blob = self.blob(&digest);
        if !blob.exists() {
            fs::hard_link(file, blob).expect("blob");
        }
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.directory.join("blobs").join(digest.replace(':', "/"))
    }
}
