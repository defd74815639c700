//! Ports that are free, for servers that cannot be told to take any. What can, listens on port 0 and says where.
//!
//! ```
//! # use lockgate_testkit::address;
//! let [first, second] = address::free_ports();
//! assert_ne!(first, second);
//! ```

use std::net::TcpListener;

/// Ports of the loopback address on which nobody listens. Another program may be faster; then the test says so.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    // All are open at once, so that none is given twice.
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// An address on which nobody listens.
pub fn free_address() -> String {
    let [port] = free_ports();
    format!("127.0.0.1:{port}")
}
