//! One map-stage SQL query as a [`Program`](millrace_engine::program::Program): parsed, checked, typed and turned into physical expressions
//! once, then evaluated batch by batch. A record that cannot be evaluated becomes a reject and takes nobody with it.
//!
//! This crate reads no files, knows no other tables than `input`, and has neither clock nor randomness: equal input gives equal output.
//! Expressions nest up to 1,000 deep; a thread that runs programs should have 32 MiB of stack.

#![forbid(unsafe_code)]

mod compile;
mod describe;
mod error;
mod evaluate;
pub mod functions;
mod guard;
mod isolate;
mod parse;
mod physical;
mod rewrite;
mod rowwise;
mod rules;
mod tables;

use std::sync::Arc;

use millrace_engine::program::Compiler;

/// The compiler for map stages.
pub fn compiler() -> Arc<dyn Compiler> {
    Arc::new(compile::SqlCompiler)
}
