//! What a stage is made of: its compiled query, the columns of its rows, the tables it reads, and how its rows reach the stage behind it.
//!
//! Everything here follows from spec and pins, so it is made once for a stage and kept for its next chunk.

use std::sync::Arc;

use millrace_engine::columns::input_columns;
use millrace_engine::partition::keys_of;
use millrace_engine::process::ExchangeTo;
use millrace_engine::program::{ReduceInput, ReduceProgram, SchemaRef};
use millrace_engine::records::{RecordRef, Slice};
use millrace_engine::replaced::{Replaced, parse_replaced};
use millrace_engine::slices::parse_list;
use millrace_engine::stages::{COMPACT, Stage, StageKind, find, reader_of, stages_of};
use millrace_engine::unique::{key_exchange, unique_keys};
use millrace_engine::{Error, sha256_hex};
use millrace_formats::write::folders::Folders;
use serde_json::{Value, json};

use super::process::compile_stage;
use super::{ProgramKey, Work};
use crate::beside::{lookups_of, privacy_key};
use crate::journal::{Job, Pins, read};

/// Name and columns of each table.
pub type Tables = Vec<(String, SchemaRef)>;

/// How a stage stands among the others.
pub struct StagePlan {
    pub stage: Stage,
    /// Of a reduce stage: the stages it reads.
    pub tables: Tables,
    /// None: its rows are the output.
    pub exchange: Option<ExchangeTo>,
}

/// Settles names and types of all stages, so that a mistake in any query is found before the first chunk runs.
pub fn check_all(work: &mut Work, job: &Job, pins: &Pins) -> Result<(), Error> {
    keys_of_job(pins)?;
    let stages = stages_of(&job.spec);
    let partition_by = &job.spec.output.options.partition_by;
    for stage in &stages {
        plan_of(work, &stage.name, job, pins)?;
        let columns = output_columns(work, &stages, stage, job, pins)?;
        if reader_of(&stages, &stage.name).is_none() && !partition_by.is_empty() {
            Folders::new(&columns, partition_by)?;
        }
    }
    Ok(())
}

/// Name and columns of what each stage yields, in running order.
pub fn columns_of_all(work: &mut Work, job: &Job, pins: &Pins) -> Result<Tables, Error> {
    let stages = stages_of(&job.spec);
    stages.iter().map(|stage| Ok((stage.name.clone(), output_columns(work, &stages, stage, job, pins)?))).collect()
}

/// Columns as answers tell them.
pub fn described(columns: &SchemaRef) -> Vec<Value> {
    columns.fields().iter().map(|field| json!({ "name": field.name(), "type": field.data_type().to_string() })).collect()
}

/// The stage that reads the keys that are unique over the whole job, and the one that finds who owns them. No stage of a spec has these names.
pub const UNIQUE: &str = "unique";
pub const OWNERS: &str = "owners";

/// The keys of the inputs that have some, and the numbers of those inputs. They must agree, because uniqueness is that of the job.
pub fn keys_of_job(pins: &Pins) -> Result<(Vec<Vec<String>>, Vec<u32>), Error> {
    let (mut keys, mut inputs) = (Vec::new(), Vec::new());
    for (number, input) in pins.record.inputs.iter().enumerate() {
        let own = unique_keys(&input.schema);
        if own.is_empty() {
            continue;
        }
        if !keys.is_empty() && keys != own {
            let message = format!("input {}: its unique fields and primary key are not those of the inputs before it", input.name);
            return Err(Error::new("SPEC_SCHEMA_FIELD", message));
        }
        keys = own;
        inputs.push(number as u32);
    }
    Ok((keys, inputs))
}

fn plan_of_keys(name: &str, job: &Job, pins: &Pins) -> Result<StagePlan, Error> {
    let (_, inputs) = keys_of_job(pins)?;
    let is_map = name == UNIQUE;
    let names = inputs.iter().filter_map(|number| job.spec.inputs.get(*number as usize)).map(|input| input.name.clone());
    let stage = Stage {
        name: name.to_owned(),
        kind: if is_map { StageKind::Map } else { StageKind::Reduce },
        from: if is_map { names.collect() } else { vec![UNIQUE.to_owned()] },
        exchange: None,
        dedupe: None,
        sql: None,
    };
    let partitions = pins.record.partitions.get(OWNERS).copied();
    let missing = || Error::new("PLAN_CONFLICT", format!("the pins do not say how many partitions {OWNERS} has"));
    let exchange = key_exchange(partitions.ok_or_else(missing)?);
    let tables = if is_map { Vec::new() } else { vec![(UNIQUE.to_owned(), Arc::clone(&exchange.columns))] };
    // What `owners` hands on goes to chunks, whose number its own request knows.
    Ok(StagePlan { stage, tables, exchange: is_map.then_some(exchange) })
}

pub fn plan_of(work: &mut Work, name: &str, job: &Job, pins: &Pins) -> Result<Arc<StagePlan>, Error> {
    let key = key_of(name, job, pins);
    if let Some(known) = work.stage_plans.get(&key) {
        return Ok(known);
    }
    if name == UNIQUE || name == OWNERS {
        let plan = Arc::new(plan_of_keys(name, job, pins)?);
        work.stage_plans.put(key, Arc::clone(&plan));
        return Ok(plan);
    }
    let stages = stages_of(&job.spec);
    let stage = find(&stages, name)?.clone();
    let tables = tables_of(work, &stages, &stage, job, pins)?;
    let exchange = match reader_of(&stages, name) {
        None => None,
        Some(reader) => Some(exchange_to(work, &stages, &stage, reader, job, pins)?),
    };
    let plan = Arc::new(StagePlan { stage, tables, exchange });
    work.stage_plans.put(key, Arc::clone(&plan));
    Ok(plan)
}

fn key_of(stage: &str, job: &Job, pins: &Pins) -> ProgramKey {
    ProgramKey {
        job_id: job.record.job_id.clone(),
        stage: stage.to_owned(),
        spec_digest: job.spec_digest.clone(),
        pins_digest: pins.digest.clone(),
    }
}

fn tables_of(work: &mut Work, stages: &[Stage], stage: &Stage, job: &Job, pins: &Pins) -> Result<Tables, Error> {
    if stage.kind == StageKind::Map {
        return Ok(Vec::new());
    }
    let sources = stage.from.iter().map(|name| find(stages, name));
    sources.map(|source| source.and_then(|source| Ok((source.name.clone(), output_columns(work, stages, source, job, pins)?)))).collect()
}

/// The columns that a stage yields.
fn output_columns(work: &mut Work, stages: &[Stage], stage: &Stage, job: &Job, pins: &Pins) -> Result<SchemaRef, Error> {
    if stage.kind == StageKind::Reduce {
        let tables = tables_of(work, stages, stage, job, pins)?;
        if let Some(dedupe) = &stage.dedupe {
            let Some((_, columns)) = tables.first() else { return Err(reads_nothing(stage)) };
            if let Some(order_by) = &dedupe.order_by {
                work.compiler.compile_order(order_by, Arc::clone(columns))?;
            }
            return Ok(Arc::clone(columns));
        }
        if stage.sql.is_none() {
            return tables.first().map(|(_, columns)| Arc::clone(columns)).ok_or_else(|| reads_nothing(stage));
        }
        return Ok(compile_reduce(work, stage, &tables, job, pins)?.output_schema());
    }
    compile_stage(work, &stage.name, job, pins)?;
    match &work.program {
        Some((_, program)) => Ok(program.output_schema()),
        None => input_columns(&stage.name, &job.spec, &pins.record.inputs),
    }
}

fn reads_nothing(stage: &Stage) -> Error {
    Error::new("PLAN_CONFLICT", format!("stage {} reads no other", stage.name))
}

/// A stage that reads one other sees it as `input`.
pub fn compile_reduce(work: &Work, stage: &Stage, tables: &Tables, job: &Job, pins: &Pins) -> Result<Box<dyn ReduceProgram>, Error> {
    let sql = stage.sql.as_deref().ok_or_else(|| Error::new("PLAN_CONFLICT", format!("stage {} has no query", stage.name)))?;
    let named: Tables = match tables.as_slice() {
        [(_, columns)] => vec![("input".to_owned(), Arc::clone(columns))],
        several => several.to_vec(),
    };
    let input = ReduceInput {
        sql,
        tables: &named,
        params: &job.spec.params,
        accepted_at: &job.record.accepted_at,
        job_id: &job.record.job_id,
        lookups: &lookups_of(work, &stage.name, pins)?,
        privacy_key: privacy_key(work, &job.spec)?,
    };
    Ok(work.compiler.compile_reduce(input)?)
}

fn exchange_to(work: &mut Work, stages: &[Stage], stage: &Stage, reader: &Stage, job: &Job, pins: &Pins) -> Result<ExchangeTo, Error> {
    let tables = tables_of(work, stages, reader, job, pins)?;
    let missing = |what: &str| Error::new("PLAN_CONFLICT", format!("stage {}: {what}", reader.name));
    let columns = tables.iter().find(|(name, _)| *name == stage.name).map(|(_, columns)| Arc::clone(columns));
    let exchange = reader.exchange.as_ref().ok_or_else(|| missing("it reads other stages without an exchange"))?;
    let partitions = pins.record.partitions.get(&reader.name).copied();
    let partitions = partitions.ok_or_else(|| missing("the pins do not say how many partitions it has"))?;
    let sources: Vec<(&str, _)> = tables.iter().map(|(name, columns)| (name.as_str(), columns.as_ref())).collect();
    let keys = keys_of(&exchange.keys, &sources)?;
    let folders = if reader.name == COMPACT { exchange.keys.clone() } else { Vec::new() };
    Ok(ExchangeTo { columns: columns.ok_or_else(|| reads_nothing(reader))?, keys, partitions, folders })
}

/// A list of slices as it was planned.
pub fn read_slices(work: &Work, list: &RecordRef) -> Result<Vec<Slice>, Error> {
    parse_list(&list.key, &read_planned(work, list)?)
}

/// Lists of replaced records as they were planned.
pub fn read_replaced(work: &Work, lists: &[RecordRef]) -> Result<Replaced, Error> {
    let mut replacements = Vec::new();
    for list in lists {
        replacements.extend(parse_replaced(&list.key, &read_planned(work, list)?)?);
    }
    Ok(Replaced::of(replacements))
}

fn read_planned(work: &Work, list: &RecordRef) -> Result<Vec<u8>, Error> {
    let bytes = read(&work.places, &list.key)?;
    if sha256_hex(&bytes) != list.digest {
        return Err(Error::new("PLAN_CONFLICT", format!("{}: its digest is not the one that was planned", list.key)));
    }
    Ok(bytes)
}
