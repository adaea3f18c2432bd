//! Versions that both sides compare in `Hello`, and how a core that refuses its host ends.

pub use crate::generated::messages::SCHEMA_HASH;

/// Version of the prefix and of the rules around it.
pub const PROTOCOL: u16 = 1;

/// Exit codes of the core that belong to the protocol.
pub mod exit {
    /// End of stdin.
    pub const END: i32 = 0;
    /// Protocol version or schema differ.
    pub const VERSION_MISMATCH: i32 = 64;
    /// The host broke the protocol.
    pub const HOST_VIOLATION: i32 = 65;
    /// A panic outside a request.
    pub const PANIC: i32 = 70;
    /// The sandbox is required and was not reached.
    pub const NO_SANDBOX: i32 = 71;
    /// The process that started the core is gone.
    pub const PARENT_GONE: i32 = 72;
}
