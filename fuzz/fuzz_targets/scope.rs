//! Scopes of tokens: what is accepted means the same when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::scope::Scope;

fuzz_target!(|text: &str| {
    if let Ok(scope) = text.parse::<Scope>() {
        assert_eq!(scope.to_string().parse(), Ok(scope));
    }
});
