//! A typed logical plan as operators: row-wise steps over each table as far as they go, then the engine's operators, one partition, one
//! stream each.
//!
//! Order is what makes results repeatable. A table's rows arrive in the order of the job, and every node knows how its rows are to be
//! ordered: as they come, or by hidden columns at the end of its rows. Operators that could mix rows (sort, window, join, ordered
//! aggregates) sort by these last, so that no tie is left to chance, memory or spilling.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DFSchema, DataFusionError, JoinSide, JoinType, Result, TableReference};
use datafusion_expr::{Distinct, Expr, FetchType, Filter, Join, Limit, LogicalPlan, Projection, SkipType, Sort, TableScan, Union};
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::{LexOrdering, PhysicalExprRef, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::filter::FilterExec;
use datafusion_physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion_physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, PartitionMode};
use datafusion_physical_plan::limit::GlobalLimitExec;
use datafusion_physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion_physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion_physical_plan::sorts::sort::SortExec;

use crate::blame::blaming;
use crate::error::{MEMORY, NOT_ROWWISE, UNSUPPORTED, refuse};
use crate::join::{Equality, Side};
use crate::lookup_join::StaticTable;
use crate::operators::{bounded, concatenated, enumerated};
use crate::physical::{Compiled, Expressions};
use crate::rowwise::{Chain, Steps};
use crate::scan::Feeds;
use crate::sorting;
use crate::watched::{WatchedExpr, watched};

/// Most bytes of the smaller side of a join without an equality.
const MAX_LOOP_BYTES: usize = 64 << 20;

/// How groups and joins are brought into order: ascending, nulls last.
pub const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// Rows still row-wise over one table, or the output of operators.
pub enum Flow {
    Chain(Chain),
    Plan(Arc<dyn ExecutionPlan>),
}

/// A planned part of a query. Its physical columns are those of `schema`, then `order` hidden ones.
pub struct Node {
    pub flow: Flow,
    pub schema: DFSchema,
    /// Number of hidden columns by which the rows are to be ordered; without any, the order is the one in which they come.
    pub order: usize,
    /// Do they come in that order?
    pub is_sorted: bool,
}

/// Answers what a subtree without stage tables yields.
pub type Statics<'a> = dyn FnMut(&LogicalPlan) -> Result<Arc<StaticTable>> + 'a;

/// Plans one query.
pub struct Planner<'a> {
    pub options: Arc<ConfigOptions>,
    /// Names and columns of the stage's tables.
    pub tables: &'a [(String, DFSchema)],
    /// Names of the columns that the query uses anywhere.
    pub used: std::collections::HashSet<String>,
    pub statics: &'a mut Statics<'a>,
    /// Where scans find their rows; None in a map stage, where nothing but row-wise steps is allowed.
    pub feeds: Option<&'a Feeds>,
}

fn unsupported(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(refuse(UNSUPPORTED, None, message)))
}

/// The names of all columns that a plan mentions.
pub fn used_columns(plan: &LogicalPlan) -> Result<std::collections::HashSet<String>> {
    let mut used = std::collections::HashSet::new();
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            used.extend(expr.column_refs().into_iter().map(|column| column.name.clone()));
        }
        if let LogicalPlan::Unnest(unnest) = node {
            used.extend(unnest.exec_columns.iter().map(|column| column.name.clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(used)
}

impl Planner<'_> {
    pub fn build(&mut self, plan: &LogicalPlan) -> Result<Node> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan, plan),
            LogicalPlan::SubqueryAlias(alias) => {
                let node = self.build(&alias.input)?;
                Ok(Node { schema: node.schema.replace_qualifier(alias.alias.clone()), ..node })
            }
            LogicalPlan::Subquery(subquery) => self.build(&subquery.subquery),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Projection(projection) => self.projection(projection, false),
            LogicalPlan::Unnest(unnest) => {
                let mut node = self.build(&unnest.input)?;
                let Flow::Chain(chain) = &mut node.flow else {
                    return Err(unsupported("unnest after an aggregate, a join or a window is not supported; unnest in an earlier stage"));
                };
                node.schema = chain.unnest(unnest, &node.schema)?;
                Ok(node)
            }
            LogicalPlan::Join(join) => self.join(join),
            other => self.beyond_rows(other),
        }
    }

    /// What only a reduce stage may do.
    fn beyond_rows(&mut self, plan: &LogicalPlan) -> Result<Node> {
        if self.feeds.is_none() {
            return Err(not_rowwise(plan));
        }
        match plan {
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(input),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => {
                let plan = Arc::new(PlaceholderRowExec::new(Arc::new(Schema::empty())));
                Ok(Node { flow: Flow::Plan(plan), schema: DFSchema::empty(), order: 0, is_sorted: true })
            }
            other => Err(unsupported(format!("{} is not supported", kind_of(other)))),
        }
    }

    fn scan(&mut self, scan: &TableScan, plan: &LogicalPlan) -> Result<Node> {
        let name = scan.table_name.table();
        let Some(table) = self.tables.iter().position(|(known, _)| known == name) else {
            return self.constant(plan);
        };
        let columns = &self.tables[table].1;
        let read = (0..columns.fields().len()).filter(|index| self.used.contains(columns.field(*index).name())).collect();
        let (chain, schema) = Chain::new(table, columns, read)?;
        let schema = schema.replace_qualifier(scan.table_name.clone());
        Ok(Node { flow: Flow::Chain(chain), schema, order: 0, is_sorted: true })
    }

    /// Rows that are known already, as an operator.
    fn constant(&mut self, plan: &LogicalPlan) -> Result<Node> {
        if self.feeds.is_none() {
            return Err(not_rowwise(plan));
        }
        let table = (self.statics)(plan)?;
        Ok(Node { flow: Flow::Plan(memory(&table.rows)), schema: table.schema.clone(), order: 0, is_sorted: true })
    }

    fn is_static(&self, plan: &LogicalPlan) -> Result<bool> {
        let mut is_static = true;
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                is_static &= !self.tables.iter().any(|(name, _)| name == scan.table_name.table());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(is_static)
    }

    fn filter(&mut self, filter: &Filter) -> Result<Node> {
        let mut node = self.build(&filter.input)?;
        match node.flow {
            Flow::Chain(ref mut chain) => chain.filter(&filter.predicate, &node.schema, &self.options)?,
            Flow::Plan(plan) => {
                let predicate = self.expressions(&node.schema).compile(&filter.predicate)?;
                node.flow = Flow::Plan(Arc::new(FilterExec::try_new(blaming(predicate.expr), plan)?));
            }
        }
        Ok(node)
    }

    /// `is_output`: these are the columns that the stage hands on, so they get types that writers know.
    pub fn projection(&mut self, projection: &Projection, is_output: bool) -> Result<Node> {
        let node = self.build(&projection.input)?;
        let mut columns = Vec::with_capacity(projection.expr.len());
        for (index, expr) in projection.expr.iter().enumerate() {
            let (qualifier, field) = projection.schema.qualified_field(index);
            let expressions = self.expressions(&node.schema);
            let mut value = expressions.compile(expr)?;
            if is_output {
                value = expressions.as_output(field.name(), value, expr)?;
            }
            columns.push((qualifier.cloned(), field.name().clone(), value));
        }
        self.project(node, columns)
    }

    pub fn expressions<'s>(&'s self, schema: &'s DFSchema) -> Expressions<'s> {
        Expressions { schema, options: &self.options }
    }

    /// New visible columns; hidden ones stay.
    pub fn project(&self, node: Node, columns: Vec<(Option<TableReference>, String, Compiled)>) -> Result<Node> {
        match node.flow {
            Flow::Chain(mut chain) => {
                let schema = chain.project(columns, &node.schema)?;
                Ok(Node { flow: Flow::Chain(chain), schema, ..node })
            }
            Flow::Plan(plan) => {
                let mut exprs = Vec::with_capacity(columns.len() + node.order);
                let mut fields = Vec::with_capacity(columns.len());
                for (qualifier, name, value) in columns {
                    let data_type = value.expr.data_type(&plan.schema())?;
                    fields.push((qualifier, Arc::new(Field::new(&name, data_type, true))));
                    exprs.push((blaming(value.expr), name));
                }
                exprs.extend(hidden(&plan, node.order));
                let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
                Ok(Node { flow: Flow::Plan(projected(exprs, plan)?), schema, ..node })
            }
        }
    }

    /// The visible columns and some more that are computed from them; answers where the new ones stand. Plain columns are not copied.
    pub fn extend(&self, node: Node, exprs: &[&Expr]) -> Result<(Node, Vec<PhysicalExprRef>)> {
        let mut columns: Vec<_> = node
            .schema
            .iter()
            .enumerate()
            .map(|(index, (qualifier, field))| (qualifier.cloned(), field.name().clone(), column(field.name(), index)))
            .collect();
        let visible = columns.len();
        let mut places = Vec::with_capacity(exprs.len());
        let mut known: Vec<(&Expr, usize)> = Vec::new();
        for expr in exprs {
            let value = self.expressions(&node.schema).compile(expr)?;
            let index = match value.expr.downcast_ref::<Column>() {
                Some(plain) => plain.index(),
                None => match known.iter().find(|(other, _)| other == expr) {
                    Some((_, index)) => *index,
                    None => {
                        columns.push((None, format!("_computed_{}", columns.len()), value));
                        known.push((expr, columns.len() - 1));
                        columns.len() - 1
                    }
                },
            };
            places.push(index);
        }
        let node = if columns.len() == visible { node } else { self.project(node, columns)? };
        let refs = places.into_iter().map(|index| column(node.schema.field(index).name(), index).expr).collect();
        Ok((node, refs))
    }

    /// The operator of a node; a chain becomes the scan of its table.
    pub fn plan(&self, node: &mut Node) -> Result<Arc<dyn ExecutionPlan>> {
        let placeholder = Flow::Plan(Arc::new(PlaceholderRowExec::new(Arc::new(Schema::empty()))));
        let plan = match std::mem::replace(&mut node.flow, placeholder) {
            Flow::Plan(plan) => plan,
            Flow::Chain(chain) => {
                let table = chain.table;
                let feeds = self.feeds.ok_or_else(|| DataFusionError::Internal("a map stage has no scans".into()))?;
                feeds.scan(table, chain.finish(&node.schema))
            }
        };
        node.flow = Flow::Plan(Arc::clone(&plan));
        Ok(plan)
    }

    /// The node with hidden columns that say its order: rows are numbered if need be.
    pub fn ordered(&self, mut node: Node) -> Result<Node> {
        if node.order == 0 {
            let plan = enumerated(self.plan(&mut node)?);
            node = Node { flow: Flow::Plan(plan), order: 1, ..node };
        }
        Ok(node)
    }

    /// Sorted by some columns, then by the node's own order; all columns stay.
    pub fn sorted_by(&self, mut node: Node, keys: Vec<PhysicalSortExpr>, fetch: Option<usize>) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.plan(&mut node)?;
        sorted_plan(plan, keys, node.order, node.is_sorted, fetch)
    }

    /// The visible columns alone, in their order.
    pub fn settled(&self, mut node: Node) -> Result<Node> {
        let (count, schema) = (node.schema.fields().len(), node.schema.clone());
        let plan = if node.is_sorted { self.plan(&mut node)? } else { self.sorted_by(node, Vec::new(), None)? };
        let is_bare = plan.schema().fields().len() == count;
        let plan = if is_bare { plan } else { projected(first_columns(&plan, count), plan)? };
        Ok(Node { flow: Flow::Plan(plan), schema, order: 0, is_sorted: true })
    }

    fn sort(&mut self, sort: &Sort) -> Result<Node> {
        let input = self.build(&sort.input)?;
        let exprs: Vec<&Expr> = sort.expr.iter().map(|key| &key.expr).collect();
        let (count, schema) = (input.schema.fields().len(), input.schema.clone());
        let (node, keys) = self.extend(input, &exprs)?;
        let node = self.ordered(node)?;
        let keys = keys.into_iter().zip(&sort.expr).map(|(expr, key)| PhysicalSortExpr { expr, options: options_of(key) }).collect();
        let plan = self.sorted_by(node, keys, sort.fetch)?;
        Ok(Node { flow: Flow::Plan(projected(first_columns(&plan, count), plan)?), schema, order: 0, is_sorted: true })
    }

    fn limit(&mut self, limit: &Limit) -> Result<Node> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?) else {
            return Err(unsupported("LIMIT and OFFSET take whole numbers"));
        };
        // As much as the limit lets through need be sorted.
        let wanted = fetch.map(|fetch| fetch.saturating_add(skip));
        let input = match (limit.input.as_ref(), wanted) {
            (LogicalPlan::Sort(sort), Some(wanted)) => self.sort(&Sort { fetch: Some(wanted), ..sort.clone() })?,
            (other, _) => self.build(other)?,
        };
        let mut node = self.settled(input)?;
        let plan = self.plan(&mut node)?;
        Ok(Node { flow: Flow::Plan(Arc::new(GlobalLimitExec::new(plan, skip, fetch))), ..node })
    }

    fn union(&mut self, union: &Union) -> Result<Node> {
        let mut inputs = Vec::with_capacity(union.inputs.len());
        let mut types: Vec<DataType> = Vec::new();
        for input in &union.inputs {
            let node = self.build(input)?;
            let mut node = self.settled(node)?;
            let plan = self.plan(&mut node)?;
            if types.is_empty() {
                types = plan.schema().fields().iter().map(|field| field.data_type().clone()).collect();
            } else if !plan.schema().fields().iter().map(|field| field.data_type()).eq(types.iter()) {
                return Err(unsupported("the parts of a UNION differ in the types of their columns; cast them"));
            }
            inputs.push(plan);
        }
        let fields = union
            .schema
            .iter()
            .zip(types)
            .map(|((qualifier, field), data_type)| (qualifier.cloned(), Arc::new(Field::new(field.name(), data_type, true))));
        let schema = DFSchema::new_with_metadata(fields.collect(), HashMap::new())?;
        let plan = concatenated(inputs, Arc::new(Schema::new(schema.fields().clone())));
        Ok(Node { flow: Flow::Plan(plan), schema, order: 0, is_sorted: true })
    }

    fn join(&mut self, join: &Join) -> Result<Node> {
        match (self.is_static(&join.left)?, self.is_static(&join.right)?) {
            (false, true) => {
                let node = self.build(&join.left)?;
                if let Flow::Chain(_) = node.flow
                    && is_lookup_join(join.join_type, false)
                {
                    return self.lookup(node, join, &join.right, false);
                }
                let right = self.constant(&join.right)?;
                self.join_nodes(join, node, right)
            }
            (true, false) => {
                let node = self.build(&join.right)?;
                if let Flow::Chain(_) = node.flow
                    && is_lookup_join(join.join_type, true)
                {
                    return self.lookup(node, join, &join.left, true);
                }
                let left = self.constant(&join.left)?;
                self.join_nodes(join, left, node)
            }
            _ if self.feeds.is_none() => {
                let message = "input joined to itself is not row-wise: a map stage sees one record at a time; this belongs in a reduce stage after an `exchange`";
                Err(DataFusionError::External(Box::new(refuse(NOT_ROWWISE, None, message))))
            }
            _ => {
                let left = self.build(&join.left)?;
                let right = self.build(&join.right)?;
                self.join_nodes(join, left, right)
            }
        }
    }

    fn lookup(&mut self, mut node: Node, join: &Join, table: &LogicalPlan, is_static_left: bool) -> Result<Node> {
        let table = (self.statics)(table)?;
        if let Flow::Chain(chain) = &mut node.flow {
            node.schema = chain.lookup(join, &node.schema, &table, is_static_left, &self.options)?;
        }
        Ok(node)
    }

    fn join_nodes(&mut self, join: &Join, left: Node, right: Node) -> Result<Node> {
        if self.feeds.is_none() {
            let message = format!("a {} join to a lookup is not row-wise: it would yield rows that no record of input has", join.join_type);
            return Err(DataFusionError::External(Box::new(refuse(NOT_ROWWISE, None, message))));
        }
        let visible = (left.schema.clone(), right.schema.clone());
        let filter = join.filter.as_ref().map(|filter| self.join_filter(filter, &visible.0, &visible.1)).transpose()?;
        let (left_keys, right_keys): (Vec<&Expr>, Vec<&Expr>) = join.on.iter().map(|(left, right)| (left, right)).unzip();
        let (left, left_keys) = self.extend(left, &left_keys)?;
        let (right, right_keys) = self.extend(right, &right_keys)?;
        let mut sides = Sides { left: self.ordered(left)?, right: self.ordered(right)?, visible };
        let on: Vec<_> = left_keys.into_iter().zip(right_keys).collect();
        let mut is_sorted = false;
        let plan = if on.is_empty() {
            sides.nested_loop(self, join, filter)?
        } else if join.null_aware {
            let (left, right) = (self.plan(&mut sides.left)?, self.plan(&mut sides.right)?);
            let (mode, nulls) = (PartitionMode::CollectLeft, join.null_equality);
            Arc::new(HashJoinExec::try_new(left, right, on, filter, &join.join_type, None, mode, nulls, true)?)
        } else {
            let (left, right) = (self.plan(&mut sides.left)?, self.plan(&mut sides.right)?);
            let equality = sides.equality(join, on, filter);
            is_sorted = equality.is_hashable(&left.schema());
            if is_sorted { equality.hash_or_merge(left, right)? } else { equality.merge(left, right)? }
        };
        let plan = self.feeds.map_or(Arc::clone(&plan), |feeds| watched(plan, feeds));
        Ok(Node { is_sorted, ..sides.joined(plan, join)? })
    }

    fn join_filter(&self, predicate: &Expr, left: &DFSchema, right: &DFSchema) -> Result<JoinFilter> {
        let mut indices = Vec::new();
        let mut fields = Vec::new();
        let mut referenced: Vec<_> = predicate.column_refs().into_iter().cloned().collect();
        referenced.sort();
        for column in &referenced {
            let (side, schema, index) = match left.maybe_index_of_column(column) {
                Some(index) => (JoinSide::Left, left, index),
                None => (JoinSide::Right, right, right.index_of_column(column)?),
            };
            let (qualifier, field) = schema.qualified_field(index);
            indices.push(ColumnIndex { index, side });
            fields.push((qualifier.cloned(), Arc::new(Field::new(field.name(), field.data_type().clone(), true))));
        }
        let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
        let predicate = self.expressions(&schema).compile(predicate)?;
        let predicate: PhysicalExprRef = match self.feeds {
            None => predicate.expr,
            Some(feeds) => Arc::new(WatchedExpr { inner: blaming(predicate.expr), feeds: feeds.clone() }),
        };
        Ok(JoinFilter::new(predicate, indices, Arc::new(Schema::new(schema.fields().clone()))))
    }
}

/// Both sides of a join, with hidden order columns.
struct Sides {
    left: Node,
    right: Node,
    /// Their columns without those computed for the join.
    visible: (DFSchema, DFSchema),
}

impl Sides {
    fn equality(&self, join: &Join, on: Vec<(PhysicalExprRef, PhysicalExprRef)>, filter: Option<JoinFilter>) -> Equality {
        let side = |node: &Node| Side { order: node.order, is_sorted: node.is_sorted };
        let (left, right) = (side(&self.left), side(&self.right));
        Equality { kind: join.join_type, nulls: join.null_equality, on, filter, left, right }
    }

    /// Each row against each; the side held in memory is the right one if it has at most one row, else the left one.
    fn nested_loop(&mut self, planner: &Planner<'_>, join: &Join, filter: Option<JoinFilter>) -> Result<Arc<dyn ExecutionPlan>> {
        let is_right_held = join.right.max_rows().is_some_and(|rows| rows <= 1);
        let mut left = planner.plan(&mut self.left)?;
        let mut right = planner.plan(&mut self.right)?;
        let held = if is_right_held { &mut right } else { &mut left };
        *held = bounded(Arc::clone(held), MAX_LOOP_BYTES, too_large_for_loop);
        let plan = NestedLoopJoinExec::try_new(left, right, filter, &join.join_type, None)?;
        if is_right_held { plan.swap_inputs() } else { Ok(Arc::new(plan)) }
    }

    /// Names of the columns of the join. The plan's own schema also counts columns that nobody reads.
    fn names(&self, join: &Join) -> Vec<(Option<TableReference>, String)> {
        let own =
            |schema: &DFSchema| schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.name().clone())).collect::<Vec<_>>();
        let (left, right) = (own(&self.visible.0), own(&self.visible.1));
        let mark = || {
            let (qualifier, field) = join.schema.qualified_field(join.schema.fields().len() - 1);
            [(qualifier.cloned(), field.name().clone())]
        };
        match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => left.into_iter().chain(right).collect(),
            JoinType::LeftSemi | JoinType::LeftAnti => left,
            JoinType::RightSemi | JoinType::RightAnti => right,
            JoinType::LeftMark => left.into_iter().chain(mark()).collect(),
            JoinType::RightMark => right.into_iter().chain(mark()).collect(),
        }
    }

    /// The columns of the join, then the order: the left side's, then the right's.
    fn joined(self, plan: Arc<dyn ExecutionPlan>, join: &Join) -> Result<Node> {
        let left_width = self.left.schema.fields().len() + self.left.order;
        let right_width = self.right.schema.fields().len() + self.right.order;
        let visible = (self.visible.0.fields().len(), self.visible.1.fields().len());
        let left = (0..visible.0, left_width - self.left.order..left_width);
        let right = |offset: usize| (offset..offset + visible.1, offset + right_width - self.right.order..offset + right_width);
        let (shown, hidden): (Vec<usize>, Vec<usize>) = match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                let right = right(left_width);
                (left.0.chain(right.0).collect(), left.1.chain(right.1).collect())
            }
            JoinType::LeftSemi | JoinType::LeftAnti => (left.0.collect(), left.1.collect()),
            JoinType::RightSemi | JoinType::RightAnti => (right(0).0.collect(), right(0).1.collect()),
            JoinType::LeftMark => (left.0.chain([left_width]).collect(), left.1.collect()),
            JoinType::RightMark => (right(0).0.chain([right_width]).collect(), right(0).1.collect()),
        };
        let input = plan.schema();
        let fields = shown
            .iter()
            .zip(self.names(join))
            .map(|(index, (qualifier, name))| (qualifier, Arc::new(Field::new(name, input.field(*index).data_type().clone(), true))));
        let schema = DFSchema::new_with_metadata(fields.collect(), HashMap::new())?;
        let exprs = shown.iter().chain(&hidden).map(|index| {
            let expr: PhysicalExprRef = Arc::new(Column::new(input.field(*index).name(), *index));
            (expr, input.field(*index).name().clone())
        });
        Ok(Node { flow: Flow::Plan(projected(exprs.collect(), plan)?), schema, order: hidden.len(), is_sorted: false })
    }
}

fn too_large_for_loop(limit: usize) -> DataFusionError {
    let message = format!(
        "a join without an equality holds its first table in memory, at most {} MiB; put the smaller table first, or join on an equality",
        limit >> 20
    );
    DataFusionError::External(Box::new(refuse(MEMORY, None, message)))
}

/// Join types that a step over the rows of one side can answer.
fn is_lookup_join(kind: JoinType, is_static_left: bool) -> bool {
    match kind {
        JoinType::Inner => true,
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => !is_static_left,
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => is_static_left,
        JoinType::Full => false,
    }
}

fn kind_of(plan: &LogicalPlan) -> String {
    let kind = plan.display().to_string();
    kind.split([':', ' ']).next().unwrap_or_default().to_string()
}

fn not_rowwise(plan: &LogicalPlan) -> DataFusionError {
    let kind = kind_of(plan);
    let message = format!("{kind} is not row-wise: a map stage sees one record at a time; use a reduce stage after an `exchange`");
    DataFusionError::External(Box::new(refuse(NOT_ROWWISE, None, message)))
}

/// A plain column as a compiled expression.
pub fn column(name: &str, index: usize) -> Compiled {
    Compiled { expr: Arc::new(Column::new(name, index)), is_fallible: false }
}

pub fn options_of(key: &datafusion_expr::SortExpr) -> SortOptions {
    SortOptions { descending: !key.asc, nulls_first: key.nulls_first }
}

type Named = (PhysicalExprRef, String);

/// Rows by some columns, then by their order, which is their last `order` columns, and in which they come if they are sorted; the first ones alone if
/// `fetch` says how many.
pub fn sorted_plan(
    plan: Arc<dyn ExecutionPlan>,
    keys: Vec<PhysicalSortExpr>,
    order: usize,
    is_sorted: bool,
    fetch: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let ties = hidden(&plan, order).into_iter().map(|(expr, _)| PhysicalSortExpr { expr, options: ASCENDING });
    let whole: Vec<PhysicalSortExpr> = keys.iter().cloned().chain(ties).collect();
    // Where rows come in their order, it need not be compared again.
    let keys = if is_sorted { keys } else { whole.clone() };
    match LexOrdering::new(whole) {
        Some(ordering) if fetch.is_some() => Ok(Arc::new(SortExec::new(ordering, plan).with_fetch(fetch))),
        Some(ordering) if !keys.is_empty() => sorting::sorted(plan, keys, ordering),
        _ => Ok(plan),
    }
}

/// The last `count` columns of an operator.
pub fn hidden(plan: &Arc<dyn ExecutionPlan>, count: usize) -> Vec<Named> {
    let schema = plan.schema();
    let width = schema.fields().len();
    (width - count..width).map(|index| named(&schema, index)).collect()
}

/// The first `count` columns of an operator.
pub fn first_columns(plan: &Arc<dyn ExecutionPlan>, count: usize) -> Vec<Named> {
    let schema = plan.schema();
    (0..count).map(|index| named(&schema, index)).collect()
}

fn named(schema: &SchemaRef, index: usize) -> Named {
    let name = schema.field(index).name();
    (Arc::new(Column::new(name, index)), name.clone())
}

pub fn projected(exprs: Vec<Named>, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let exprs = exprs.into_iter().map(|(expr, alias)| ProjectionExpr { expr, alias });
    Ok(Arc::new(ProjectionExec::try_new(exprs, plan)?))
}

/// Rows in memory as an operator.
fn memory(rows: &RecordBatch) -> Arc<dyn ExecutionPlan> {
    let batch = rows.clone();
    crate::operators::StreamExec::build("Memory", Vec::new(), rows.schema(), move |_, _| {
        let pieces: Vec<_> = (0..batch.num_rows())
            .step_by(crate::operators::BATCH_ROWS)
            .map(|start| Ok(batch.slice(start, crate::operators::BATCH_ROWS.min(batch.num_rows() - start))))
            .collect();
        Ok(crate::operators::boxed(batch.schema(), futures::stream::iter(pieces)))
    })
}

/// What finishing a map stage needs.
pub fn steps_of(node: Node) -> Result<Steps> {
    match node.flow {
        Flow::Chain(chain) => Ok(chain.finish(&node.schema)),
        Flow::Plan(_) => Err(DataFusionError::Internal("a map stage became an operator".into())),
    }
}
