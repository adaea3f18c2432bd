//! The stages of a job in running order: what the pipeline of a spec says, made explicit. The scheduler has the same function in TypeScript;
//! `schemas/vectors/stages.json` holds what both must answer.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::records::{Spec, StageSpec};

/// The map stage before an exchange, and the only one of an empty pipeline.
pub const PASS_THROUGH: &str = "read";
/// The last stage under `output.compact`: it writes the rows of the one before as they are, in fewer parts. No stage of a pipeline has this name.
pub const COMPACT: &str = "compact";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    Map,
    Reduce,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub name: String,
    pub kind: StageKind,
    /// Names of the inputs that a map stage reads as one table, or of the stages that a reduce stage reads.
    pub from: Vec<String>,
    /// Of a reduce stage: how the rows of the stages in `from` come together.
    pub exchange: Option<ExchangeSpec>,
    pub dedupe: Option<DedupeSpec>,
    /// None: rows pass through, as in `COMPACT`, or `dedupe` picks among them.
    pub sql: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeSpec {
    pub keys: Vec<String>,
    pub partitions: Partitions,
}

/// As written. What is used stands in the pins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Partitions {
    Count(u32),
    /// `auto`
    Word(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DedupeSpec {
    /// None: the keys of the exchange.
    pub keys: Option<Vec<String>>,
    pub order_by: Option<String>,
    pub keep: Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    First,
    Last,
}

/// One name, or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    fn list(&self) -> Vec<String> {
        match self {
            Names::One(name) => vec![name.clone()],
            Names::Several(names) => names.clone(),
        }
    }
}

/// The spec must be one that its rules let pass: names are given, and each stage but the last is read once.
pub fn stages_of(spec: &Spec) -> Vec<Stage> {
    let inputs: Vec<String> = spec.inputs.iter().map(|input| input.name.clone()).collect();
    let mut stages: Vec<Stage> = Vec::new();
    if spec.pipeline.first().is_none_or(|first| first.exchange.is_some()) {
        stages.push(Stage {
            name: PASS_THROUGH.into(),
            kind: StageKind::Map,
            from: inputs.clone(),
            exchange: None,
            dedupe: None,
            sql: None,
        });
    }
    for written in &spec.pipeline {
        let before = stages.last().map(|stage| stage.name.clone());
        stages.push(stage_of(written, &inputs, before));
    }
    if spec.output.compact {
        stages.push(compact_stage(stages.last().map(|stage| stage.name.clone()), spec));
    }
    stages
}

/// Rows of one folder meet in one partition. Without folders there is one exchange partition, which planning cuts in ranges.
fn compact_stage(last: Option<String>, spec: &Spec) -> Stage {
    let keys = spec.output.options.partition_by.clone();
    let exchange = ExchangeSpec { keys, partitions: Partitions::Word("auto".into()) };
    Stage {
        name: COMPACT.into(),
        kind: StageKind::Reduce,
        from: last.into_iter().collect(),
        exchange: Some(exchange),
        dedupe: None,
        sql: None,
    }
}

fn stage_of(written: &StageSpec, inputs: &[String], before: Option<String>) -> Stage {
    let StageSpec { name, from, exchange, dedupe, sql, .. } = written;
    let from = from.as_ref().map(Names::list);
    let is_map = exchange.is_none();
    let default = || if is_map { inputs.to_vec() } else { before.into_iter().collect() };
    Stage {
        name: name.clone(),
        kind: if is_map { StageKind::Map } else { StageKind::Reduce },
        from: from.unwrap_or_else(default),
        exchange: exchange.clone(),
        dedupe: if is_map { None } else { dedupe.clone() },
        sql: sql.clone(),
    }
}

/// The stage with this name. A request that names another does not speak of this spec.
pub fn find<'a>(stages: &'a [Stage], name: &str) -> Result<&'a Stage, Error> {
    let found = stages.iter().find(|stage| stage.name == name);
    found.ok_or_else(|| Error::new("PLAN_CONFLICT", format!("the spec has no stage {name}")))
}

/// The stage that reads the rows of this one; none of the last, whose rows are the output.
pub fn reader_of<'a>(stages: &'a [Stage], name: &str) -> Option<&'a Stage> {
    stages.iter().find(|stage| stage.kind == StageKind::Reduce && stage.from.iter().any(|from| from == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        spec: serde_json::Value,
        stages: Vec<Stage>,
    }

    #[test]
    fn stages_are_those_of_the_shared_vectors() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../../../../schemas/vectors/stages.json")).unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let mut spec = case.spec;
            spec["output"]["uri"] = "file:///o/".into();
            let spec: Spec = serde_json::from_value(spec).unwrap();
            assert_eq!(stages_of(&spec), case.stages, "{}", case.name);
        }
    }

    #[test]
    fn the_reader_of_a_stage_is_the_one_that_names_it() {
        let spec = serde_json::json!({ "inputs": [{ "name": "input" }], "output": { "uri": "file:///o/" }, "pipeline": [
            { "name": "a", "from": null, "sql": "s", "exchange": null, "dedupe": null },
            { "name": "b", "from": null, "sql": "s", "exchange": { "keys": ["k"], "partitions": 2 }, "dedupe": null } ] });
        let stages = stages_of(&serde_json::from_value(spec).unwrap());
        assert_eq!(reader_of(&stages, "a").unwrap().name, "b");
        assert!(reader_of(&stages, "b").is_none());
        assert_eq!(find(&stages, "c").unwrap_err().code, "PLAN_CONFLICT");
    }
}
