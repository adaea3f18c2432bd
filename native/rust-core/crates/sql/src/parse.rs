//! Text to syntax tree, with limits on size and nesting, and places for everything that is refused later.

use millrace_engine::program::ProgramError;
use sqlparser::ast::{Query, Statement};
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::{SYNTAX, UNSUPPORTED, refuse};

/// Longest query, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Deepest nesting of parentheses and the like that the parser follows.
pub const MAX_NESTING: usize = 50;

/// One query and the tokens it was read from.
pub struct Parsed {
    pub query: Query,
    tokens: Vec<TokenWithSpan>,
}

impl Parsed {
    /// Where a keyword first stands.
    pub fn keyword(&self, keyword: Keyword) -> Option<(u64, u64)> {
        self.first(|token| matches!(token, Token::Word(word) if word.quote_style.is_none() && word.keyword == keyword))
    }

    /// Where a name first stands, exactly as written.
    pub fn name(&self, name: &str) -> Option<(u64, u64)> {
        self.first(|token| matches!(token, Token::Word(word) if word.value == name))
    }

    fn first(&self, is_wanted: impl Fn(&Token) -> bool) -> Option<(u64, u64)> {
        self.tokens.iter().find(|token| is_wanted(&token.token)).and_then(|token| place(token.span.start))
    }
}

/// Line and column from 1; None for a location that the parser does not know.
pub fn place(location: Location) -> Option<(u64, u64)> {
    (location.line > 0).then_some((location.line, location.column))
}

/// Reads exactly one query.
pub fn parse(sql: &str) -> Result<Parsed, ProgramError> {
    if sql.len() > MAX_TEXT_BYTES {
        return Err(refuse(UNSUPPORTED, None, format!("the query has {} bytes, at most {MAX_TEXT_BYTES} are allowed", sql.len())));
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| refuse(SYNTAX, place(error.location), format!("cannot read the query: {}", error.message)))?;
    let mut parser = Parser::new(&dialect).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens.clone());
    let statements = parser.parse_statements().map_err(|error| syntax_error(error, &parser))?;
    let first = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_)));
    let start = first.and_then(|token| place(token.span.start));
    match <[Statement; 1]>::try_from(statements) {
        Ok([Statement::Query(query)]) => Ok(Parsed { query: *query, tokens }),
        Ok(_) => Err(refuse(UNSUPPORTED, start, "a stage is one SELECT; other statements are not allowed")),
        Err(statements) if statements.is_empty() => Err(refuse(SYNTAX, None, "the query is empty")),
        Err(_) => Err(refuse(UNSUPPORTED, start, "a stage is one SELECT; several statements are not allowed")),
    }
}

pub fn syntax_error(error: ParserError, parser: &Parser<'_>) -> ProgramError {
    match error {
        ParserError::RecursionLimitExceeded => {
            refuse(UNSUPPORTED, place(parser.peek_token_ref().span.start), format!("the query is nested deeper than {MAX_NESTING}"))
        }
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
            // The parser knows the place only as part of its text.
            let (message, at) = match text.rsplit_once(" at Line: ") {
                Some((message, rest)) => (message.to_string(), read_place(rest)),
                None => (text, None),
            };
            refuse(SYNTAX, at.or_else(|| place(parser.peek_token_ref().span.start)), format!("cannot read the query: {message}"))
        }
    }
}

fn read_place(text: &str) -> Option<(u64, u64)> {
    let (line, column) = text.split_once(", Column: ")?;
    Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
}
