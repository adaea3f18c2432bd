//! One chunk from its pinned range to the filled verdict, one file from its bytes to plan segments.
//!
//! Owns the traits it works through: where bytes come from (`io::ChunkIo`, `plan::PlanIo`), how rows are transformed (`program`). No I/O, no
//! clock, no FlatBuffers. Keeps I2 (the receipt is the only commit), I3 and I4 (each record has one fate, the balance holds or nothing commits).
#![forbid(unsafe_code)]

pub mod account;
mod attempt;
pub mod budget;
pub mod cancel;
mod chosen;
pub mod columns;
mod commit;
pub mod dedupe;
pub mod error;
pub mod exchange;
mod exchange_form;
mod folder_parts;
mod hex;
mod input_names;
pub mod io;
mod key_table;
pub mod lookups;
pub mod names;
pub mod order;
mod outputs;
pub mod partition;
pub mod plan;
mod plan_compressed;
mod plan_group;
pub mod plan_stage;
pub mod process;
pub mod program;
pub mod progress;
pub mod records;
mod redriven;
pub mod reduce;
pub mod replaced;
pub mod result_version;
pub mod row_order;
pub mod slices;
mod sort;
pub mod stages;
pub mod streams;
mod transform;
pub mod unique;
pub mod watch;

pub use error::Error;
pub use hex::sha256_hex;
pub use process::{ChunkEnd, ChunkTask, Context, process_chunk};
pub use result_version::RESULT_VERSION;
