//! From text to program: parse, check, rewrite, plan, type, compile. Names and types come from the pinned schema, so every process of a
//! job builds the same program.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use chrono::DateTime;
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DataFusionError, Result as EngineResult, ScalarValue};
use datafusion_expr::expr::Cast;
use datafusion_expr::{Expr, InvariantLevel, LogicalPlan};
use datafusion_optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion_optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion_optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion_optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion_optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion_optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion_optimizer::{AnalyzerRule, Optimizer, OptimizerContext};
use datafusion_sql::planner::{ParserOptions, SqlToRel};
use millrace_engine::program::{
    CompileInput, Compiler, HIDDEN_COLUMNS, LookupTable, Program, ProgramError, ReduceInput, ReduceProgram, SortKeys, StageKind,
};
use sqlparser::ast::Statement;

use crate::describe::WRITTEN;
use crate::error::{BUG, KEY_MISSING, TYPE, UNSUPPORTED, from_planning, refuse};
use crate::evaluate::{MapProgram, Source};
use crate::functions::Job;
use crate::parse::{Parsed, parse};
use crate::reduce_plan::{Planner, steps_of, used_columns};
use crate::reduce_run::{Reduce, operators};
use crate::rewrite::{RECORD_ID_COLUMN, Rewrite};
use crate::rowwise::Steps;
use crate::rules::{self, INPUT};
use crate::scan::Feeds;
use crate::sort_keys;
use crate::statics::StaticCache;
use crate::tables::Tables;

/// Parsing, planning and dropping deep trees recurse; this is enough for the depths that the rules let pass.
const STACK_BYTES: usize = 32 << 20;

/// Compiles stages.
pub struct SqlCompiler;

impl Compiler for SqlCompiler {
    fn check(&self, sql: &str, kind: StageKind) -> Result<(), ProgramError> {
        on_large_stack(|| rules::check(&parse(sql)?, kind))
    }

    fn check_order(&self, order_by: &str) -> Result<(), ProgramError> {
        on_large_stack(|| sort_keys::parse_order(order_by).map(|_| ()))
    }

    fn compile(&self, input: CompileInput<'_>) -> Result<Box<dyn Program>, ProgramError> {
        on_large_stack(|| compile_map(&input))
    }

    fn compile_reduce(&self, input: ReduceInput<'_>) -> Result<Box<dyn ReduceProgram>, ProgramError> {
        on_large_stack(|| compile_reduce(&input))
    }

    fn compile_order(&self, order_by: &str, columns: SchemaRef) -> Result<Box<dyn SortKeys>, ProgramError> {
        on_large_stack(|| sort_keys::compile(order_by, &columns))
    }
}

fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, ProgramError> + Send) -> Result<T, ProgramError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sql-compile".into()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| refuse(BUG, None, format!("cannot start the compiling thread: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(refuse(BUG, None, "the compiler broke an invariant")))
    })
}

/// What both kinds of stages are compiled from.
struct Text<'a> {
    sql: &'a str,
    kind: StageKind,
    params: &'a serde_json::Map<String, serde_json::Value>,
    job: Job,
    lookups: &'a [LookupTable],
    /// The stage's tables by name.
    tables: Vec<(String, SchemaRef)>,
    /// Columns that `*` leaves out.
    hidden: Vec<String>,
}

/// A typed plan without subqueries in expressions, and what finds the places of its names.
struct Planned {
    plan: LogicalPlan,
    parsed: Parsed,
    options: Arc<ConfigOptions>,
    tables: Vec<(String, DFSchema)>,
    statics: StaticCache,
}

impl Planned {
    fn explain(&self, error: &DataFusionError) -> ProgramError {
        from_planning(error, |name| self.parsed.name(name))
    }
}

fn compile_map(input: &CompileInput<'_>) -> Result<Box<dyn Program>, ProgramError> {
    let (table, sources) = table(&input.columns)?;
    let hidden = sources.iter().zip(table.fields()).filter(|(source, _)| !matches!(source, Source::Input(_)));
    let text = Text {
        sql: input.sql,
        kind: StageKind::Map,
        params: input.params,
        job: job(input.accepted_at, input.privacy_key)?,
        lookups: input.lookups,
        hidden: hidden.map(|(_, field)| field.name().clone()).collect(),
        tables: vec![(INPUT.to_string(), table)],
    };
    let mut planned = plan_text(&text)?;
    let steps = map_steps(&mut planned).map_err(|error| planned.explain(&error))?;
    check_output_names(&steps.output, &mut planned.parsed)?;
    let sources = steps.read.iter().map(|index| sources[*index]).collect();
    Ok(Box::new(MapProgram::new(sources, steps, input.job_id.to_string())))
}

fn map_steps(planned: &mut Planned) -> EngineResult<Steps> {
    let used = used_columns(&planned.plan)?;
    let statics = &mut planned.statics;
    let mut compute = |subtree: &LogicalPlan| statics.table(subtree);
    let options = Arc::clone(&planned.options);
    let mut planner = Planner { options, tables: &planned.tables, used, statics: &mut compute, feeds: None };
    let node = match &planned.plan {
        LogicalPlan::Projection(projection) => planner.projection(projection, true)?,
        other => planner.build(other)?,
    };
    steps_of(node)
}

fn compile_reduce(input: &ReduceInput<'_>) -> Result<Box<dyn ReduceProgram>, ProgramError> {
    let mut tables = Vec::with_capacity(input.tables.len());
    for (name, schema) in input.tables {
        check_columns(name, schema)?;
        let fields: Vec<Field> = schema.fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect();
        tables.push((name.clone(), Arc::new(Schema::new(fields))));
    }
    let text = Text {
        sql: input.sql,
        kind: StageKind::Reduce,
        params: input.params,
        job: job(input.accepted_at, input.privacy_key)?,
        lookups: input.lookups,
        hidden: Vec::new(),
        tables,
    };
    let mut planned = plan_text(&text)?;
    let feeds = Feeds::empty(planned.tables.len());
    let built = operators(&planned.plan, &planned.options, &planned.tables, &mut planned.statics, &feeds);
    let (_, schema) = built.map_err(|error| planned.explain(&error))?;
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true).with_metadata(HashMap::new()));
    let output = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    check_output_names(&output, &mut planned.parsed)?;
    let Planned { plan, options, tables, statics, .. } = planned;
    Ok(Box::new(Reduce { plan, options, tables, statics, output }))
}

/// Row-wise steps over plain columns, for expressions that stand outside a stage's query.
pub fn steps_over(sql: &str, columns: &SchemaRef) -> Result<Steps, ProgramError> {
    check_columns(INPUT, columns)?;
    let fields: Vec<Field> = columns.fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect();
    let text = Text {
        sql,
        kind: StageKind::Map,
        params: &serde_json::Map::new(),
        job: Job::default(),
        lookups: &[],
        hidden: Vec::new(),
        tables: vec![(INPUT.to_string(), Arc::new(Schema::new(fields)))],
    };
    let mut planned = plan_text(&text)?;
    map_steps(&mut planned).map_err(|error| planned.explain(&error))
}

fn plan_text(text: &Text<'_>) -> Result<Planned, ProgramError> {
    let parsed = parse(text.sql)?;
    rules::check(&parsed, text.kind)?;
    if let (None, Some((name, at))) = (&text.job.privacy_key, rules::keyed_call(&parsed)) {
        return Err(refuse(KEY_MISSING, at, format!("{name} needs a key: set privacy.key of the job")));
    }
    let mut query = parsed.query.clone();
    Rewrite { params: text.params, hidden: text.hidden.clone() }.apply(&mut query)?;
    let options = Arc::new(options());
    let provider = Tables::new(text.kind, &text.tables, text.lookups, Arc::clone(&options), &text.job);
    let failed = |error: &DataFusionError, parsed: &Parsed| from_planning(error, |name| parsed.name(name));
    let plan = plan(query, &provider).map_err(|error| failed(&error, &parsed))?;
    let plan = TypeCoercion::new().analyze(plan, &options).map_err(|error| failed(&error, &parsed))?;
    let mut statics = StaticCache::new(text.lookups, &options);
    let names: Vec<&str> = text.tables.iter().map(|(name, _)| name.as_str()).collect();
    let plan = flatten(plan, &names, &mut statics, &options).map_err(|error| failed(&error, &parsed))?;
    let tables = text.tables.iter().map(|(name, schema)| Ok((name.clone(), DFSchema::try_from_qualified_schema(name.as_str(), schema)?)));
    let tables = tables.collect::<EngineResult<Vec<_>>>().map_err(|error| failed(&error, &parsed))?;
    Ok(Planned { plan, parsed, options, tables, statics })
}

/// Without subqueries in expressions, and with the equalities of joins found. Nothing is moved otherwise: where a filter stands decides
/// which records fail.
fn flatten(plan: LogicalPlan, tables: &[&str], statics: &mut StaticCache, options: &Arc<ConfigOptions>) -> EngineResult<LogicalPlan> {
    let mut is_plain = true;
    plan.apply_with_subqueries(|node| {
        is_plain &= matches!(
            node,
            LogicalPlan::TableScan(_)
                | LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Unnest(_)
        );
        Ok(TreeNodeRecursion::Continue)
    })?;
    if is_plain {
        return Ok(plan);
    }
    plan.check_invariants(InvariantLevel::Executable)?;
    let plan = scalar_literals(plan, tables, statics)?;
    let rules: Vec<Arc<dyn datafusion_optimizer::OptimizerRule + Send + Sync>> = vec![
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
    ];
    let context = OptimizerContext::new_with_config_options(Arc::clone(options)).without_query_execution_start_time();
    Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})
}

/// Scalar subqueries that no row changes become literals; the others must yield one row by their shape.
fn scalar_literals(plan: LogicalPlan, tables: &[&str], statics: &mut StaticCache) -> EngineResult<LogicalPlan> {
    let replaced = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                let Expr::ScalarSubquery(subquery) = &expr else { return Ok(Transformed::no(expr)) };
                if !subquery.outer_ref_columns.is_empty() {
                    return Ok(Transformed::no(expr));
                }
                if reads(&subquery.subquery, tables)? {
                    let is_single = subquery.subquery.max_rows().is_some_and(|rows| rows <= 1);
                    let message = "a scalar subquery must yield one row: aggregate it, or take LIMIT 1 of it";
                    let refused = || DataFusionError::External(Box::new(refuse(UNSUPPORTED, None, message)));
                    return if is_single { Ok(Transformed::no(expr)) } else { Err(refused()) };
                }
                let rows = &statics.table(&subquery.subquery)?.rows;
                let value = match rows.num_rows() {
                    0 => ScalarValue::try_from(rows.column(0).data_type())?,
                    1 => ScalarValue::try_from_array(rows.column(0), 0)?,
                    count => {
                        let message = format!("a scalar subquery over lookups yields {count} rows, not one");
                        return Err(DataFusionError::External(Box::new(refuse(TYPE, None, message))));
                    }
                };
                Ok(Transformed::yes(Expr::Literal(value, None)))
            })
        })
    })?;
    Ok(replaced.data)
}

fn reads(plan: &LogicalPlan, tables: &[&str]) -> EngineResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found |= tables.contains(&scan.table_name.table());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// The table `input` as planned: the schema's columns, then hidden ones whose names are free, and where each comes from.
fn table(columns: &SchemaRef) -> Result<(SchemaRef, Vec<Source>), ProgramError> {
    check_columns(INPUT, columns)?;
    let mut fields: Vec<Field> = columns.fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect();
    let mut sources: Vec<Source> = (0..fields.len()).map(Source::Input).collect();
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

fn check_columns(table: &str, columns: &SchemaRef) -> Result<(), ProgramError> {
    let mut seen = std::collections::HashSet::new();
    match columns.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(field) => Err(refuse(UNSUPPORTED, None, format!("two columns of {table} are named {}", field.name()))),
    }
}

/// The engine's settings: fixed, so that no environment can change a result.
pub fn options() -> ConfigOptions {
    let mut options = ConfigOptions::default();
    options.execution.time_zone = Some("UTC".into());
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    options
}

fn job(accepted_at: &str, privacy_key: Option<&[u8]>) -> Result<Job, ProgramError> {
    let accepted = DateTime::parse_from_rfc3339(accepted_at)
        .map_err(|error| refuse(TYPE, None, format!("cannot read the job's instant of acceptance {accepted_at:?}: {error}")))?;
    Ok(Job { accepted_micros: accepted.timestamp_micros(), privacy_key: privacy_key.map(Arc::from) })
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
