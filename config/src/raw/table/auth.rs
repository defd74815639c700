//! Keys of `auth`.

use super::key::{Key, TEXT, TEXTS};

pub(super) const AUTH: &[Key] = &[
    Key::section("htpasswd", &[Key::text("realm"), Key::text("path")]),
    Key::section(
        "token",
        &[
            Key::text("realm"),
            Key::text("service"),
            Key::text("issuer"),
            Key::text("rootcertbundle"),
            Key::text("jwks"),
            Key::texts("signingalgorithms"),
            Key::scalar("autoredirect"),
            Key::text("autoredirectpath"),
        ],
    ),
    Key::switch(
        "issuer",
        &[
            Key::text("issuer"),
            Key::text("service"),
            Key::text("realm"),
            Key::text("path"),
            Key::scalar("expiration"),
            Key::text("key"),
        ],
    ),
    Key::list(
        "acl",
        &[
            Key::section(
                "match",
                &[
                    Key::text("account"),
                    Key::text("type"),
                    Key::text("name"),
                    Key::text("ip"),
                    Key::text("service"),
                    Key::open("labels", &TEXT),
                ],
            ),
            Key::texts("actions"),
            Key::text("comment"),
        ],
    ),
    Key::open("groups", &TEXTS),
    Key::section("anonymous", &[Key::texts("pull")]),
    // Distribution's way to say that there is no access control.
    Key::any("none"),
    Key::any("silly").refused_by_name("it lets everybody in who sends any Authorization header; use htpasswd"),
];
