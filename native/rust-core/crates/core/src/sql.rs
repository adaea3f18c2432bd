//! The compiler of this build.

use std::sync::Arc;

use millrace_engine::program::Compiler;

#[cfg(feature = "sql")]
pub fn compiler() -> Arc<dyn Compiler> {
    millrace_sql::compiler()
}

#[cfg(not(feature = "sql"))]
pub fn compiler() -> Arc<dyn Compiler> {
    Arc::new(without::NoSql)
}

#[cfg(not(feature = "sql"))]
mod without {
    use millrace_engine::program::{
        CompileInput, Compiler, Program, ProgramError, ReduceInput, ReduceProgram, SchemaRef, SortKeys, StageKind,
    };

    /// Refuses every query.
    pub struct NoSql;

    fn refused() -> ProgramError {
        ProgramError { code: "SPEC_SQL_UNSUPPORTED", message: "this core was built without SQL".into(), at: None }
    }

    impl Compiler for NoSql {
        fn check(&self, _: &str, _: StageKind) -> Result<(), ProgramError> {
            Err(refused())
        }

        fn check_order(&self, _: &str) -> Result<(), ProgramError> {
            Err(refused())
        }

        fn compile(&self, _: CompileInput<'_>) -> Result<Box<dyn Program>, ProgramError> {
            Err(refused())
        }

        fn compile_reduce(&self, _: ReduceInput<'_>) -> Result<Box<dyn ReduceProgram>, ProgramError> {
            Err(refused())
        }

        fn compile_order(&self, _: &str, _: SchemaRef) -> Result<Box<dyn SortKeys>, ProgramError> {
            Err(refused())
        }
    }
}
