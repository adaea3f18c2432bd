//! The engine against a world in memory: every way an attempt can end, every way two planners can meet.

mod commit;
mod folders;
mod golden;
mod groups;
mod memory;
mod plan;
mod process;
mod reduce;
mod streams;
mod unique;
