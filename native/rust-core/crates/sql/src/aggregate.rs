//! Aggregates. Most are hashed, each group taking its values in the order of the rows (`group_hash`). For those that may ask for another order
//! rows are sorted by group and order first, whether or not memory would have sufficed.
//!
//! The engine's sums wrap. Integers are summed as decimals wide enough for any number of rows, and checked once at the end.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, NullTreatment};
use datafusion_expr::{Aggregate, AggregateUDF, Expr, LogicalPlan, Operator, SortExpr};
use datafusion_functions_aggregate::{count, sum};
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::expressions::{BinaryExpr, Column, case, cast, is_null, lit};
use datafusion_physical_expr::{PhysicalExprRef, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};

use crate::blame::{GROUP_PREFIX, blaming};
use crate::describe::describe;
use crate::error::{AGGREGATE, UNSUPPORTED, refuse};
use crate::group_hash::{Grouping, hashed};
use crate::guard::{Deed, Guarded};
use crate::operators::rebatched;
use crate::reduce_plan::{ASCENDING, Flow, Node, Planner, column, first_columns, hidden, options_of, projected};

/// How an aggregate of the text is computed.
enum Plan {
    /// The engine's function over the given arguments.
    Plain,
    /// A sum of integers or decimals, over a decimal that cannot overflow.
    ExactSum,
    /// A mean of integers or decimals: an exact sum and a count.
    ExactMean,
}

fn unsupported(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(refuse(UNSUPPORTED, None, message)))
}

/// One aggregate, with its parts as columns of the input.
struct Call<'a> {
    whole: &'a Expr,
    function: &'a AggregateFunction,
    plan: Plan,
    args: Vec<PhysicalExprRef>,
    filter: Option<PhysicalExprRef>,
    order_by: Vec<PhysicalSortExpr>,
}

/// A type wide enough for the sum of any number of rows, if values of this type are summed exactly.
pub fn exact_sum_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        data_type if data_type.is_integer() => Some(DataType::Decimal128(38, 0)),
        DataType::Duration(_) => Some(DataType::Decimal128(38, 0)),
        // 10^28 times the most rows that a partition can have stays below 10^38.
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => Some(DataType::Decimal128(38, *scale)),
        DataType::Decimal128(precision, scale) if *precision <= 28 => Some(DataType::Decimal128(38, *scale)),
        DataType::Decimal128(_, scale) => Some(DataType::Decimal256(76, *scale)),
        _ => None,
    }
}

/// Values as the decimals that are summed in their place, if values of this type are summed exactly.
pub fn widened(values: PhysicalExprRef, input: &arrow_schema::Schema) -> Result<Option<PhysicalExprRef>> {
    let data_type = values.data_type(input)?;
    let Some(wide) = exact_sum_type(&data_type) else { return Ok(None) };
    // Lengths of time are counts of microseconds, and become decimals only as such.
    let values = if let DataType::Duration(_) = data_type { cast(values, input, DataType::Int64)? } else { values };
    cast(values, input, wide).map(Some)
}

/// A decimal as another type that can hold it; fails for a value that does not fit.
fn narrowed(decimal: PhysicalExprRef, input: &arrow_schema::Schema, declared: &DataType) -> Result<PhysicalExprRef> {
    let whole = if let DataType::Duration(_) = declared { cast(decimal, input, DataType::Int64)? } else { decimal };
    cast(whole, input, declared.clone())
}

/// Sums that would wrap unseen are refused: there is no wider type to sum them in.
pub fn check_sum(name: &str, arg: Option<&DataType>) -> Result<()> {
    match (name, arg) {
        ("sum" | "avg", Some(DataType::Decimal256(..))) => Err(unsupported(format!(
            "{name} of a decimal of more than 38 digits could overflow unseen; CAST its argument to DECIMAL(38, …), or to DOUBLE"
        ))),
        ("sum" | "avg", Some(DataType::Interval(_))) => {
            Err(unsupported(format!("{name} of an INTERVAL could overflow unseen; use numbers, such as those of date_part('epoch', …)")))
        }
        _ => Ok(()),
    }
}

/// Does the result depend on the order in which values come? Floats round, and a NaN is neither smaller nor larger than another value.
fn depends_on_order(function: &AggregateFunction, types: &[DataType]) -> bool {
    match function.func.name() {
        "count" | "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor" | "median" | "grouping" => false,
        "sum" | "avg" | "min" | "max" => types.iter().any(DataType::is_floating),
        _ => true,
    }
}

/// Does the text say in which order values are to be taken, or mean the order of the rows?
fn is_positional(name: &str) -> bool {
    matches!(name, "array_agg" | "string_agg" | "first_value" | "last_value" | "nth_value" | "any_value")
}

fn call_of(expr: &Expr) -> Result<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => call_of(&alias.expr),
        Expr::AggregateFunction(function) => Ok(function),
        other => Err(unsupported(format!("{} is not supported as an aggregate", describe(other)))),
    }
}

/// All expressions of a call, in the order in which [`Planner::calls`] takes them apart again.
fn parts(function: &AggregateFunction) -> impl Iterator<Item = &Expr> {
    let params = &function.params;
    params.args.iter().chain(params.filter.as_deref()).chain(params.order_by.iter().map(|key| &key.expr))
}

impl Planner<'_> {
    pub fn distinct(&mut self, input: &Arc<LogicalPlan>) -> Result<Node> {
        let node = self.build(input)?;
        let groups: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        self.grouped(node, &groups, &[], input.schema())
    }

    pub fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Node> {
        if aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
            return Err(unsupported("GROUPING SETS, ROLLUP and CUBE are not supported; use UNION ALL of several GROUP BY"));
        }
        let node = self.build(&aggregate.input)?;
        self.grouped(node, &aggregate.group_expr, &aggregate.aggr_expr, &aggregate.schema)
    }

    fn grouped(&mut self, node: Node, groups: &[Expr], aggregates: &[Expr], schema: &DFSchema) -> Result<Node> {
        let functions = aggregates.iter().map(call_of).collect::<Result<Vec<_>>>()?;
        let exprs: Vec<&Expr> = groups.iter().chain(functions.iter().flat_map(|function| parts(function))).collect();
        let (node, refs) = self.only(node, &exprs)?;
        let (keys, rest) = refs.split_at(groups.len());
        let calls = calls(aggregates, &functions, rest, node.schema.as_arrow())?;
        let is_ordered = calls.iter().any(|call| {
            let types: Vec<_> = call.args.iter().filter_map(|arg| arg.data_type(node.schema.as_arrow()).ok()).collect();
            depends_on_order(call.function, &types)
        });
        let is_sorted = calls.iter().any(|call| is_positional(call.function.func.name()));
        let (input, sequence) = match (is_ordered, is_sorted || keys.is_empty()) {
            (true, true) => self.in_groups(node, keys, &calls)?,
            // A hash table takes values in the order in which they come.
            (true, false) => (self.in_order(node)?, Vec::new()),
            (false, _) => (self.bare(node)?, Vec::new()),
        };
        let (exprs, filters) = engine_calls(&input, &calls, &sequence)?;
        let plan = if is_sorted || keys.is_empty() {
            let named = keys.iter().enumerate().map(|(index, key)| (Arc::clone(key), format!("{GROUP_PREFIX}{index}"))).collect();
            let (named, shape) = (PhysicalGroupBy::new_single(named), input.schema());
            Arc::new(AggregateExec::try_new(AggregateMode::Single, named, exprs, filters, input, shape)?)
        } else {
            hashed(input, Grouping { keys: keys.to_vec(), aggregates: exprs, filters })?
        };
        self.results(plan, groups.len(), &calls, schema, is_sorted)
    }

    /// Nothing but the given expressions, which is all that an aggregate reads of its input.
    fn only(&self, node: Node, exprs: &[&Expr]) -> Result<(Node, Vec<PhysicalExprRef>)> {
        let mut columns = Vec::new();
        let mut places: Vec<(&Expr, usize)> = Vec::new();
        let mut refs: Vec<Option<PhysicalExprRef>> = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let value = self.expressions(&node.schema).compile(expr)?;
            if value.expr.downcast_ref::<datafusion_physical_expr::expressions::Literal>().is_some() {
                refs.push(Some(value.expr));
                continue;
            }
            if !places.iter().any(|(known, _)| known == expr) {
                places.push((expr, columns.len()));
                columns.push((None, format!("_{}", columns.len()), value));
            }
            refs.push(None);
        }
        let node = self.project(node, columns)?;
        let refs = refs.into_iter().zip(exprs).map(|(literal, expr)| {
            let place = places.iter().find(|(known, _)| known == expr).map(|(_, index)| *index);
            match (literal, place) {
                (Some(literal), _) => Ok(literal),
                (None, Some(index)) => Ok(column(node.schema.field(index).name(), index).expr),
                (None, None) => Err(DataFusionError::Internal("an aggregate lost its argument".into())),
            }
        });
        let refs = refs.collect::<Result<Vec<_>>>()?;
        Ok((node, refs))
    }

    fn in_order(&self, node: Node) -> Result<Arc<dyn ExecutionPlan>> {
        let mut node = self.settled(node)?;
        self.plan(&mut node)
    }

    fn bare(&self, mut node: Node) -> Result<Arc<dyn ExecutionPlan>> {
        let count = node.schema.fields().len();
        let plan = self.plan(&mut node)?;
        if node.order == 0 { Ok(plan) } else { projected(first_columns(&plan, count), plan) }
    }

    /// The rows sorted by group, then by the order that the first ordered aggregate asks for, then by their own; and the columns of the
    /// latter, for aggregates that ask for another.
    fn in_groups(
        &self,
        node: Node,
        keys: &[PhysicalExprRef],
        calls: &[Call<'_>],
    ) -> Result<(Arc<dyn ExecutionPlan>, Vec<PhysicalSortExpr>)> {
        let wanted =
            calls.iter().find(|call| is_positional(call.function.func.name())).map(|call| call.order_by.clone()).unwrap_or_default();
        if keys.is_empty() && wanted.is_empty() && node.is_sorted && calls.iter().all(|call| call.order_by.is_empty()) {
            return Ok((rebatched(self.bare(node)?), Vec::new()));
        }
        let mut node = self.ordered(node)?;
        let plan = self.plan(&mut node)?;
        let sequence: Vec<_> =
            hidden(&plan, node.order).into_iter().map(|(expr, _)| PhysicalSortExpr { expr, options: ASCENDING }).collect();
        let is_column = |expr: &PhysicalExprRef| expr.downcast_ref::<Column>().is_some();
        let groups = keys.iter().filter(|key| is_column(key)).map(|key| PhysicalSortExpr { expr: Arc::clone(key), options: ASCENDING });
        let plan = self.sorted_by(node, groups.chain(wanted).collect(), None)?;
        Ok((rebatched(plan), sequence))
    }

    /// The columns that the aggregate has in the plan: sums checked, means divided. Groups are the order.
    fn results(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        groups: usize,
        calls: &[Call<'_>],
        schema: &DFSchema,
        is_ordered: bool,
    ) -> Result<Node> {
        let physical = plan.schema();
        let place = |index: usize| -> PhysicalExprRef { Arc::new(Column::new(physical.field(index).name(), index)) };
        let mut exprs = Vec::new();
        let mut fields = Vec::new();
        let mut next = groups;
        for index in 0..schema.fields().len() {
            let (qualifier, field) = schema.qualified_field(index);
            let expr = if index < groups {
                place(index)
            } else {
                let call = &calls[index - groups];
                let own = place(next);
                next += 1;
                match &call.plan {
                    Plan::Plain => own,
                    Plan::ExactSum => checked(own, field.data_type(), call.whole, &physical)?,
                    Plan::ExactMean => {
                        next += 1;
                        mean(own, place(next - 1), field.data_type(), call.whole, &physical)?
                    }
                }
            };
            fields.push((qualifier.cloned(), Arc::new(Field::new(field.name(), expr.data_type(&physical)?, true))));
            exprs.push((blaming(expr), field.name().clone()));
        }
        exprs.extend((0..groups).map(|index| (place(index), format!("{GROUP_PREFIX}{index}"))));
        let schema = DFSchema::new_with_metadata(fields, std::collections::HashMap::new())?;
        Ok(Node { flow: Flow::Plan(projected(exprs, plan)?), schema, order: groups, is_sorted: groups == 0 || is_ordered })
    }
}

/// The calls with their parts as columns, in the order of [`parts`].
fn calls<'a>(
    wholes: &'a [Expr],
    functions: &[&'a AggregateFunction],
    refs: &[PhysicalExprRef],
    input: &arrow_schema::Schema,
) -> Result<Vec<Call<'a>>> {
    let mut refs = refs.iter().cloned();
    let mut calls = Vec::with_capacity(functions.len());
    for (whole, function) in wholes.iter().zip(functions) {
        let params = &function.params;
        let args: Vec<_> = refs.by_ref().take(params.args.len()).collect();
        let filter = params.filter.as_ref().and_then(|_| refs.next());
        let keys: Vec<_> = refs.by_ref().take(params.order_by.len()).collect();
        let order_by =
            keys.into_iter().zip(&params.order_by).map(|(expr, key): (_, &SortExpr)| PhysicalSortExpr { expr, options: options_of(key) });
        let types = args.iter().map(|arg| arg.data_type(input)).collect::<Result<Vec<_>>>()?;
        check_distinct(function, &types)?;
        check_sum(function.func.name(), types.first())?;
        let plan = plan_of(function, &types);
        calls.push(Call { whole, function, plan, args, filter, order_by: order_by.collect() });
    }
    Ok(calls)
}

/// Distinct values come out of a hash set, in no order at all.
fn check_distinct(function: &AggregateFunction, types: &[DataType]) -> Result<()> {
    let name = function.func.name();
    let is_open = depends_on_order(function, types) && !matches!(name, "min" | "max");
    let is_sorted = name == "array_agg" && !function.params.order_by.is_empty();
    if function.params.distinct && is_open && !is_sorted {
        return Err(unsupported(format!(
            "{name}(DISTINCT …) would depend on the order in which values are met; use SELECT DISTINCT in a subquery"
        )));
    }
    Ok(())
}

fn plan_of(function: &AggregateFunction, types: &[DataType]) -> Plan {
    match (function.func.name(), types.first().and_then(exact_sum_type)) {
        ("sum", Some(_)) => Plan::ExactSum,
        ("avg", Some(_)) => Plan::ExactMean,
        _ => Plan::Plain,
    }
}

type EngineCalls = (Vec<Arc<AggregateFunctionExpr>>, Vec<Option<PhysicalExprRef>>);

/// The engine's functions, more than one for a mean, and their filters.
fn engine_calls(input: &Arc<dyn ExecutionPlan>, calls: &[Call<'_>], sequence: &[PhysicalSortExpr]) -> Result<EngineCalls> {
    let schema = input.schema();
    let mut exprs: Vec<Arc<AggregateFunctionExpr>> = Vec::new();
    let mut filters = Vec::new();
    let primary = calls.iter().find(|call| is_positional(call.function.func.name())).map(|call| call.order_by.clone()).unwrap_or_default();
    for call in calls {
        let build = |function: Arc<AggregateUDF>, args: Vec<PhysicalExprRef>, index: usize| -> Result<Arc<AggregateFunctionExpr>> {
            let params = &call.function.params;
            let mut builder = AggregateExprBuilder::new(function, args).schema(Arc::clone(&schema)).alias(format!("_result_{index}"));
            // Rows come in the order that the first ordered aggregate asks for; the others must bring their own.
            let asks = is_positional(call.function.func.name()) && call.order_by != primary;
            if asks || (params.distinct && !call.order_by.is_empty()) {
                let ties = if params.distinct { &[] } else { sequence };
                builder = builder.order_by(call.order_by.iter().chain(ties).cloned().collect());
            }
            if params.null_treatment == Some(NullTreatment::IgnoreNulls) {
                builder = builder.ignore_nulls();
            }
            if params.distinct {
                builder = builder.distinct();
            }
            builder.build().map(Arc::new)
        };
        let mut add = |function: Arc<AggregateUDF>, args: Vec<PhysicalExprRef>| -> Result<()> {
            exprs.push(build(function, args, exprs.len())?);
            filters.push(call.filter.clone());
            Ok(())
        };
        let wide = |args: &[PhysicalExprRef]| {
            let values = args.first().map(|values| widened(Arc::clone(values), &schema)).transpose()?.flatten();
            values.map(|values| vec![values]).ok_or_else(|| DataFusionError::Internal("a sum lost its argument".into()))
        };
        match &call.plan {
            Plan::Plain => add(Arc::clone(&call.function.func), call.args.clone())?,
            Plan::ExactSum => add(sum::sum_udaf(), wide(&call.args)?)?,
            Plan::ExactMean => {
                add(sum::sum_udaf(), wide(&call.args)?)?;
                add(count::count_udaf(), call.args.clone())?;
            }
        }
    }
    Ok((exprs, filters))
}

/// A wide sum in its declared type; a sum outside it ends the stage, since no row is to blame.
pub fn checked(sum: PhysicalExprRef, declared: &DataType, whole: &Expr, input: &arrow_schema::Schema) -> Result<PhysicalExprRef> {
    if sum.data_type(input)? == *declared {
        return Ok(sum);
    }
    let narrow = narrowed(sum, input, declared)?;
    Ok(Arc::new(Guarded::new(narrow, Deed::Function(AGGREGATE), describe(whole), vec![None])))
}

/// An exact sum divided by a count, in the declared type; null without rows.
fn mean(
    sum: PhysicalExprRef,
    count: PhysicalExprRef,
    declared: &DataType,
    whole: &Expr,
    input: &arrow_schema::Schema,
) -> Result<PhysicalExprRef> {
    if declared.is_floating() {
        let float = |expr: PhysicalExprRef| cast(expr, input, DataType::Float64);
        let quotient: PhysicalExprRef = Arc::new(BinaryExpr::new(float(Arc::clone(&sum))?, Operator::Divide, float(count)?));
        // 0 / 0 is not a number, but nothing has no mean.
        let missing = lit(ScalarValue::Float64(None));
        return case(None, vec![(is_null(sum)?, missing)], Some(quotient));
    }
    // Room for the digits that the declared scale has more than the sum, and for rounding.
    let wide = |expr: PhysicalExprRef, scale: i8| cast(expr, input, DataType::Decimal256(76, scale));
    let scale = match declared {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
        DataType::Duration(_) => 0,
        other => return Err(DataFusionError::Internal(format!("a mean is {other}"))),
    };
    let divisor: PhysicalExprRef = Arc::new(datafusion_physical_expr::expressions::CaseExpr::try_new(
        None,
        vec![(is_null(Arc::clone(&sum))?, lit(ScalarValue::Int64(None)))],
        Some(count),
    )?);
    let quotient: PhysicalExprRef =
        Arc::new(BinaryExpr::new(wide(sum, scale)?, Operator::Divide, wide(divisor, 0)?).with_fail_on_overflow(true));
    let narrow = narrowed(quotient, input, declared)?;
    Ok(Arc::new(Guarded::new(narrow, Deed::Function(AGGREGATE), describe(whole), vec![None])))
}
