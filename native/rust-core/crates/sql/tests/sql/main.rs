//! All tests of queries in one program: the engine is linked once.

mod differential;
mod failures;
mod functions;
mod golden;
mod hostile;
mod hostile_text;
mod isolation;
mod joins;
mod overflow;
mod partition;
mod queries;
mod reduce;
mod running;
mod same_bits;
mod table;
