//! Keys of `storage`.

use super::key::Key;

pub(super) const STORAGE: &[Key] = &[
    Key::section("filesystem", &[Key::text("rootdirectory"), Key::scalar("maxthreads")]),
    Key::section("delete", &[Key::scalar("enabled")]),
    Key::section(
        "maintenance",
        &[
            Key::section(
                "uploadpurging",
                &[
                    Key::scalar("enabled"),
                    Key::scalar("age"),
                    Key::scalar("interval"),
                    Key::scalar("dryrun"),
                ],
            ),
            Key::section("readonly", &[Key::scalar("enabled")]),
        ],
    ),
    Key::section(
        "cache",
        &[
            Key::text("blobdescriptor").ignored(PAGE_CACHE),
            Key::scalar("blobdescriptorsize").ignored(PAGE_CACHE),
            Key::text("layerinfo").ignored(PAGE_CACHE),
        ],
    ),
    Key::section(
        "tag",
        &[Key::scalar("concurrencylimit").ignored("tags are looked up one after the other")],
    ),
    Key::section(
        "redirect",
        &[Key::scalar("disable").ignored("downloads are never redirected")],
    ),
    Key::section("manifest", &[Key::scalar("maxsize")]),
    Key::section("upload", &[Key::scalar("chunkminlength")]),
    Key::any("inmemory").refused_by_name("everything would be lost at the end; use filesystem, on a tmpfs if you like"),
    Key::any("s3").refused_by_name(BUCKET),
    Key::any("s3aws").refused_by_name(BUCKET),
    Key::any("azure").refused_by_name(BUCKET),
    Key::any("gcs").refused_by_name(BUCKET),
    Key::any("oss").refused_by_name(BUCKET),
    Key::any("swift").refused_by_name(OBJECTS),
    Key::any("rados").refused_by_name(OBJECTS),
];

const PAGE_CACHE: &str = "descriptors are read from files, which the kernel caches";

/// Objects there are named as files are here.
const BUCKET: &str = "images are kept in files alone; copy the bucket's `docker` directory (with rclone, say) into \
    storage.filesystem.rootdirectory, where the same tree is read, and use filesystem";

/// These drivers cut files into objects, so copying the objects gives no tree.
const OBJECTS: &str = "images are kept in files alone; use filesystem, and copy the images from the old registry, for \
    example with skopeo sync";
