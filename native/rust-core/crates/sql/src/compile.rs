//! From text to program: parse, check, rewrite, plan, type, compile. Names and types come from the pinned schema, so every process of a
//! job builds the same program.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use chrono::DateTime;
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DataFusionError, Result as EngineResult};
use datafusion_expr::expr::Cast;
use datafusion_expr::{Expr, LogicalPlan};
use datafusion_optimizer::AnalyzerRule;
use datafusion_optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion_sql::planner::{ParserOptions, SqlToRel};
use millrace_engine::program::{
    CompileInput, Compiler, HIDDEN_COLUMNS, Program, ProgramError, ReduceInput, ReduceProgram, SortKeys, StageKind,
};
use sqlparser::ast::Statement;

use crate::describe::WRITTEN;
use crate::error::{BUG, NOT_AVAILABLE, TYPE, UNSUPPORTED, from_planning, refuse};
use crate::evaluate::{MapProgram, Source};
use crate::functions::Job;
use crate::parse::{Parsed, parse};
use crate::rewrite::{RECORD_ID_COLUMN, Rewrite};
use crate::tables::Tables;
use crate::{rowwise, rules};

/// Parsing, planning and dropping deep trees recurse; this is enough for the depths that the rules let pass.
const STACK_BYTES: usize = 32 << 20;

/// Compiles map stages.
pub struct SqlCompiler;

impl Compiler for SqlCompiler {
    fn check(&self, sql: &str, kind: StageKind) -> Result<(), ProgramError> {
        match kind {
            StageKind::Map => on_large_stack(|| rules::check(&parse(sql)?)),
            StageKind::Reduce => Err(refuse(NOT_AVAILABLE, None, "reduce stages are not built yet")),
        }
    }

    fn check_order(&self, _: &str) -> Result<(), ProgramError> {
        Err(refuse(NOT_AVAILABLE, None, "orderBy is not built yet"))
    }

    fn compile(&self, input: CompileInput<'_>) -> Result<Box<dyn Program>, ProgramError> {
        on_large_stack(|| compile(&input))
    }

    fn compile_reduce(&self, _: ReduceInput<'_>) -> Result<Box<dyn ReduceProgram>, ProgramError> {
        Err(refuse(NOT_AVAILABLE, None, "reduce stages are not built yet"))
    }

    fn compile_order(&self, _: &str, _: SchemaRef) -> Result<Box<dyn SortKeys>, ProgramError> {
        Err(refuse(NOT_AVAILABLE, None, "orderBy is not built yet"))
    }
}

fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, ProgramError> + Send) -> Result<T, ProgramError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sql-compile".into()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| refuse(BUG, None, format!("cannot start the compiling thread: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(refuse(BUG, None, "the compiler broke an invariant")))
    })
}

fn compile(input: &CompileInput<'_>) -> Result<Box<dyn Program>, ProgramError> {
    let mut parsed = parse(input.sql)?;
    rules::check(&parsed)?;
    let (table, sources) = table(&input.columns)?;
    let hidden = sources.iter().zip(table.fields()).filter(|(source, _)| !matches!(source, Source::Input(_)));
    let hidden = hidden.map(|(_, field)| field.name().clone()).collect();
    let mut query = parsed.query.clone();
    Rewrite { params: input.params, hidden }.apply(&mut query)?;

    let options = Arc::new(options());
    let tables = Tables::new(Arc::clone(&table), Arc::clone(&options), &job(input)?);
    let failed = |error: &DataFusionError, parsed: &Parsed| from_planning(error, |name| parsed.name(name));
    let plan = plan(query, &tables).map_err(|error| failed(&error, &parsed))?;
    let plan = TypeCoercion::new().analyze(plan, &options).map_err(|error| failed(&error, &parsed))?;
    let steps = rowwise::compile(&plan, &options).map_err(|error| failed(&error, &parsed))?;
    check_output_names(&steps.output, &mut parsed)?;
    let sources = steps.read.iter().map(|index| sources[*index]).collect();
    Ok(Box::new(MapProgram::new(sources, steps, input.job_id.to_string())))
}

/// The table `input` as planned: the schema's columns, then hidden ones whose names are free, and where each comes from.
fn table(columns: &SchemaRef) -> Result<(SchemaRef, Vec<Source>), ProgramError> {
    let mut fields: Vec<Field> = columns.fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect();
    let mut sources: Vec<Source> = (0..fields.len()).map(Source::Input).collect();
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|other| other.name() == field.name()) {
            return Err(refuse(UNSUPPORTED, None, format!("two columns of input are named {}", field.name())));
        }
    }
    let [file, record, line, byte] = HIDDEN_COLUMNS;
    let hidden = [
        (file, DataType::Utf8View, Source::File),
        (record, DataType::Int64, Source::Record),
        (line, DataType::Int64, Source::Line),
        (byte, DataType::Int64, Source::Byte),
        (RECORD_ID_COLUMN, DataType::Utf8View, Source::RecordId),
    ];
    for (name, data_type, source) in hidden {
        if columns.column_with_name(name).is_none() {
            fields.push(Field::new(name, data_type, true));
            sources.push(source);
        }
    }
    Ok((Arc::new(Schema::new(fields)), sources))
}

/// The engine's settings: fixed, so that no environment can change a result.
fn options() -> ConfigOptions {
    let mut options = ConfigOptions::default();
    options.execution.time_zone = Some("UTC".into());
    options
}

fn job(input: &CompileInput<'_>) -> Result<Job, ProgramError> {
    let accepted = DateTime::parse_from_rfc3339(input.accepted_at)
        .map_err(|error| refuse(TYPE, None, format!("cannot read the job's instant of acceptance {:?}: {error}", input.accepted_at)))?;
    Ok(Job { accepted_micros: accepted.timestamp_micros() })
}

fn plan(query: sqlparser::ast::Query, tables: &Tables) -> EngineResult<LogicalPlan> {
    let options = ParserOptions::new()
        .with_enable_ident_normalization(false)
        .with_parse_float_as_decimal(true)
        .with_map_string_types_to_utf8view(true)
        .with_collect_spans(true);
    let plan = SqlToRel::new_with_options(tables, options).sql_statement_to_plan(Statement::Query(Box::new(query)))?;
    mark_written_casts(plan)
}

/// Tags the casts of the text, so that messages can leave out those that typing adds.
fn mark_written_casts(plan: LogicalPlan) -> EngineResult<LogicalPlan> {
    let marked = plan.transform_up(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| match expr {
                Expr::Cast(Cast { expr, field }) => {
                    let mark = HashMap::from([(WRITTEN.to_string(), String::new())]);
                    let field = Arc::new(field.as_ref().clone().with_metadata(mark));
                    Ok(Transformed::yes(Expr::Cast(Cast { expr, field })))
                }
                other => Ok(Transformed::no(other)),
            })
        })
    })?;
    Ok(marked.data)
}

fn check_output_names(output: &SchemaRef, parsed: &mut Parsed) -> Result<(), ProgramError> {
    let mut seen = std::collections::HashSet::new();
    for field in output.fields() {
        if !seen.insert(field.name()) {
            let message = format!("two output columns are named {}; give one an alias", field.name());
            return Err(refuse(UNSUPPORTED, parsed.name(field.name()), message));
        }
    }
    Ok(())
}
