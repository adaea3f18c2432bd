//! Bytes to typed, validated batches and rejects, and batches to bytes. No I/O, no clock: sans-IO throughout.
#![forbid(unsafe_code)]

mod arrow_ipc;
pub mod batch;
mod column;
mod columnar;
#[cfg(test)]
mod conformance;
mod convert;
mod csv;
pub mod decompress;
pub mod encoding;
pub mod error;
mod feed;
pub mod field;
pub mod given;
pub mod header;
mod iso2022;
mod json;
mod lines;
mod ndjson;
mod nested;
mod parquet;
pub mod pins;
mod plan;
pub mod position;
pub mod probe;
mod range;
pub mod read;
pub mod reject;
mod report;
pub mod schema;
pub mod source;
#[cfg(test)]
mod testing;
pub mod validate;
pub mod values;
pub mod write;
