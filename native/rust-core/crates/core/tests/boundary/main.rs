//! The real binary over real pipes: frames in, frames and files out.

mod folder;
#[cfg(feature = "test-hooks")]
mod hooks;
mod host;
mod jobs;
mod life;
mod reduce;
mod store;
mod work;
