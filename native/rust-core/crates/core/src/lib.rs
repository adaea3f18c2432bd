//! Frames to handlers: the process around the engine. Threads, limits, the store behind the engine's traits, the answers to the host.
//!
//! `serve` is the whole process over any pair of streams; `main` hands it the real ones. stdout carries frames only, stderr JSON lines only.
#![deny(unsafe_code)]

mod base64;
mod beside;
mod cache;
mod failure;
mod handlers;
#[cfg(feature = "test-hooks")]
pub mod hooks;
mod journal;
mod lease;
mod local;
mod log;
mod memory;
mod outbox;
pub mod panics;
mod places;
mod running;
pub mod sandbox;
mod scratch;
mod serve;
mod sql;

pub use serve::{Platform, serve};

/// Version of this core, as it stands in `Hello` and in receipts.
pub const CORE_VERSION: &str = env!("CARGO_PKG_VERSION");
