//! What each client platform needs to trust the registry: printed, or on this machine done.
