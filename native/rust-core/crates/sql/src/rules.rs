//! What a stage may say, checked on the syntax tree: no names or types are needed, so intake can do it before anything is probed.
//!
//! In a map stage whatever reads `input` must be row-wise; what reads lookups alone is computed once and may do what a reduce stage may.
//! The visitor stops at a fixed depth before it descends further, so the depth of the tree never becomes the depth of the stack.

use std::collections::HashSet;
use std::ops::ControlFlow;

use millrace_engine::program::{ProgramError, StageKind};
use sqlparser::ast::{
    Distinct, Expr, Function, FunctionArgumentClause, FunctionArguments, GroupByExpr, ObjectName, Query, Select, SelectFlavor, SelectItem,
    SetExpr, TableFactor, Visit, Visitor, visit_expressions, visit_relations,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use crate::error::{NONDETERMINISTIC, NOT_ROWWISE, UNSUPPORTED, refuse, suggestion};
use crate::functions::{self, aggregates};
use crate::parse::{Parsed, place};

/// The table of a map stage.
pub const INPUT: &str = "input";
/// Deepest expression, counted in nodes from the root of a clause.
pub const MAX_DEPTH: usize = 1_000;

const WAY_OUT: &str = "a map stage sees one record at a time; this belongs in a reduce stage after an `exchange`";

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
/// Checks everything that needs no schema.
pub fn check(parsed: &Parsed, kind: StageKind) -> Result<(), ProgramError> {
    // First of all: everything else follows the tree to its leaves.
    if parsed.query.visit(&mut Depth(0)).is_break() {
        let message = format!("an expression is nested deeper than {MAX_DEPTH}; a long chain of OR is shorter as IN (…)");
        return Err(refuse(UNSUPPORTED, None, message));
    }
    let mut rules = Rules { parsed, kind, over_input: HashSet::new(), tables: HashSet::new(), reads_input: Vec::new() };
    match parsed.query.visit(&mut rules) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The first call of a function that needs the job's key, and its place.
pub fn keyed_call(parsed: &Parsed) -> Option<(String, Option<(u64, u64)>)> {
    let found = visit_expressions(&parsed.query, |expr| match expr {
        Expr::Function(function) => {
            let name = function.name.to_string().replace('"', "").to_lowercase();
            if functions::KEYED.contains(&name.as_str()) {
                ControlFlow::Break((name, name_place(&function.name)))
            } else {
                ControlFlow::Continue(())
            }
        }
        _ => ControlFlow::Continue(()),
    });
    found.break_value()
}

/// Stops at the first expression that is nested too deep.
struct Depth(usize);

impl Visitor for Depth {
    type Break = ();

    fn pre_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
        self.0 += 1;
        if self.0 > MAX_DEPTH { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
        self.0 -= 1;
        ControlFlow::Continue(())
    }
}

struct Rules<'a> {
    parsed: &'a Parsed,
    kind: StageKind,
    /// Names of common table expressions met so far that read `input`.
    over_input: HashSet<String>,
    /// Names of all common table expressions met so far.
    tables: HashSet<String>,
    /// For each query around the visited place: must it be row-wise?
    reads_input: Vec<bool>,
}

type Verdict = Result<(), ProgramError>;
type At = Option<(u64, u64)>;

impl Visitor for Rules<'_> {
    type Break = ProgramError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<ProgramError> {
        flow(self.query(query))
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<ProgramError> {
        self.reads_input.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<ProgramError> {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<ProgramError> {
        flow(self.table(table))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<ProgramError> {
        flow(self.expr(expr))
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
    /// Must the query around this place be row-wise?
    fn is_rowwise(&self) -> bool {
        self.kind == StageKind::Map && self.reads_input.last().copied().unwrap_or(true)
    }

    /// Does a query read `input`, itself or through others?
    fn reads(&self, query: &Query) -> bool {
        let found = visit_relations(query, |name| {
            let text = name.to_string();
            let text = text.trim_matches('"');
            if text == INPUT || self.over_input.contains(text) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found.is_break()
    }

    fn not_rowwise(&self, is_used: bool, clause: &str, keyword: Keyword) -> Verdict {
        if is_used && self.is_rowwise() {
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
                if self.reads(&table.query) {
                    self.over_input.insert(name.value.clone());
                }
                self.tables.insert(name.value.clone());
            }
        }
        // The whole must be row-wise even if it forgets to read anything.
        let reads = self.reads_input.is_empty() || self.reads(query);
        self.reads_input.push(reads);
        self.body(&query.body)?;
        self.not_rowwise(query.order_by.is_some(), "ORDER BY", Keyword::ORDER)?;
        self.not_rowwise(query.limit_clause.is_some(), "LIMIT", self.limit_keyword())?;
        self.not_rowwise(query.fetch.is_some(), "FETCH", Keyword::FETCH)?;
        if (query.limit_clause.is_some() || query.fetch.is_some()) && query.order_by.is_none() {
            let at = self.parsed.keyword(self.limit_keyword());
            return Err(refuse(UNSUPPORTED, at, "LIMIT needs an ORDER BY: without one, which rows stay would be a matter of chance"));
        }
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
            SetExpr::SetOperation { op, left, right, .. } => {
                let keyword = match op {
                    sqlparser::ast::SetOperator::Union => Keyword::UNION,
                    sqlparser::ast::SetOperator::Except => Keyword::EXCEPT,
                    sqlparser::ast::SetOperator::Intersect => Keyword::INTERSECT,
                    sqlparser::ast::SetOperator::Minus => Keyword::MINUS,
                };
                self.not_rowwise(true, &op.to_string(), keyword)?;
                // The visitor knows selects and queries, not what stands between them.
                self.body(left)?;
                self.body(right)
            }
            SetExpr::Values(_) => {
                self.not_rowwise(true, "VALUES", Keyword::VALUES)?;
                self.unsupported(true, "VALUES", Keyword::VALUES)
            }
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
        for (is_used, clause, keyword) in [
            (select.top.is_some(), "TOP", Keyword::TOP),
            (!select.connect_by.is_empty(), "CONNECT BY", Keyword::CONNECT),
            (!select.cluster_by.is_empty(), "CLUSTER BY", Keyword::CLUSTER),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY", Keyword::DISTRIBUTE),
            (!select.sort_by.is_empty(), "SORT BY", Keyword::SORT),
        ] {
            self.not_rowwise(is_used, clause, keyword)?;
            self.unsupported(is_used, clause, keyword)?;
        }
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

    /// In a map stage `input` comes once; everything that it is joined to stays the same for all records.
    fn from(&self, select: &Select) -> Verdict {
        if !self.is_rowwise() {
            return Ok(());
        }
        let tables: Vec<&TableFactor> = select
            .from
            .iter()
            .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)))
            .collect();
        if tables.is_empty() {
            return Err(refuse(NOT_ROWWISE, start(select.select_token.0.span), "a map stage reads input: the query needs FROM input"));
        }
        if !tables.iter().any(|table| self.table_reads(table)) {
            return Err(self.no_input(tables[0]));
        }
        match tables.iter().filter(|table| self.table_reads(table)).nth(1) {
            None => Ok(()),
            Some(TableFactor::Table { name, .. }) => {
                Err(refuse(NOT_ROWWISE, name_place(name), format!("input joined to itself is not row-wise: {WAY_OUT}")))
            }
            Some(_) => {
                let at = self.parsed.keyword(Keyword::JOIN);
                Err(refuse(NOT_ROWWISE, at, format!("input joined to itself is not row-wise: {WAY_OUT}")))
            }
        }
    }

    /// The query reads something, but not the stage's table.
    fn no_input(&self, table: &TableFactor) -> ProgramError {
        match table {
            TableFactor::Table { name, args: None, .. } if !self.tables.contains(&name.to_string()) => {
                let at = name_place(name).or_else(|| self.parsed.keyword(Keyword::FROM));
                let known = self.tables.iter().map(String::as_str).chain([INPUT]);
                let hint = suggestion(&name.to_string(), known);
                refuse(UNSUPPORTED, at, format!("there is no table {name}{hint} for the records; a map stage reads input"))
            }
            other => match self.table(other) {
                Err(error) => error,
                Ok(()) => refuse(NOT_ROWWISE, self.parsed.keyword(Keyword::FROM), "a map stage reads input: the query needs FROM input"),
            },
        }
    }

    fn table_reads(&self, table: &TableFactor) -> bool {
        let found = visit_relations(table, |name| {
            let text = name.to_string();
            let text = text.trim_matches('"');
            if text == INPUT || self.over_input.contains(text) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found.is_break()
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
                if name.0.len() != 1 {
                    return Err(refuse(UNSUPPORTED, at, format!("there is no table {name}: a stage reads its input and its lookups")));
                }
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
            TableFactor::NestedJoin { .. } => Ok(()),
            TableFactor::UNNEST { .. } => {
                Err(refuse(UNSUPPORTED, self.parsed.name("unnest"), "unnest stands in the select list, not in FROM"))
            }
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

    fn expr(&self, expr: &Expr) -> Verdict {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::Subquery(query) | Expr::Exists { subquery: query, .. } | Expr::InSubquery { subquery: query, .. } => self.subquery(query),
            Expr::InUnnest { .. } => {
                Err(refuse(UNSUPPORTED, self.parsed.name("unnest"), "IN UNNEST is not supported; use array_has(list, value)"))
            }
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                self.not_rowwise(true, "GROUP BY", Keyword::GROUP)?;
                let message = "GROUPING SETS, ROLLUP and CUBE are not supported; use UNION ALL of several GROUP BY";
                Err(refuse(UNSUPPORTED, self.parsed.keyword(Keyword::GROUP), message))
            }
            Expr::Dictionary(_) | Expr::Map(_) | Expr::Tuple(_) => Err(refuse(UNSUPPORTED, None, "maps and tuples are not supported")),
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
        if !self.is_rowwise() || !self.reads(query) {
            return Ok(());
        }
        let at = match query.body.as_ref() {
            SetExpr::Select(select) => start(select.select_token.0.span),
            _ => None,
        };
        Err(refuse(NOT_ROWWISE, at, format!("a subquery over input is not row-wise: {WAY_OUT}")))
    }

    fn function(&self, function: &Function) -> Verdict {
        let at = name_place(&function.name);
        let name = function.name.to_string().replace('"', "").to_lowercase();
        let listed = |list: &[&str]| list.contains(&name.as_str());
        let is_aggregate = aggregates::is_aggregate(&name);
        if function.over.is_some() || aggregates::is_window(&name) && !is_aggregate {
            if self.is_rowwise() {
                return Err(refuse(NOT_ROWWISE, at, format!("the window function {name} is not row-wise: {WAY_OUT}")));
            }
            return self.window(function, &name, at);
        }
        if is_aggregate || listed(aggregates::REFUSED) {
            if self.is_rowwise() {
                return Err(refuse(NOT_ROWWISE, at, format!("the aggregate {name} is not row-wise: {WAY_OUT}")));
            }
            if listed(aggregates::REFUSED) {
                let message =
                    format!("the aggregate {name} is not supported: its answer would depend on how rows are grouped into batches");
                return Err(refuse(UNSUPPORTED, at, message));
            }
            return self.aggregate(function, &name, at);
        }
        if listed(NONDETERMINISTIC_FUNCTIONS) {
            let instead = "job_time() is the instant the job was accepted, record_id() an identifier of the record";
            return Err(refuse(NONDETERMINISTIC, at, format!("{name} would give another answer at each try; {instead}")));
        }
        if listed(READERS) {
            return Err(refuse(UNSUPPORTED, at, format!("the function {name} reads files; a stage reads its input only")));
        }
        if name != "unnest" && functions::find(&name).is_none() {
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

    fn window(&self, function: &Function, name: &str, at: At) -> Verdict {
        if !aggregates::is_window(name) && !aggregates::is_aggregate(name) {
            let known = aggregates::names();
            return Err(refuse(UNSUPPORTED, at, format!("there is no window function {name}{}", suggestion(name, known.into_iter()))));
        }
        if function.over.is_none() {
            return Err(refuse(UNSUPPORTED, at, format!("the window function {name} needs OVER (…)")));
        }
        let is_plain = function.within_group.is_empty() && matches!(function.parameters, FunctionArguments::None);
        if is_plain { Ok(()) } else { Err(refuse(UNSUPPORTED, at, format!("{name} takes plain arguments and OVER only"))) }
    }

    fn aggregate(&self, function: &Function, name: &str, at: At) -> Verdict {
        let is_plain = function.within_group.is_empty()
            && matches!(function.parameters, FunctionArguments::None)
            && match &function.args {
                FunctionArguments::List(list) => list
                    .clauses
                    .iter()
                    .all(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_) | FunctionArgumentClause::IgnoreOrRespectNulls(_))),
                FunctionArguments::None => true,
                FunctionArguments::Subquery(_) => false,
            };
        if is_plain { Ok(()) } else { Err(refuse(UNSUPPORTED, at, format!("{name} takes arguments, DISTINCT, ORDER BY and FILTER only"))) }
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
