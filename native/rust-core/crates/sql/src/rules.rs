//! What a map stage may say, checked on the syntax tree: no names or types are needed, so intake can do it before anything is probed.
//!
//! The visitor stops at a fixed depth before it descends further, so the depth of the tree never becomes the depth of the stack.

use std::collections::HashSet;
use std::ops::ControlFlow;

use millrace_engine::program::ProgramError;
use sqlparser::ast::{
    Distinct, Expr, Function, FunctionArguments, GroupByExpr, ObjectName, Query, Select, SelectFlavor, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Visit, Visitor,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use crate::error::{NONDETERMINISTIC, NOT_AVAILABLE, NOT_ROWWISE, UNSUPPORTED, refuse, suggestion};
use crate::functions;
use crate::parse::{Parsed, place};

/// The table of a map stage.
pub const INPUT: &str = "input";
/// Deepest expression, counted in nodes from the root of a clause.
pub const MAX_DEPTH: usize = 1_000;

const WAY_OUT: &str = "a map stage sees one record at a time; this belongs in a reduce stage after an `exchange`";

const AGGREGATES: &[&str] = &[
    "any_value",
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "first_value",
    "grouping",
    "last_value",
    "listagg",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "nth_value",
    "percentile_cont",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var",
    "var_pop",
    "var_samp",
];
const WINDOWS: &[&str] = &["cume_dist", "dense_rank", "lag", "lead", "ntile", "percent_rank", "rank", "row_number"];
const NONDETERMINISTIC_FUNCTIONS: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "gen_random_uuid",
    "localtime",
    "localtimestamp",
    "now",
    "rand",
    "random",
    "today",
    "uuid",
    "uuidv4",
    "uuidv7",
];
const READERS: &[&str] = &[
    "csv_scan",
    "delta_scan",
    "file_row_index",
    "glob",
    "iceberg_scan",
    "input_file_name",
    "json_scan",
    "parquet_metadata",
    "parquet_scan",
    "pg_read_file",
    "read_blob",
    "read_csv",
    "read_csv_auto",
    "read_json",
    "read_json_auto",
    "read_ndjson",
    "read_parquet",
    "read_text",
    "sniff_csv",
];
const NOT_BUILT: &[&str] = &["clean_text", "hmac_sha256", "json_value", "personal_data", "pseudonym", "redact", "shift_date"];

/// Checks everything that needs no schema.
pub fn check(parsed: &Parsed) -> Result<(), ProgramError> {
    let mut rules = Rules { parsed, tables: HashSet::new(), depth: 0 };
    match parsed.query.visit(&mut rules) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rules<'a> {
    parsed: &'a Parsed,
    /// Names of common table expressions met so far.
    tables: HashSet<String>,
    depth: usize,
}

type Verdict = Result<(), ProgramError>;
type At = Option<(u64, u64)>;

impl Visitor for Rules<'_> {
    type Break = ProgramError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<ProgramError> {
        flow(self.query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<ProgramError> {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<ProgramError> {
        flow(self.table(table))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<ProgramError> {
        self.depth += 1;
        flow(self.expr(expr))
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<ProgramError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

fn flow(verdict: Verdict) -> ControlFlow<ProgramError> {
    match verdict {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn start(span: Span) -> At {
    place(span.start)
}

impl Rules<'_> {
    fn not_rowwise(&self, is_used: bool, clause: &str, keyword: Keyword) -> Verdict {
        if is_used {
            Err(refuse(NOT_ROWWISE, self.parsed.keyword(keyword), format!("{clause} is not row-wise: {WAY_OUT}")))
        } else {
            Ok(())
        }
    }

    fn unsupported(&self, is_used: bool, clause: &str, keyword: Keyword) -> Verdict {
        if is_used { Err(refuse(UNSUPPORTED, self.parsed.keyword(keyword), format!("{clause} is not supported"))) } else { Ok(()) }
    }

    fn query(&mut self, query: &Query) -> Verdict {
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(refuse(UNSUPPORTED, start(with.with_token.0.span), "WITH RECURSIVE is not supported"));
            }
            for table in &with.cte_tables {
                let name = &table.alias.name;
                if name.value == INPUT {
                    return Err(refuse(UNSUPPORTED, start(name.span), "a WITH query may not be named input: that is the stage's table"));
                }
                self.tables.insert(name.value.clone());
            }
        }
        self.body(&query.body)?;
        self.not_rowwise(query.order_by.is_some(), "ORDER BY", Keyword::ORDER)?;
        self.not_rowwise(query.limit_clause.is_some(), "LIMIT", self.limit_keyword())?;
        self.not_rowwise(query.fetch.is_some(), "FETCH", Keyword::FETCH)?;
        self.unsupported(!query.locks.is_empty() || query.for_clause.is_some(), "FOR", Keyword::FOR)?;
        self.unsupported(query.settings.is_some(), "SETTINGS", Keyword::SETTINGS)?;
        self.unsupported(query.format_clause.is_some(), "FORMAT", Keyword::FORMAT)?;
        self.unsupported(!query.pipe_operators.is_empty(), "the pipe operator", Keyword::NoKeyword)
    }

    fn limit_keyword(&self) -> Keyword {
        if self.parsed.keyword(Keyword::LIMIT).is_some() { Keyword::LIMIT } else { Keyword::OFFSET }
    }

    fn body(&self, body: &SetExpr) -> Verdict {
        match body {
            SetExpr::Select(_) => Ok(()),
            // The visitor comes to the inner query by itself.
            SetExpr::Query(_) => Ok(()),
            SetExpr::SetOperation { op, .. } => {
                let keyword = match op {
                    sqlparser::ast::SetOperator::Union => Keyword::UNION,
                    sqlparser::ast::SetOperator::Except => Keyword::EXCEPT,
                    sqlparser::ast::SetOperator::Intersect => Keyword::INTERSECT,
                    sqlparser::ast::SetOperator::Minus => Keyword::MINUS,
                };
                self.not_rowwise(true, &op.to_string(), keyword)
            }
            SetExpr::Values(_) => self.not_rowwise(true, "VALUES", Keyword::VALUES),
            _ => Err(refuse(UNSUPPORTED, None, "a stage is one SELECT; other statements are not allowed")),
        }
    }

    fn select(&self, select: &Select) -> Verdict {
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(_) => self.not_rowwise(true, "DISTINCT", Keyword::DISTINCT)?,
        }
        let is_grouped = match &select.group_by {
            GroupByExpr::All(_) => true,
            GroupByExpr::Expressions(exprs, modifiers) => !exprs.is_empty() || !modifiers.is_empty(),
        };
        self.not_rowwise(is_grouped, "GROUP BY", Keyword::GROUP)?;
        self.not_rowwise(select.having.is_some(), "HAVING", Keyword::HAVING)?;
        self.not_rowwise(!select.named_window.is_empty(), "WINDOW", Keyword::WINDOW)?;
        self.not_rowwise(select.qualify.is_some(), "QUALIFY", Keyword::QUALIFY)?;
        self.not_rowwise(select.top.is_some(), "TOP", Keyword::TOP)?;
        self.not_rowwise(!select.connect_by.is_empty(), "CONNECT BY", Keyword::CONNECT)?;
        self.not_rowwise(!select.cluster_by.is_empty(), "CLUSTER BY", Keyword::CLUSTER)?;
        self.not_rowwise(!select.distribute_by.is_empty(), "DISTRIBUTE BY", Keyword::DISTRIBUTE)?;
        self.not_rowwise(!select.sort_by.is_empty(), "SORT BY", Keyword::SORT)?;
        self.unsupported(select.into.is_some(), "INTO", Keyword::INTO)?;
        self.unsupported(select.prewhere.is_some(), "PREWHERE", Keyword::PREWHERE)?;
        self.unsupported(!select.lateral_views.is_empty(), "LATERAL VIEW", Keyword::LATERAL)?;
        self.unsupported(select.exclude.is_some(), "EXCLUDE after the select list", Keyword::EXCLUDE)?;
        self.unsupported(select.value_table_mode.is_some(), "SELECT AS", Keyword::SELECT)?;
        self.unsupported(select.select_modifiers.is_some() || !select.optimizer_hints.is_empty(), "a select modifier", Keyword::SELECT)?;
        self.unsupported(select.flavor != SelectFlavor::Standard, "FROM before SELECT", Keyword::FROM)?;
        self.output_names(select)?;
        self.from(select)
    }

    /// Two columns of one name cannot be told apart by any reader; those that `*` brings are checked when the schema is known.
    fn output_names(&self, select: &Select) -> Verdict {
        let mut seen = HashSet::new();
        for item in &select.projection {
            let (SelectItem::ExprWithAlias { alias: name, .. } | SelectItem::UnnamedExpr(Expr::Identifier(name))) = item else { continue };
            if !seen.insert(&name.value) {
                return Err(refuse(
                    UNSUPPORTED,
                    start(name.span),
                    format!("two output columns are named {}; give one an alias", name.value),
                ));
            }
        }
        Ok(())
    }

    fn from(&self, select: &Select) -> Verdict {
        match select.from.as_slice() {
            [] => Err(refuse(NOT_ROWWISE, start(select.select_token.0.span), "a map stage reads input: the query needs FROM input")),
            [only] => self.joins(only),
            [_, second, ..] => self.refuse_join(&second.relation),
        }
    }

    fn joins(&self, from: &TableWithJoins) -> Verdict {
        match from.joins.first() {
            None => Ok(()),
            Some(join) => self.refuse_join(&join.relation),
        }
    }

    fn refuse_join(&self, table: &TableFactor) -> Verdict {
        match table {
            TableFactor::Table { name, args: None, .. } => {
                let at = name_place(name);
                let name = name.to_string();
                if name == INPUT || self.tables.contains(&name) {
                    return Err(refuse(NOT_ROWWISE, at, format!("input joined to itself is not row-wise: {WAY_OUT}")));
                }
                Err(refuse(NOT_AVAILABLE, at, format!("a join to the lookup {name} is not available in this version")))
            }
            TableFactor::UNNEST { .. } => Err(refuse(NOT_AVAILABLE, self.parsed.name("unnest"), "unnest is not available in this version")),
            TableFactor::Derived { .. } => {
                Err(refuse(NOT_ROWWISE, self.parsed.keyword(Keyword::JOIN), format!("a join is not row-wise: {WAY_OUT}")))
            }
            other => self.table(other),
        }
    }

    fn table(&self, table: &TableFactor) -> Verdict {
        match table {
            TableFactor::Table { name, alias, args, sample, version, with_hints, partitions, with_ordinality, json_path, index_hints } => {
                let at = name_place(name).or_else(|| self.parsed.keyword(Keyword::FROM));
                if args.is_some() {
                    return Err(refuse(
                        UNSUPPORTED,
                        at,
                        format!("the table function {name} is not supported: a stage reads its input only"),
                    ));
                }
                let extras = sample.is_some() || version.is_some() || *with_ordinality || json_path.is_some();
                if extras || !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
                    return Err(refuse(UNSUPPORTED, at, format!("only a name and an alias may describe the table {name}")));
                }
                self.table_name(name, at)?;
                match alias {
                    Some(alias) if alias.at.is_some() || (!alias.columns.is_empty() && name.to_string() == INPUT) => Err(refuse(
                        UNSUPPORTED,
                        start(alias.name.span),
                        "the columns of input cannot be renamed in FROM; use AS in the select list",
                    )),
                    _ => Ok(()),
                }
            }
            TableFactor::Derived { lateral, sample, .. } => {
                self.unsupported(*lateral, "LATERAL", Keyword::LATERAL)?;
                self.unsupported(sample.is_some(), "TABLESAMPLE", Keyword::TABLESAMPLE)
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.joins(table_with_joins),
            TableFactor::UNNEST { .. } => Err(refuse(NOT_AVAILABLE, self.parsed.name("unnest"), "unnest is not available in this version")),
            TableFactor::Function { name, .. } => Err(refuse(
                UNSUPPORTED,
                name_place(name),
                format!("the table function {name} is not supported: a stage reads its input only"),
            )),
            _ => Err(refuse(
                UNSUPPORTED,
                self.parsed.keyword(Keyword::FROM),
                "this kind of table is not supported: a stage reads its input only",
            )),
        }
    }

    fn table_name(&self, name: &ObjectName, at: At) -> Verdict {
        let text = match name.0.as_slice() {
            [only] => only.as_ident().map(|ident| ident.value.clone()),
            _ => None,
        };
        match text {
            Some(text) if text == INPUT || self.tables.contains(&text) => Ok(()),
            _ => {
                let known = self.tables.iter().map(String::as_str).chain([INPUT]);
                let hint = suggestion(&name.to_string(), known);
                Err(refuse(UNSUPPORTED, at, format!("there is no table {name}{hint}; a map stage reads input")))
            }
        }
    }

    fn expr(&self, expr: &Expr) -> Verdict {
        if self.depth > MAX_DEPTH {
            return Err(refuse(
                UNSUPPORTED,
                None,
                format!("an expression is nested deeper than {MAX_DEPTH}; a long chain of OR is shorter as IN (…)"),
            ));
        }
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::Subquery(query) | Expr::Exists { subquery: query, .. } | Expr::InSubquery { subquery: query, .. } => self.subquery(query),
            Expr::InUnnest { .. } => Err(refuse(NOT_AVAILABLE, self.parsed.name("unnest"), "unnest is not available in this version")),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => self.not_rowwise(true, "GROUP BY", Keyword::GROUP),
            Expr::Array(_) | Expr::Struct { .. } | Expr::Dictionary(_) | Expr::Map(_) | Expr::Tuple(_) | Expr::Named { .. } => {
                Err(refuse(UNSUPPORTED, None, "lists, structs and maps are not supported"))
            }
            Expr::Lambda(_)
            | Expr::MatchAgainst { .. }
            | Expr::Prior(_)
            | Expr::OuterJoin(_)
            | Expr::MemberOf(_)
            | Expr::JsonAccess { .. } => {
                Err(refuse(UNSUPPORTED, None, format!("this kind of expression is not supported: {}", kind_of(expr))))
            }
            _ => Ok(()),
        }
    }

    fn subquery(&self, query: &Query) -> Verdict {
        let at = match query.body.as_ref() {
            SetExpr::Select(select) => start(select.select_token.0.span),
            _ => None,
        };
        let SetExpr::Select(select) = query.body.as_ref() else {
            return Err(refuse(NOT_ROWWISE, at, format!("a subquery in an expression is not row-wise: {WAY_OUT}")));
        };
        match select.from.first().map(|from| &from.relation) {
            Some(TableFactor::Table { name, args: None, .. }) if name.to_string() != INPUT && !self.tables.contains(&name.to_string()) => {
                Err(refuse(NOT_AVAILABLE, name_place(name), format!("a subquery over the lookup {name} is not available in this version")))
            }
            _ => Err(refuse(NOT_ROWWISE, at, format!("a subquery in an expression is not row-wise: {WAY_OUT}"))),
        }
    }

    fn function(&self, function: &Function) -> Verdict {
        let at = name_place(&function.name);
        let name = function.name.to_string().replace('"', "").to_lowercase();
        let listed = |list: &[&str]| list.contains(&name.as_str());
        if function.over.is_some() || listed(WINDOWS) {
            return Err(refuse(NOT_ROWWISE, at, format!("the window function {name} is not row-wise: {WAY_OUT}")));
        }
        if listed(AGGREGATES) {
            return Err(refuse(NOT_ROWWISE, at, format!("the aggregate {name} is not row-wise: {WAY_OUT}")));
        }
        if listed(NONDETERMINISTIC_FUNCTIONS) {
            let instead = "job_time() is the instant the job was accepted, record_id() an identifier of the record";
            return Err(refuse(NONDETERMINISTIC, at, format!("{name} would give another answer at each try; {instead}")));
        }
        if listed(READERS) {
            return Err(refuse(UNSUPPORTED, at, format!("the function {name} reads files; a stage reads its input only")));
        }
        if name == "unnest" || listed(NOT_BUILT) {
            return Err(refuse(NOT_AVAILABLE, at, format!("{name} is not available in this version")));
        }
        if functions::find(&name).is_none() {
            let hint = suggestion(&name, functions::ALLOWED.iter().map(|entry| entry.name));
            return Err(refuse(UNSUPPORTED, at, format!("there is no function {name}{hint}")));
        }
        let is_plain = function.filter.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty()
            && matches!(function.parameters, FunctionArguments::None)
            && match &function.args {
                FunctionArguments::List(list) => list.duplicate_treatment.is_none() && list.clauses.is_empty(),
                FunctionArguments::None => true,
                FunctionArguments::Subquery(_) => false,
            };
        if is_plain { Ok(()) } else { Err(refuse(UNSUPPORTED, at, format!("{name} takes plain arguments only"))) }
    }
}

fn name_place(name: &ObjectName) -> At {
    name.0.first().and_then(|part| part.as_ident()).and_then(|ident| start(ident.span))
}

fn kind_of(expr: &Expr) -> &'static str {
    match expr {
        Expr::Lambda(_) => "a lambda",
        Expr::MatchAgainst { .. } => "MATCH AGAINST",
        Expr::Prior(_) => "PRIOR",
        Expr::OuterJoin(_) => "(+)",
        Expr::MemberOf(_) => "MEMBER OF",
        _ => "access into JSON",
    }
}
