//! What the planner may find: the stage's tables, its lookups and the allowed functions, nothing else — no files, no variables, no table
//! functions.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, Result, TableReference};
use datafusion_expr::logical_plan::builder::LogicalTableSource;
use datafusion_expr::planner::{ContextProvider, ExprPlanner};
use datafusion_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use millrace_engine::program::{LookupTable, StageKind};

use crate::error::{UNSUPPORTED, refuse, suggestion};
use crate::functions::{self, aggregates};

/// The planner's view of a stage.
pub struct Tables {
    kind: StageKind,
    tables: HashMap<String, Arc<dyn TableSource>>,
    aggregates: HashMap<&'static str, Arc<AggregateUDF>>,
    windows: HashMap<&'static str, Arc<WindowUDF>>,
    functions: HashMap<&'static str, Arc<ScalarUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    options: Arc<ConfigOptions>,
}

impl Tables {
    pub fn new(
        kind: StageKind,
        tables: &[(String, SchemaRef)],
        lookups: &[LookupTable],
        options: Arc<ConfigOptions>,
        job: &functions::Job,
    ) -> Tables {
        let lookups = lookups.iter().map(|lookup| (&lookup.name, &lookup.schema));
        let tables = tables.iter().map(|(name, schema)| (name, schema)).chain(lookups).map(|(name, schema)| {
            let source: Arc<dyn TableSource> = Arc::new(LogicalTableSource::new(Arc::clone(schema)));
            (name.clone(), source)
        });
        Tables {
            kind,
            tables: tables.collect(),
            aggregates: aggregates::build_aggregates(),
            windows: aggregates::build_windows(),
            functions: functions::build_all(&options, job),
            planners: vec![
                Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
                Arc::new(datafusion_functions::datetime::planner::DatetimeFunctionPlanner),
                Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
                Arc::new(datafusion_functions_nested::planner::NestedFunctionPlanner),
                Arc::new(datafusion_functions_nested::planner::FieldAccessPlanner),
                Arc::new(datafusion_functions_aggregate::planner::AggregateFunctionPlanner),
                Arc::new(datafusion_functions_window::planner::WindowFunctionPlanner),
            ],
            options,
        }
    }
}

impl ContextProvider for Tables {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        if let TableReference::Bare { table } = &name
            && let Some(source) = self.tables.get(table.as_ref())
        {
            return Ok(Arc::clone(source));
        }
        let mut known: Vec<&str> = self.tables.keys().map(String::as_str).collect();
        known.sort_unstable();
        let hint = suggestion(name.table(), known.iter().copied());
        let stage = if self.kind == StageKind::Map { "a map" } else { "this reduce" };
        let error = refuse(UNSUPPORTED, None, format!("there is no table {name}{hint}; {stage} stage reads {}", known.join(", ")));
        Err(DataFusionError::External(Box::new(error)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.get(name.to_lowercase().as_str()).cloned()
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(name.to_lowercase().as_str()).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(name.to_lowercase().as_str()).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.functions.keys().map(ToString::to_string).collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.aggregates.keys().map(ToString::to_string).collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.windows.keys().map(ToString::to_string).collect()
    }
}
