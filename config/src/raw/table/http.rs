//! Keys of `http`.

use super::key::{Key, TEXTS};

pub(super) const HTTP: &[Key] = &[
    Key::text("addr"),
    Key::text("net"),
    Key::text("host"),
    Key::text("prefix"),
    Key::secret("secret"),
    Key::scalar("relativeurls"),
    Key::scalar("draintimeout"),
    Key::scalar("handovertimeout"),
    Key::section("tls", TLS),
    Key::open("headers", &TEXTS),
    Key::section(
        "debug",
        &[
            Key::text("addr"),
            Key::section("prometheus", &[Key::scalar("enabled"), Key::text("path")]),
        ],
    ),
    Key::section("http2", &[Key::scalar("disabled")]),
    Key::section(
        "h2c",
        &[Key::scalar("enabled").ignored("HTTP/2 is spoken over TLS alone; HTTP/1.1 works without")],
    ),
    Key::texts("trustedproxies"),
    Key::text("accel"),
    Key::text("redirecthttps"),
    Key::list(
        "aliases",
        &[Key::text("name"), Key::text("certificate"), Key::text("key")],
    ),
    Key::text("docroot"),
    Key::section(
        "limits",
        &[
            Key::scalar("maxconnections"),
            Key::scalar("idletimeout"),
            Key::scalar("backendwait"),
            Key::scalar("maxrequests"),
            Key::scalar("maxnetworkrequests"),
            Key::scalar("requestwait"),
            Key::scalar("bodytimeout"),
            Key::scalar("maxuploads"),
        ],
    ),
];

const TLS: &[Key] = &[
    Key::text("certificate"),
    Key::text("key"),
    Key::texts("clientcas"),
    Key::text("clientauth"),
    Key::text("minimumtls"),
    Key::texts("ciphersuites"),
    Key::section(
        "letsencrypt",
        &[
            Key::text("cachefile"),
            Key::text("email"),
            Key::texts("hosts"),
            Key::text("directoryurl"),
        ],
    ),
    Key::switch("auto", &[Key::texts("hostnames")]),
];
