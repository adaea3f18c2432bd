//! The SQL of a stage: parsed, checked, typed and compiled once. A map stage is a [`Program`](millrace_engine::program::Program) that runs
//! batch by batch; a reduce stage is a [`ReduceProgram`](millrace_engine::program::ReduceProgram) that runs over one partition at a time. A
//! row that cannot be evaluated becomes a reject and takes nobody with it.
//!
//! This crate reads no files, knows no other tables than those it is given, and has neither clock nor randomness: equal input gives equal
//! output, bit by bit, whatever the batches and the memory.
//! Expressions nest up to 1,000 deep; a thread that runs programs should have 32 MiB of stack.

#![forbid(unsafe_code)]

mod aggregate;
mod blame;
mod compile;
mod describe;
mod error;
mod evaluate;
pub mod functions;
mod group_hash;
mod group_integers;
mod growth;
mod guard;
mod isolate;
mod join;
mod json;
mod lookup_join;
mod one_pass;
mod operators;
mod parse;
mod physical;
mod ranks;
mod reduce_plan;
mod reduce_run;
mod rewrite;
mod rowwise;
mod rules;
mod running;
mod scan;
mod sort_keys;
mod sorting;
mod spool;
mod statics;
mod tables;
mod unnest;
mod watched;
mod window;

use std::sync::Arc;

use millrace_engine::program::Compiler;

/// The compiler of stages.
pub fn compiler() -> Arc<dyn Compiler> {
    Arc::new(compile::SqlCompiler)
}
