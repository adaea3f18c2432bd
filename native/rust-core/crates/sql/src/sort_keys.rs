//! The `orderBy` of a `dedupe` stage: an SQL order list as sort columns. Each key is a row-wise expression, so a row whose key cannot be
//! evaluated is set aside like any other.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, SchemaRef, SortOptions};
use arrow_select::take::take;
use millrace_engine::program::{ProgramError, RowFailure, SortKeys};
use sqlparser::ast::OrderByExpr;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::compile::steps_over;
use crate::error::{BUG, SYNTAX, UNSUPPORTED, refuse};
use crate::evaluate::evaluate;
use crate::isolate::isolate;
use crate::parse::{MAX_NESTING, MAX_TEXT_BYTES, place, syntax_error};
use crate::rowwise::Steps;

/// Most keys of a list.
const MAX_KEYS: usize = 64;

/// The keys of an order list.
pub fn parse_order(text: &str) -> Result<Vec<OrderByExpr>, ProgramError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(refuse(UNSUPPORTED, None, format!("orderBy has {} bytes, at most {MAX_TEXT_BYTES} are allowed", text.len())));
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| refuse(SYNTAX, place(error.location), format!("cannot read orderBy: {}", error.message)))?;
    let mut parser = Parser::new(&dialect).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens);
    let keys = parser.parse_comma_separated(Parser::parse_order_by_expr).map_err(|error| syntax_error(error, &parser))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let message = format!("cannot read orderBy: expected a comma or the end, found {}", next.token);
        return Err(refuse(SYNTAX, place(next.span.start), message));
    }
    if keys.len() > MAX_KEYS {
        return Err(refuse(UNSUPPORTED, None, format!("orderBy has {} keys, at most {MAX_KEYS} are allowed", keys.len())));
    }
    if keys.iter().any(|key| key.with_fill.is_some()) {
        return Err(refuse(UNSUPPORTED, None, "orderBy takes expressions, ASC, DESC, NULLS FIRST and NULLS LAST only"));
    }
    Ok(keys)
}

pub fn compile(text: &str, columns: &SchemaRef) -> Result<Box<dyn SortKeys>, ProgramError> {
    let keys = parse_order(text)?;
    let select: Vec<String> = keys.iter().enumerate().map(|(index, key)| format!("{} AS \"_key_{index}\"", key.expr)).collect();
    let steps = steps_over(&format!("SELECT {} FROM input", select.join(", ")), columns)?;
    let options = keys.iter().map(|key| {
        let descending = key.options.asc == Some(false);
        // As in every ORDER BY: nulls count as the largest values.
        SortOptions { descending, nulls_first: key.options.nulls_first.unwrap_or(descending) }
    });
    let types = steps.output.fields().iter().map(|field| field.data_type().clone());
    let columns = types.zip(options).collect();
    Ok(Box::new(OrderList { steps, columns }))
}

struct OrderList {
    steps: Steps,
    columns: Vec<(DataType, SortOptions)>,
}

impl SortKeys for OrderList {
    fn columns(&self) -> &[(DataType, SortOptions)] {
        &self.columns
    }

    fn evaluate(&mut self, rows: &RecordBatch) -> Result<(Vec<ArrayRef>, Vec<RowFailure>), ProgramError> {
        let columns = self.steps.read.iter().map(|index| Arc::clone(rows.column(*index))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let read = RecordBatch::try_new_with_options(Arc::clone(&self.steps.read_schema), columns, &options)
            .map_err(|error| refuse(BUG, None, format!("the rows are not what orderBy was compiled for: {error}")))?;
        match evaluate(&self.steps.steps, &read) {
            Ok(keys) => Ok((keys.batch.columns().to_vec(), Vec::new())),
            Err(_) => {
                let (keys, failed) = isolate(&self.steps, &read)?;
                Ok((spread(keys.batch.columns(), &failed, rows.num_rows())?, failed))
            }
        }
    }
}

/// The keys of the rows that have some, with nulls between them for the rows that failed.
fn spread(keys: &[ArrayRef], failed: &[RowFailure], rows: usize) -> Result<Vec<ArrayRef>, ProgramError> {
    let mut failed = failed.iter().map(|failure| failure.row).peekable();
    let mut next = 0;
    let places: UInt32Array = (0..rows as u32)
        .map(|row| {
            if failed.next_if_eq(&row).is_some() {
                return None;
            }
            next += 1;
            Some(next - 1)
        })
        .collect();
    let spread = keys.iter().map(|key| take(key, &places, None)).collect::<Result<Vec<_>, _>>();
    spread.map_err(|error| refuse(BUG, None, format!("sort keys and rows do not fit together: {error}")))
}
