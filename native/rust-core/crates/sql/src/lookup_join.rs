//! A join of the rows of a stage to a table that is known when the stage is opened: a lookup, or what a query makes of lookups alone. The
//! table is indexed by its keys once; rows keep their order, and the partners of a row stand in the table's order.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, cast::AsArray, new_empty_array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Column, DFSchema, DataFusionError, JoinType, NullEquality, Result};
use datafusion_expr::{Expr, Join};
use datafusion_physical_expr::PhysicalExprRef;

use crate::error::{NOT_ROWWISE, refuse};
use crate::evaluate::Rows;
use crate::physical::Expressions;
use crate::rowwise::rehearse;
use crate::unnest::check_counts;

/// Pairs that a residual condition looks at in one go.
const PAIRS_AT_ONCE: usize = 64 * 1024;

/// A table that no stage row changes.
#[derive(Debug)]
pub struct StaticTable {
    pub schema: DFSchema,
    pub rows: RecordBatch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Inner,
    /// Rows without a partner stay, with nulls.
    Outer,
    Semi,
    Anti,
    /// `NOT IN`: a null among the keys makes every answer unknown.
    NullAwareAnti,
    /// All rows, and a column that says whether there is a partner.
    Mark,
}

pub struct LookupJoin {
    kind: Kind,
    keys: Vec<PhysicalExprRef>,
    converter: RowConverter,
    index: Index,
    nulls_match: bool,
    residual: Option<Residual>,
    table: Arc<StaticTable>,
    is_static_left: bool,
    output: SchemaRef,
}

/// Rows of the table by key.
struct Index {
    /// Ranges of `rows`.
    ranges: HashMap<Box<[u8]>, (u32, u32)>,
    rows: Vec<u32>,
    has_null_key: bool,
}

/// A condition over a row and a possible partner.
struct Residual {
    predicate: PhysicalExprRef,
    /// For each column it reads: of the table (true) or of the row, and the index there.
    columns: Vec<(bool, usize)>,
    schema: SchemaRef,
}

impl LookupJoin {
    pub fn compile(
        join: &Join,
        input: &DFSchema,
        table: &Arc<StaticTable>,
        is_static_left: bool,
        options: &Arc<ConfigOptions>,
    ) -> Result<(LookupJoin, DFSchema)> {
        let kind = kind_of(join, is_static_left)?;
        let mut keys = Vec::with_capacity(join.on.len());
        let mut table_keys = Vec::with_capacity(join.on.len());
        for (left, right) in &join.on {
            let (own, other) = if is_static_left { (right, left) } else { (left, right) };
            let own = Expressions { schema: input, options }.compile(own)?.expr;
            rehearse(&own, input)?;
            keys.push(own);
            table_keys.push(Expressions { schema: &table.schema, options }.compile(other)?.expr);
        }
        let types = keys.iter().map(|key| key.data_type(input.as_arrow())).collect::<Result<Vec<_>>>()?;
        let converter = RowConverter::new(types.iter().map(|data_type| SortField::new(data_type.clone())).collect())?;
        let nulls_match = join.null_equality == NullEquality::NullEqualsNull;
        let index = Index::build(&table.rows, &table_keys, &types, &converter, nulls_match)?;
        let joined = if is_static_left { table.schema.join(input)? } else { input.join(&table.schema)? };
        let residual = join.filter.as_ref().map(|predicate| Residual::compile(predicate, input, table, options)).transpose()?;
        if residual.is_some() && kind == Kind::NullAwareAnti {
            let message = "a correlated NOT IN is not supported; use NOT EXISTS, which needs no rule for nulls";
            return Err(DataFusionError::NotImplemented(message.into()));
        }
        let schema = output_schema(kind, join, input, &joined)?;
        let output = Arc::new(schema.as_arrow().clone());
        let step = LookupJoin { kind, keys, converter, index, nulls_match, residual, table: Arc::clone(table), is_static_left, output };
        Ok((step, schema))
    }

    pub fn evaluate(&self, rows: Rows) -> Result<Rows> {
        if rows.batch.num_rows() == 0 {
            let columns = self.output.fields().iter().map(|field| new_empty_array(field.data_type())).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(0));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?;
            return Ok(Rows { batch, origin: Some(UInt32Array::from(Vec::<u32>::new())) });
        }
        let partners = self.partners(&rows)?;
        let count = rows.batch.num_rows();
        let mut mine: Vec<u32> = Vec::new();
        let mut theirs: Vec<Option<u32>> = Vec::new();
        let mut marks = Vec::new();
        let mut pairs = partners.pairs.iter().peekable();
        for row in 0..count as u32 {
            let before = mine.len();
            let mut is_matched = false;
            while let Some((_, partner)) = pairs.next_if(|(own, _)| *own == row) {
                if matches!(self.kind, Kind::Inner | Kind::Outer) {
                    mine.push(row);
                    theirs.push(Some(*partner));
                }
                is_matched = true;
            }
            let stays = match self.kind {
                Kind::Inner => false,
                Kind::Outer => mine.len() == before,
                Kind::Semi => is_matched,
                Kind::Anti => !is_matched,
                Kind::NullAwareAnti => {
                    self.table.rows.num_rows() == 0 || !(is_matched || self.index.has_null_key || partners.is_null[row as usize])
                }
                Kind::Mark => true,
            };
            if stays {
                mine.push(row);
                theirs.push(None);
                marks.push(is_matched);
            }
        }
        self.assemble(&rows, mine.into(), &theirs, marks)
    }

    fn assemble(&self, rows: &Rows, mine: UInt32Array, theirs: &[Option<u32>], marks: Vec<bool>) -> Result<Rows> {
        let own = rows.batch.columns().iter().map(|column| Ok(take(column, &mine, None)?)).collect::<Result<Vec<_>>>()?;
        let mut columns = own;
        match self.kind {
            Kind::Inner | Kind::Outer => {
                let theirs = UInt32Array::from(theirs.to_vec());
                let other = self.table.rows.columns().iter().map(|column| Ok(take(column, &theirs, None)?)).collect::<Result<Vec<_>>>()?;
                if self.is_static_left {
                    columns.splice(0..0, other);
                } else {
                    columns.extend(other);
                }
            }
            Kind::Mark => columns.push(Arc::new(BooleanArray::from(marks))),
            Kind::Semi | Kind::Anti | Kind::NullAwareAnti => {}
        }
        let origin = match &rows.origin {
            None => mine.clone(),
            Some(origin) => mine.values().iter().map(|row| origin.value(*row as usize)).collect(),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(mine.len()));
        Ok(Rows { batch: RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?, origin: Some(origin) })
    }

    /// All pairs that meet the whole condition, ascending by row, then by the table's order.
    fn partners(&self, rows: &Rows) -> Result<Partners> {
        let count = rows.batch.num_rows();
        let keys = self.keys.iter().map(|key| key.evaluate(&rows.batch)?.into_array(count)).collect::<Result<Vec<_>>>()?;
        let is_null: Vec<bool> = (0..count).map(|row| keys.iter().any(|key| key.is_null(row))).collect();
        let encoded = if keys.is_empty() { None } else { Some(self.converter.convert_columns(&keys)?) };
        let everything: Vec<u32> = if keys.is_empty() { (0..self.table.rows.num_rows() as u32).collect() } else { Vec::new() };
        let mut partners = Partners { pairs: Vec::new(), is_null };
        let mut open: Vec<(u32, u32)> = Vec::new();
        for row in 0..count {
            let found = match &encoded {
                None => everything.as_slice(),
                Some(_) if partners.is_null[row] && !self.nulls_match => &[],
                Some(encoded) => self.index.find(encoded.row(row).as_ref()),
            };
            open.extend(found.iter().map(|partner| (row as u32, *partner)));
            if open.len() >= PAIRS_AT_ONCE {
                self.settle(&rows.batch, &mut open, &mut partners.pairs)?;
            }
        }
        self.settle(&rows.batch, &mut open, &mut partners.pairs)?;
        let mut counts = vec![0; count];
        for (row, _) in &partners.pairs {
            counts[*row as usize] += 1;
        }
        check_counts(&counts, rows)?;
        Ok(partners)
    }

    /// Moves the pairs that meet the residual condition.
    fn settle(&self, batch: &RecordBatch, open: &mut Vec<(u32, u32)>, settled: &mut Vec<(u32, u32)>) -> Result<()> {
        match &self.residual {
            _ if open.is_empty() => {}
            None => settled.append(open),
            Some(residual) => {
                let kept = residual.test(batch, &self.table.rows, open)?;
                settled.extend(open.drain(..).zip(kept).filter(|(_, is_kept)| *is_kept).map(|(pair, _)| pair));
            }
        }
        Ok(())
    }
}

struct Partners {
    pairs: Vec<(u32, u32)>,
    /// For each row: is one of its keys null?
    is_null: Vec<bool>,
}

fn kind_of(join: &Join, is_static_left: bool) -> Result<Kind> {
    match (join.join_type, is_static_left) {
        (JoinType::Inner, _) => Ok(Kind::Inner),
        (JoinType::Left, false) | (JoinType::Right, true) => Ok(Kind::Outer),
        (JoinType::LeftSemi, false) | (JoinType::RightSemi, true) => Ok(Kind::Semi),
        (JoinType::LeftAnti, false) if join.null_aware => Ok(Kind::NullAwareAnti),
        (JoinType::LeftAnti, false) | (JoinType::RightAnti, true) => Ok(Kind::Anti),
        (JoinType::LeftMark, false) | (JoinType::RightMark, true) => Ok(Kind::Mark),
        (other, _) => {
            let message = format!("a {other} join to a lookup is not row-wise: it would yield rows that no record of input has");
            Err(DataFusionError::External(Box::new(refuse(NOT_ROWWISE, None, message))))
        }
    }
}

fn output_schema(kind: Kind, join: &Join, input: &DFSchema, joined: &DFSchema) -> Result<DFSchema> {
    let nullable = |schema: &DFSchema| -> Result<DFSchema> {
        let fields = schema
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(Field::new(field.name(), field.data_type().clone(), true))));
        DFSchema::new_with_metadata(fields.collect(), HashMap::new())
    };
    match kind {
        Kind::Inner | Kind::Outer => nullable(joined),
        Kind::Semi | Kind::Anti | Kind::NullAwareAnti => nullable(input),
        Kind::Mark => {
            let mut fields: Vec<_> = input.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
            let (qualifier, field) = join.schema.qualified_field(join.schema.fields().len() - 1);
            fields.push((qualifier.cloned(), Arc::new(Field::new(field.name(), DataType::Boolean, true))));
            nullable(&DFSchema::new_with_metadata(fields, HashMap::new())?)
        }
    }
}

impl Index {
    fn build(
        table: &RecordBatch,
        keys: &[PhysicalExprRef],
        types: &[DataType],
        converter: &RowConverter,
        nulls_match: bool,
    ) -> Result<Index> {
        let mut index = Index { ranges: HashMap::new(), rows: Vec::new(), has_null_key: false };
        if keys.is_empty() || table.num_rows() == 0 {
            return Ok(index);
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(keys.len());
        for (key, data_type) in keys.iter().zip(types) {
            let column = key.evaluate(table)?.into_array(table.num_rows())?;
            columns.push(if column.data_type() == data_type { column } else { arrow_cast::cast(&column, data_type)? });
        }
        let encoded = converter.convert_columns(&columns)?;
        let mut order: Vec<u32> = Vec::with_capacity(table.num_rows());
        for row in 0..table.num_rows() {
            let is_null = columns.iter().any(|column| column.is_null(row));
            index.has_null_key |= is_null;
            if !is_null || nulls_match {
                order.push(row as u32);
            }
        }
        order.sort_by(|a, b| encoded.row(*a as usize).cmp(&encoded.row(*b as usize)));
        let mut start = 0;
        while start < order.len() {
            let key = encoded.row(order[start] as usize);
            let end = start + order[start..].iter().take_while(|row| encoded.row(**row as usize) == key).count();
            index.ranges.insert(key.as_ref().into(), (start as u32, end as u32));
            start = end;
        }
        index.rows = order;
        Ok(index)
    }

    fn find(&self, key: &[u8]) -> &[u32] {
        self.ranges.get(key).map_or(&[], |(start, end)| &self.rows[*start as usize..*end as usize])
    }
}

impl Residual {
    fn compile(predicate: &Expr, input: &DFSchema, table: &StaticTable, options: &Arc<ConfigOptions>) -> Result<Residual> {
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        let mut referenced: Vec<Column> = predicate.column_refs().into_iter().cloned().collect();
        referenced.sort();
        for column in &referenced {
            let (is_static, schema, index) = match input.maybe_index_of_column(column) {
                Some(index) => (false, input, index),
                None => (true, &table.schema, table.schema.index_of_column(column)?),
            };
            let (qualifier, field) = schema.qualified_field(index);
            columns.push((is_static, index));
            fields.push((qualifier.cloned(), Arc::new(Field::new(field.name(), field.data_type().clone(), true))));
        }
        let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
        let predicate = Expressions { schema: &schema, options }.compile(predicate)?.expr;
        rehearse(&predicate, &schema)?;
        Ok(Residual { predicate, columns, schema: Arc::new(Schema::new(schema.fields().clone())) })
    }

    fn test(&self, batch: &RecordBatch, table: &RecordBatch, pairs: &[(u32, u32)]) -> Result<Vec<bool>> {
        let mine: UInt32Array = pairs.iter().map(|(own, _)| *own).collect::<Vec<u32>>().into();
        let theirs: UInt32Array = pairs.iter().map(|(_, partner)| *partner).collect::<Vec<u32>>().into();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (is_static, index) in &self.columns {
            columns.push(if *is_static { take(table.column(*index), &theirs, None)? } else { take(batch.column(*index), &mine, None)? });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.len()));
        let both = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let verdict = self.predicate.evaluate(&both)?.into_array(pairs.len())?;
        let verdict = verdict.as_boolean();
        Ok((0..pairs.len()).map(|pair| verdict.is_valid(pair) && verdict.value(pair)).collect())
    }
}
