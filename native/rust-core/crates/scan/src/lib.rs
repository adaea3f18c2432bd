//! Where records begin and end, exactly: CSV extents, lines and groups of lines, elements of a JSON array, the anchors of a plan, and the separators of clean runs.
//!
//! The canonical rule is `extent::next_extent`, a pure function of the bytes from an extent start on. `fast` finds the same
//! extents from bit masks as long as it can prove them, and asks the canonical rule otherwise. This crate knows no types, no
//! values and no files; it holds invariant C1 (division has no memory at extent starts).
#![deny(unsafe_code)]

pub mod dialect;
pub mod extent;
pub mod fast;
pub mod fields;
pub mod groups;
pub mod gzip_members;
pub mod json_array;
pub mod lines;
#[allow(unsafe_code)]
pub mod masks;
pub mod planner;
pub mod split;
pub mod tokenize;
pub mod zstd_frames;

pub use dialect::{FieldCheck, Limits, NoTypes, Profile, RawField, Rules, RulesError, ScanDialect, Terminator};
pub use extent::{DamageCode, ErrorKind, Extent, ExtentKind, RecordError, Skip, Step, fits_record, next_extent, skip_line};
pub use fields::{FieldSpan, fields_into, fields_of, unescape_into};
pub use groups::{GroupRules, LineStart, next_group, skip_group};
pub use json_array::{ArrayEnd, ArrayScan, ElementScan, Structure};
pub use lines::{LineKind, LineRules, LineRun, LineSplit, LineSplitter, next_line, skip_long_line};
pub use masks::Kernel;
pub use planner::{Anchor, Counts, Division, Plan, PlanScan};
pub use split::{Split, Splitter};
pub use tokenize::Run;
