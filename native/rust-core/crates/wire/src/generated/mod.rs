//! What `scripts/generate-wire.ts` wrote. `core_generated` is flatc's and stops at `pack.rs`; `messages` are the plain structs everybody uses.

#[allow(unsafe_code, clippy::all, clippy::pedantic, deprecated, mismatched_lifetime_syntaxes, unused)] // flatc's code, taken as it comes
#[rustfmt::skip]
mod core_generated;
#[rustfmt::skip]
pub mod messages;
#[cfg(test)]
#[rustfmt::skip]
mod samples;

pub(crate) use core_generated::millrace::wire as fb;
