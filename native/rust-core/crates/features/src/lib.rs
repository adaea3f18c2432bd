//! Empty on purpose. Its manifest asks for the features that libraries have when the whole workspace is built, so that building or testing one crate
//! (`cargo test -p millrace-formats`) finds every library as it was built before, instead of building Arrow once for each set of features.
//! Crates that depend on Arrow depend on this one; those that must build in seconds (`scan`, `wire`, `store`) do not.
