//! Every key of the format: distribution's 2.x and 3.x (`configuration/configuration.go`) and the extensions, and what
//! becomes of each.

use super::key::Key;
use super::{auth, http, log, storage};

/// The top of the file.
pub(crate) const ROOT: &[Key] =
    &[
        Key::text("version"),
        Key::section("log", log::LOG),
        Key::text("loglevel"),
        Key::section("storage", storage::STORAGE),
        Key::section("http", http::HTTP),
        Key::section("auth", auth::AUTH),
        Key::section("health", HEALTH),
        Key::section("validation", VALIDATION),
        Key::section("process", PROCESS),
        Key::section(
            "catalog",
            &[Key::scalar("maxentries").ignored("the largest page of the catalog is fixed")],
        ),
        Key::section(
            "tags",
            &[Key::scalar("maxtags").ignored("the largest page of tags is fixed")],
        ),
        Key::any("redis").ignored("nothing is cached outside of the process"),
        Key::any("reporting").ignored("errors go to the log alone"),
        Key::section("notifications", NOTIFICATIONS),
        Key::section("middleware", MIDDLEWARE),
        Key::section("proxy", PROXY),
        Key::section(
            "policy",
            &[Key::section(
                "repository",
                &[Key::texts("classes")
                    .refused("content classes are not enforced; use auth.acl to say who may push what")],
            )],
        ),
        Key::section("compatibility", &[Key::section("schema1", SCHEMA1)]),
    ];

const HEALTH: &[Key] = &[
    Key::section(
        "storagedriver",
        &[
            Key::scalar("enabled"),
            Key::scalar("interval"),
            Key::scalar("threshold"),
        ],
    ),
    Key::any("file").field("FileCheckers").ignored(OTHER_CHECKS),
    Key::any("http").field("HTTPCheckers").ignored(OTHER_CHECKS),
    Key::any("tcp").field("TCPCheckers").ignored(OTHER_CHECKS),
];

const OTHER_CHECKS: &str = "only the storage check decides whether requests are answered";

const VALIDATION: &[Key] = &[
    Key::scalar("enabled"),
    Key::scalar("disabled"),
    Key::section(
        "manifests",
        &[
            Key::section("urls", &[Key::texts("allow"), Key::texts("deny")]),
            Key::section(
                "indexes",
                &[
                    Key::text("platforms"),
                    Key::list("platformlist", &[Key::text("architecture"), Key::text("os")]),
                ],
            ),
        ],
    ),
];

const PROCESS: &[Key] = &[Key::text("proxyuser"), Key::text("registryuser"), Key::text("group")];

const NOTIFICATIONS: &[Key] = &[
    Key::any("events")
        .field("EventConfig")
        .ignored("no notifications are sent"),
    Key::any("endpoints")
        .refused("no notifications are sent, so whoever listens would miss events; remove the endpoint"),
];

const MIDDLEWARE: &[Key] = &[
    Key::any("registry").refused(NO_MIDDLEWARE),
    Key::any("repository").refused(NO_MIDDLEWARE),
    Key::any("storage").refused(NO_MIDDLEWARE),
];

const NO_MIDDLEWARE: &str = "there is no middleware, and what it allows or denies would be lost; remove it";

const PROXY: &[Key] = &[
    Key::text("remoteurl").refused("Lockgate is no pull-through cache; pulls of what is not here would fail"),
    Key::text("username").ignored(NO_REMOTE),
    Key::secret("password").ignored(NO_REMOTE),
    Key::any("exec").ignored(NO_REMOTE),
    Key::scalar("ttl").ignored(NO_REMOTE),
    Key::scalar("cachewritetimeout").ignored(NO_REMOTE),
];

const NO_REMOTE: &str = "Lockgate is no pull-through cache";

const SCHEMA1: &[Key] = &[
    Key::scalar("enabled")
        .refused("schema 1 manifests are not served; push the images again with a client of 2017 or later"),
    Key::text("signingkeyfile")
        .field("TrustKey")
        .ignored("schema 1 manifests are not served"),
];
