//! Keys of `log`.

use super::key::{Key, TEXT};

pub(super) const LOG: &[Key] = &[
    Key::text("level"),
    Key::text("formatter"),
    Key::open("fields", &TEXT),
    Key::section("accesslog", &[Key::scalar("disabled")]),
    // A hook is how somebody learns of errors by mail: an event, and events are not dropped silently.
    Key::any("hooks").refused("no mail is sent, so whoever waits for it would miss errors; remove the hook"),
    Key::scalar("reportcaller").ignored("log lines name no source code"),
    Key::section("console", &[Key::text("level")]),
    Key::switch(
        "file",
        &[
            Key::text("directory"),
            Key::text("level"),
            Key::scalar("maxsize"),
            Key::scalar("maxage"),
        ],
    ),
    Key::section("system", &[Key::text("level")]),
];
