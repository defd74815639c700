//! Where things lie on disk: the tree of CNCF distribution, drawn beside the only functions that build its paths.
//!
//! ```text
//! <root>/docker/registry/v2/
//!   blobs/
//!     <alg>/<first two hex digits>/<hex>/data        content, addressed by its digest
//!   repositories/
//!     <name>/                                        its components are directories
//!       _layers/<alg>/<hex>/link                     "this blob may be read here"
//!       _manifests/
//!         revisions/<alg>/<hex>/link                 "this blob is a manifest here"
//!         tags/<tag>/current/link                    what the tag points to
//!         tags/<tag>/index/<alg>/<hex>/link          what it ever pointed to
//!         referrers/<alg>/<hex>/<alg>/<hex>/link     subject, then who names it; distribution never looks here
//!       _uploads/<id>/
//!         data                                       bytes received so far
//!         startedat                                  RFC 3339, UTC
//!         hashstates/<alg>/<offset>                  Go's marshalled hash state after <offset> bytes
//!   staging/<process>/<number>                       files before their rename; distribution never looks here
//! ```
//!
//! `<root>/lockgate.lock` says which instance serves the root; distribution never looks there.
//!
//! A link is a file that holds a digest as text, without a newline.

use std::path::{Path, PathBuf};

use super::upload_id::UploadId;
use crate::oci::{Algorithm, Digest, RepositoryName, Tag};

/// Builds every path below one storage root.
#[derive(Debug, Clone)]
pub struct Layout {
    blobs: PathBuf,
    repositories: PathBuf,
    staging: PathBuf,
}

impl Layout {
    /// What stands between the root and the tree: distribution's own path.
    pub const TREE: &str = "docker/registry/v2";

    /// The tree below `root` (`storage.filesystem.rootdirectory`).
    pub fn new(root: &Path) -> Self {
        let version = root.join(Self::TREE);
        Self {
            blobs: version.join("blobs"),
            repositories: version.join("repositories"),
            staging: version.join("staging"),
        }
    }

    /// Says which instance serves `root`.
    pub(crate) fn root_lock_file(root: &Path) -> PathBuf {
        root.join("lockgate.lock")
    }

    /// The directory that a hand-off's path is relative to.
    pub fn blobs(&self) -> &Path {
        &self.blobs
    }

    pub(crate) fn repositories(&self) -> &Path {
        &self.repositories
    }

    /// Beside `blobs` and `repositories`, so surely in their filesystem, and out of what distribution walks.
    pub(crate) fn staging(&self) -> &Path {
        &self.staging
    }

    /// A blob's file, relative to [`Self::blobs`].
    pub(crate) fn blob_file(digest: &Digest) -> PathBuf {
        let (algorithm, hex) = (digest.algorithm().name(), digest.hex());
        format!("{algorithm}/{}/{hex}/data", &hex[..2]).into()
    }

    pub(crate) fn blob_data(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(Self::blob_file(digest))
    }

    pub(crate) fn repository(&self, name: &RepositoryName) -> RepositoryLayout {
        RepositoryLayout(self.repositories.join(name.as_str()))
    }
}

/// Builds the paths of one repository.
#[derive(Debug, Clone)]
pub(crate) struct RepositoryLayout(PathBuf);

impl RepositoryLayout {
    /// The names that mark a directory as belonging to a repository begin with it; no component of a name does.
    pub(crate) const RESERVED: char = '_';

    pub(crate) fn layers(&self) -> PathBuf {
        self.0.join("_layers")
    }

    pub(crate) fn layer_link(&self, digest: &Digest) -> PathBuf {
        link_below(self.layers(), digest)
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.0.join("_manifests")
    }

    pub(crate) fn revision_link(&self, digest: &Digest) -> PathBuf {
        link_below(self.0.join("_manifests/revisions"), digest)
    }

    pub(crate) fn tags(&self) -> PathBuf {
        self.0.join("_manifests/tags")
    }

    pub(crate) fn tag(&self, tag: &Tag) -> PathBuf {
        self.tags().join(tag.as_str())
    }

    pub(crate) fn tag_current(&self, tag: &Tag) -> PathBuf {
        self.tag(tag).join("current/link")
    }

    pub(crate) fn tag_index(&self, tag: &Tag, digest: &Digest) -> PathBuf {
        link_below(self.tag(tag).join("index"), digest)
    }

    /// Directory of the links to those that name `subject`, an algorithm a subdirectory.
    pub(crate) fn referrers(&self, subject: &Digest) -> PathBuf {
        self.0
            .join("_manifests/referrers")
            .join(subject.algorithm().name())
            .join(subject.hex())
    }

    pub(crate) fn referrer_link(&self, subject: &Digest, referrer: &Digest) -> PathBuf {
        link_below(self.referrers(subject), referrer)
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.0.join("_uploads")
    }

    pub(crate) fn upload(&self, id: &UploadId) -> UploadLayout {
        UploadLayout(self.uploads().join(id.as_str()))
    }
}

/// Builds the paths of one upload.
#[derive(Debug, Clone)]
pub(crate) struct UploadLayout(PathBuf);

impl UploadLayout {
    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    pub(crate) fn started_at(&self) -> PathBuf {
        self.0.join("startedat")
    }

    pub(crate) fn hash_states(&self, algorithm: Algorithm) -> PathBuf {
        self.0.join("hashstates").join(algorithm.name())
    }
}

fn link_below(mut directory: PathBuf, digest: &Digest) -> PathBuf {
    directory.push(digest.algorithm().name());
    directory.push(digest.hex());
    directory.push("link");
    directory
}

#[cfg(test)]
mod tests {
    use super::*;

    // The very paths that distribution's `registry/storage/paths_test.go` expects.
    #[test]
    fn paths_are_those_of_distribution() {
        let hex = "0123456789abcdef".repeat(4);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let layout = Layout::new(Path::new("/r"));
        let repository = layout.repository(&"foo/bar".parse().unwrap());
        let tag: Tag = "thetag".parse().unwrap();
        let id: UploadId = "d9d09a3f-0b3e-4c4b-9a3e-1b1b6f0c1c2d".parse().unwrap();
        let base = "/r/docker/registry/v2";
        let manifests = format!("{base}/repositories/foo/bar/_manifests");
        let upload = format!("{base}/repositories/foo/bar/_uploads/{id}");

        for (path, expected) in [
            (layout.blob_data(&digest), format!("{base}/blobs/sha256/01/{hex}/data")),
            (
                repository.layer_link(&digest),
                format!("{base}/repositories/foo/bar/_layers/sha256/{hex}/link"),
            ),
            (
                repository.revision_link(&digest),
                format!("{manifests}/revisions/sha256/{hex}/link"),
            ),
            (
                repository.tag_current(&tag),
                format!("{manifests}/tags/thetag/current/link"),
            ),
            (
                repository.tag_index(&tag, &digest),
                format!("{manifests}/tags/thetag/index/sha256/{hex}/link"),
            ),
            (
                repository.referrer_link(&digest, &digest),
                format!("{manifests}/referrers/sha256/{hex}/sha256/{hex}/link"),
            ),
            (repository.upload(&id).data(), format!("{upload}/data")),
            (repository.upload(&id).started_at(), format!("{upload}/startedat")),
            (
                repository.upload(&id).hash_states(Algorithm::Sha512),
                format!("{upload}/hashstates/sha512"),
            ),
        ] {
            assert_eq!(path, Path::new(&expected));
        }
    }
}
