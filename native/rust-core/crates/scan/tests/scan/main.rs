//! Tests of the division as a whole: canonical rule, fast path, reading, planning.

mod cost;
mod division;
mod groups;
mod lines;
mod planning;
mod strict_machine;
mod support;
