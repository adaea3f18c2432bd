//! The canonical division of CSV into extents. Everything else that divides CSV must agree with `next_extent`, byte for byte.
//!
//! An extent is what is cut off next: a record, a damaged range, a blank line or a comment line. Where it ends depends only on the
//! bytes from its start on, on whether the stream ends, and on the rules: never on what came before (invariant C1).

use crate::dialect::{Rules, Terminator};
use crate::fields::FieldSpan;
use crate::lines::count_line_ends;

/// Why a range could not be read as records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DamageCode {
    UnclosedQuote,
    StrayQuote,
    RecordTooLarge,
    /// From NDJSON lines and elements of a JSON array.
    JsonRecordTooLarge,
    /// From plain lines, single or grouped.
    LinesRecordTooLarge,
}

impl DamageCode {
    /// The code of the closed list.
    pub fn code(self) -> &'static str {
        match self {
            DamageCode::UnclosedQuote => "CSV_UNCLOSED_QUOTE",
            DamageCode::StrayQuote => "CSV_STRAY_QUOTE",
            DamageCode::RecordTooLarge => "CSV_RECORD_TOO_LARGE",
            DamageCode::JsonRecordTooLarge => "JSON_RECORD_TOO_LARGE",
            DamageCode::LinesRecordTooLarge => "LINES_RECORD_TOO_LARGE",
        }
    }
}

/// An error inside a record whose end is nevertheless known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A quote in an unquoted field.
    StrayQuote,
    /// An escape before something that needs none, or before the end of the stream.
    BadEscape,
}

impl ErrorKind {
    /// The code of the closed list.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::StrayQuote => "CSV_STRAY_QUOTE",
            ErrorKind::BadEscape => "CSV_BAD_ESCAPE",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordError {
    pub kind: ErrorKind,
    /// Stream offset of the quote or the escape.
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtentKind {
    Record,
    /// Counts as one record. `error_offset` is a stream offset.
    Damage {
        code: DamageCode,
        error_offset: u64,
    },
    Blank,
    Comment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    pub kind: ExtentKind,
    /// Bytes, with the terminator; at least 1.
    pub length: u64,
    /// Physical line ends (LF, CR LF, lone CR) inside, whatever the dialect's own terminator is.
    pub lines: u64,
    /// Number of fields of a record; 0 for the other kinds.
    pub fields: u32,
    /// First error of a record of one line. All of them: `fields_of`.
    pub first_error: Option<RecordError>,
    /// A record over several lines in which an inner line end would fit as a record start.
    pub suspect: bool,
    /// A quote was read as data under `strayQuotes: literal`: one repair.
    pub literal: bool,
}

impl Extent {
    fn plain(kind: ExtentKind, length: usize, lines: u64) -> Extent {
        Extent { kind, length: length as u64, lines, fields: 0, first_error: None, suspect: false, literal: false }
    }

    /// Whether it counts as a record: records and damages do.
    pub fn counts_as_record(&self) -> bool {
        matches!(self.kind, ExtentKind::Record | ExtentKind::Damage { .. })
    }
}

/// What `next_extent` found at the start of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Extent(Extent),
    /// The extent (a damage or a comment) ends at the first line end that starts at or after its `length`. Its length and lines
    /// are those of the bytes settled so far, which need not be held: `skip_line` yields the rest.
    LongLine(Extent),
    /// The window is too short to decide, and the stream goes on. A window of 4 L + 16 bytes never is.
    NeedMore,
}

/// One step of reading a long line on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The line ends after `length` more bytes.
    End { length: u64, lines: u64 },
    /// `length` more bytes belong to the line and may be dropped; ask again with what follows. 0 only if the window is shorter
    /// than a terminator and its look-ahead.
    More { length: u64, lines: u64 },
}

/// Finds the extent that starts at the first byte of `window`, which stands at `stream_offset`. `at_end`: no byte follows the
/// window. An empty window at the end of the stream has no extent: asking is an error of the caller and answers `NeedMore`.
pub fn next_extent(window: &[u8], at_end: bool, stream_offset: u64, rules: &Rules) -> Step {
    View::new(window, at_end, stream_offset, rules).next_extent().unwrap_or(Step::NeedMore)
}

/// `next_extent` that also says how many bytes were looked at, trials included: the measure of the cost bound.
pub fn next_extent_counted(window: &[u8], at_end: bool, stream_offset: u64, rules: &Rules) -> (Step, u64) {
    let mut view = View::new(window, at_end, stream_offset, rules);
    let step = view.next_extent().unwrap_or(Step::NeedMore);
    (step, view.examined)
}

/// Reads a long line on: see `Step::LongLine`. `window` begins where the settled bytes end.
pub fn skip_line(window: &[u8], at_end: bool, rules: &Rules) -> Skip {
    let view = View::new(window, at_end, 0, rules);
    match view.line_end(0) {
        LineEnd::At(end) => match view.physical_lines(end) {
            Ok(lines) => Skip::End { length: end as u64, lines },
            Err(NeedMore) => Skip::More { length: 0, lines: 0 },
        },
        LineEnd::Unknown(from) => {
            let (length, lines) = view.settled(from);
            Skip::More { length: length as u64, lines }
        }
    }
}

/// Whether a record can start at the first byte of `window`: it and the one behind it have the right number of fields and whole quotes. None: the window
/// is too short to say; one of 4 L + 16 bytes never is.
pub fn fits_record(window: &[u8], at_end: bool, stream_offset: u64, rules: &Rules) -> Option<bool> {
    View::new(window, at_end, stream_offset, rules).fits(0).ok()
}

/// Whether a line end strictly inside the record `[start, end)` of the window fits as a record start. None: the window is too
/// short to say.
pub(crate) fn has_fitting_inner_line(
    window: &[u8],
    at_end: bool,
    stream_offset: u64,
    rules: &Rules,
    start: usize,
    end: usize,
) -> Option<bool> {
    let mut view = View::new(&window[start..], at_end, stream_offset + start as u64, rules);
    view.first_fitting_inner_line(end - start).ok().map(|found| found.is_some())
}

#[derive(Clone, Copy)]
pub(crate) struct NeedMore;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Delimiter(usize),
    Terminator(usize),
    Quote,
    Escape,
    Other,
    EndOfStream,
    /// Not to be told without the bytes behind the window.
    Unknown,
}

enum LineEnd {
    /// Offset after the terminator; the end of the stream counts as one.
    At(usize),
    /// None in the window; the next terminator starts at or after this offset.
    Unknown(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    EndOfStream,
    Text,
    Limit,
    Swallowed,
}

/// How the strict machine left a record.
pub(crate) enum Walk {
    End(Ended),
    Broken(Broken),
    /// The watcher said no.
    Refused,
}

pub(crate) struct Ended {
    pub(crate) end: usize,
    lines: u64,
    fields: usize,
    first_error: Option<(ErrorKind, usize)>,
    literal: bool,
    /// Start of the first field that crosses a line end.
    crossing: Option<usize>,
}

pub(crate) struct Broken {
    why: Why,
    at: usize,
    in_quotes: bool,
    /// Where the quote that was never closed most likely stands.
    blamed_field: usize,
}

/// What a walk of the strict machine reports while it goes. `false` stops it.
pub(crate) trait Watch {
    /// Whether quotes that neither double nor end a field are data.
    fn literal(&self, rules: &Rules) -> bool {
        rules.dialect.stray_literal
    }
    fn may_stop_early(&self) -> bool {
        true
    }
    fn field(&mut self, _field: FieldSpan, _is_last: bool) -> bool {
        true
    }
    fn error(&mut self, _kind: ErrorKind, _at: usize) -> bool {
        true
    }
    /// An escaped terminator outside quotes.
    fn escaped_line_end(&mut self) -> bool {
        true
    }
}

struct Silent;

impl Watch for Silent {}

/// The trial of `fits`: any error ends it, and every typed field must be of its type.
struct Trial<'a> {
    window: &'a [u8],
    rules: &'a Rules,
    done: usize,
}

impl Watch for Trial<'_> {
    fn literal(&self, _rules: &Rules) -> bool {
        false
    }

    fn field(&mut self, field: FieldSpan, is_last: bool) -> bool {
        let column = self.done;
        self.done += 1;
        let is_count_right = if is_last { self.done == self.rules.columns } else { self.done < self.rules.columns };
        is_count_right && (!self.rules.typed[column] || self.rules.check.fits(column, field.raw(self.window)))
    }

    fn error(&mut self, _kind: ErrorKind, _at: usize) -> bool {
        false
    }

    /// Ends the trial too: where every line end is escaped, each trial would otherwise read up to L bytes, and there is one for
    /// each line.
    fn escaped_line_end(&mut self) -> bool {
        false
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    /// A quote was seen inside quotes.
    Closing,
}

enum LineKind {
    Blank(usize),
    Comment,
    Content,
}

/// The window, seen from the extent start at its first byte.
pub(crate) struct View<'a> {
    window: &'a [u8],
    at_end: bool,
    offset: u64,
    rules: &'a Rules,
    examined: u64,
}

impl<'a> View<'a> {
    pub(crate) fn new(window: &'a [u8], at_end: bool, offset: u64, rules: &'a Rules) -> View<'a> {
        View { window, at_end, offset, rules, examined: 0 }
    }

    fn limit(&self) -> usize {
        usize::try_from(self.rules.limits.max_record_bytes).unwrap_or(usize::MAX)
    }

    fn next_extent(&mut self) -> Result<Step, NeedMore> {
        if self.window.is_empty() {
            return Err(NeedMore);
        }
        match self.line_kind(0)? {
            LineKind::Blank(length) => Ok(Step::Extent(Extent::plain(ExtentKind::Blank, length, self.physical_lines(length)?))),
            LineKind::Comment => self.comment(),
            LineKind::Content => match self.walk(0, &mut Silent)? {
                Walk::End(ended) => self.ended(ended),
                Walk::Broken(broken) => self.damage(broken),
                Walk::Refused => unreachable!("a silent watcher refuses nothing"),
            },
        }
    }

    fn comment(&self) -> Result<Step, NeedMore> {
        match self.unheld(self.line_end(0)) {
            LineEnd::At(end) => Ok(Step::Extent(Extent::plain(ExtentKind::Comment, end, self.physical_lines(end)?))),
            LineEnd::Unknown(from) => self.long_line(ExtentKind::Comment, from),
        }
    }

    /// The end of a line that need not be held: not yet known where its physical line ends are not, before a CR at the window's end.
    fn unheld(&self, end: LineEnd) -> LineEnd {
        match (end, &self.rules.dialect.terminator) {
            (LineEnd::At(end), Terminator::Bytes(bytes)) if self.physical_lines(end).is_err() => LineEnd::Unknown(end - bytes.len()),
            (end, _) => end,
        }
    }

    fn long_line(&self, kind: ExtentKind, from: usize) -> Result<Step, NeedMore> {
        let (length, lines) = self.settled(from);
        if length == 0 {
            return Err(NeedMore);
        }
        Ok(Step::LongLine(Extent::plain(kind, length, lines)))
    }

    fn ended(&mut self, ended: Ended) -> Result<Step, NeedMore> {
        let is_several = ended.lines > 1;
        let is_short = ended.fields < self.rules.columns;
        let mut suspect = false;
        if is_several && (is_short || self.rules.mark_suspects) {
            match self.first_fitting_inner_line(ended.end)? {
                Some(cut) if is_short => {
                    let error_offset = self.offset + ended.crossing.unwrap_or(0) as u64;
                    return self.damage_to(cut, DamageCode::UnclosedQuote, error_offset);
                }
                found => suspect = found.is_some(),
            }
        }
        Ok(Step::Extent(Extent {
            kind: ExtentKind::Record,
            length: ended.end as u64,
            lines: self.physical_lines(ended.end)?,
            fields: u32::try_from(ended.fields).unwrap_or(u32::MAX),
            first_error: ended.first_error.map(|(kind, at)| RecordError { kind, offset: self.offset + at as u64 }),
            suspect,
            literal: ended.literal,
        }))
    }

    fn damage(&mut self, broken: Broken) -> Result<Step, NeedMore> {
        let (code, at) = match broken.why {
            Why::Text => (DamageCode::StrayQuote, broken.at),
            Why::Limit if !broken.in_quotes => (DamageCode::RecordTooLarge, broken.at),
            Why::EndOfStream | Why::Swallowed | Why::Limit => (DamageCode::UnclosedQuote, broken.blamed_field),
        };
        let error_offset = self.offset + at as u64;
        match self.resync(broken.why, broken.at)? {
            LineEnd::At(cut) => self.damage_to(cut, code, error_offset),
            LineEnd::Unknown(from) => self.long_line(ExtentKind::Damage { code, error_offset }, from),
        }
    }

    fn damage_to(&self, cut: usize, code: DamageCode, error_offset: u64) -> Result<Step, NeedMore> {
        let kind = ExtentKind::Damage { code, error_offset };
        Ok(Step::Extent(Extent::plain(kind, cut, self.physical_lines(cut)?)))
    }

    /// Where the damage that begins at the window's start ends. `Unknown`: at the first line end from there on, however far.
    fn resync(&mut self, why: Why, at: usize) -> Result<LineEnd, NeedMore> {
        let limit = self.limit();
        let follows_line = matches!(why, Why::Text | Why::Swallowed);
        let mut fallback = None;
        let mut tried_behind = 0;
        let mut from = 0;
        loop {
            let end = match self.line_end(from) {
                LineEnd::At(end) if end <= limit => end,
                LineEnd::At(end) => return Ok(fallback.map_or(self.unheld(LineEnd::At(end)), LineEnd::At)),
                // Any terminator from here on ends behind the limit, and so does the stream.
                LineEnd::Unknown(scanned) if scanned >= limit && self.window.len() > limit => {
                    return Ok(fallback.map_or(LineEnd::Unknown(scanned), LineEnd::At));
                }
                LineEnd::Unknown(_) => return Err(NeedMore),
            };
            self.examined += (end - from) as u64;
            if self.fits(end)? {
                return Ok(LineEnd::At(end));
            }
            from = end;
            if !follows_line {
                fallback = Some(end);
                continue;
            }
            match fallback {
                None if end > at => fallback = Some(end),
                None => continue,
                Some(_) => tried_behind += 1,
            }
            if tried_behind == self.rules.limits.resync_lines {
                return Ok(LineEnd::At(fallback.unwrap_or(end)));
            }
        }
    }

    fn first_fitting_inner_line(&mut self, record_end: usize) -> Result<Option<usize>, NeedMore> {
        let mut from = 0;
        while let LineEnd::At(end) = self.line_end(from) {
            if end >= record_end {
                break;
            }
            self.examined += (end - from) as u64;
            if self.fits(end)? {
                return Ok(Some(end));
            }
            from = end;
        }
        Ok(None)
    }

    /// Whether a record can start at `cut`: the next one (or two, where one says too little) is without any fault.
    fn fits(&mut self, cut: usize) -> Result<bool, NeedMore> {
        if self.is_stream_end(cut)? {
            return Ok(true);
        }
        if !matches!(self.line_kind(cut)?, LineKind::Content) {
            return Ok(false);
        }
        let Some(end) = self.try_record(cut)? else { return Ok(false) };
        if self.rules.columns > 1 && self.rules.has_typed {
            return Ok(true);
        }
        self.next_record_fits(end)
    }

    /// The second record of a trial; it ends within L of `first_end`, blank and comment lines before it included.
    fn next_record_fits(&mut self, first_end: usize) -> Result<bool, NeedMore> {
        let limit = first_end.saturating_add(self.limit());
        let mut at = first_end;
        loop {
            if self.is_stream_end(at)? {
                return Ok(true);
            }
            let end = match self.line_kind(at)? {
                LineKind::Blank(length) => at + length,
                LineKind::Comment => match self.line_end(at) {
                    LineEnd::At(end) => end,
                    LineEnd::Unknown(scanned) if scanned >= limit && self.window.len() > limit => return Ok(false),
                    LineEnd::Unknown(_) => return Err(NeedMore),
                },
                LineKind::Content => return Ok(self.try_record(at)?.is_some_and(|end| end <= limit)),
            };
            self.examined += (end - at) as u64;
            if end > limit {
                return Ok(false);
            }
            at = end;
        }
    }

    fn try_record(&mut self, start: usize) -> Result<Option<usize>, NeedMore> {
        let mut trial = Trial { window: self.window, rules: self.rules, done: 0 };
        match self.walk(start, &mut trial)? {
            Walk::End(ended) => Ok(Some(ended.end)),
            Walk::Broken(_) | Walk::Refused => Ok(None),
        }
    }

    fn is_stream_end(&self, at: usize) -> Result<bool, NeedMore> {
        match at < self.window.len() {
            true => Ok(false),
            false if self.at_end => Ok(true),
            false => Err(NeedMore),
        }
    }

    fn line_kind(&self, at: usize) -> Result<LineKind, NeedMore> {
        match self.token(at) {
            Token::Terminator(length) => return Ok(LineKind::Blank(length)),
            Token::Unknown => return Err(NeedMore),
            _ => {}
        }
        if self.rules.is_pinned_comment(self.offset + at as u64) {
            return Ok(LineKind::Comment);
        }
        let Some(prefix) = &self.rules.dialect.comment else {
            return Ok(LineKind::Content);
        };
        match self.matches(at, prefix) {
            Some(true) => Ok(LineKind::Comment),
            Some(false) => Ok(LineKind::Content),
            None => Err(NeedMore),
        }
    }

    /// Whether `text` stands at `at`; None if the window ends before that is known.
    fn matches(&self, at: usize, text: &[u8]) -> Option<bool> {
        let rest = &self.window[at..];
        if rest.len() >= text.len() {
            return Some(rest.starts_with(text));
        }
        match !self.at_end && text.starts_with(rest) {
            true => None,
            false => Some(false),
        }
    }

    #[inline]
    fn token(&self, at: usize) -> Token {
        let Some(&byte) = self.window.get(at) else {
            return if self.at_end { Token::EndOfStream } else { Token::Unknown };
        };
        if self.rules.special[byte as usize] { self.special_token(at, byte) } else { Token::Other }
    }

    fn special_token(&self, at: usize, byte: u8) -> Token {
        match self.terminator(at, byte) {
            Token::Other => {}
            found => return found,
        }
        let dialect = &self.rules.dialect;
        if byte == dialect.delimiter[0] {
            match self.matches(at, &dialect.delimiter) {
                Some(true) => return Token::Delimiter(dialect.delimiter.len()),
                Some(false) => {}
                None => return Token::Unknown,
            }
        }
        if Some(byte) == dialect.quote {
            return Token::Quote;
        }
        if Some(byte) == dialect.escape {
            return Token::Escape;
        }
        Token::Other
    }

    fn terminator(&self, at: usize, byte: u8) -> Token {
        match &self.rules.dialect.terminator {
            Terminator::Any => match (byte, self.window.get(at + 1)) {
                (b'\n', _) => Token::Terminator(1),
                (b'\r', Some(b'\n')) => Token::Terminator(2),
                (b'\r', None) if !self.at_end => Token::Unknown,
                (b'\r', _) => Token::Terminator(1),
                _ => Token::Other,
            },
            Terminator::Bytes(bytes) if byte == bytes[0] => match self.matches(at, bytes) {
                Some(true) => Token::Terminator(bytes.len()),
                Some(false) => Token::Other,
                None => Token::Unknown,
            },
            Terminator::Bytes(_) => Token::Other,
        }
    }

    /// The first line end behind `from`, whatever quotes and escapes say.
    fn line_end(&self, from: usize) -> LineEnd {
        let firsts = match &self.rules.dialect.terminator {
            Terminator::Any => [b'\n', b'\r'],
            Terminator::Bytes(bytes) => [bytes[0]; 2],
        };
        let mut at = from;
        while let Some(skipped) = position_of(&self.window[at..], firsts) {
            at += skipped;
            match self.terminator(at, self.window[at]) {
                Token::Terminator(length) => return LineEnd::At(at + length),
                Token::Unknown => return LineEnd::Unknown(at),
                _ => at += 1,
            }
        }
        match self.at_end {
            true => LineEnd::At(self.window.len()),
            false => LineEnd::Unknown(self.window.len()),
        }
    }

    /// Physical line ends before `end`. A CR right before `end` is one unless an LF follows.
    fn physical_lines(&self, end: usize) -> Result<u64, NeedMore> {
        let ends_in_cr = end > 0 && self.window[end - 1] == b'\r';
        if ends_in_cr && end == self.window.len() && !self.at_end {
            return Err(NeedMore);
        }
        Ok(count_line_ends(&self.window[..end], self.window.get(end).copied()))
    }

    /// How many of the bytes before `from` can be given up, with the physical line ends among them.
    fn settled(&self, from: usize) -> (usize, u64) {
        let is_undecided = from > 0 && self.window[from - 1] == b'\r' && from == self.window.len();
        let length = from - usize::from(is_undecided);
        (length, count_line_ends(&self.window[..length], self.window.get(length).copied()))
    }

    /// The strict machine from `start` to the end of the record, the first proof that there is none, or the watcher's no.
    pub(crate) fn walk<W: Watch>(&mut self, start: usize, watch: &mut W) -> Result<Walk, NeedMore> {
        let mut machine = Machine::new(start, self, watch);
        let result = machine.run();
        let examined = (machine.at - start) as u64 + 1;
        self.examined += examined;
        result
    }
}

/// The first place of either byte. Blocks without one are passed in a form that the compiler turns into vector instructions.
fn position_of(bytes: &[u8], wanted: [u8; 2]) -> Option<usize> {
    const STEP: usize = 64;
    let is_wanted = |byte: u8| byte == wanted[0] || byte == wanted[1];
    let holds_one = |block: &&[u8]| block.iter().fold(false, |found, &byte| found | is_wanted(byte));
    let passed = bytes.chunks(STEP).take_while(|block| !holds_one(block)).count() * STEP;
    let rest = bytes.get(passed..)?;
    rest.iter().position(|&byte| is_wanted(byte)).map(|at| passed + at)
}

struct Machine<'v, 'a, W: Watch> {
    view: &'v View<'a>,
    watch: &'v mut W,
    is_literal: bool,
    limit: usize,
    at: usize,
    state: State,
    after_delimiter: bool,
    field_start: usize,
    is_quoted: bool,
    is_escaped: bool,
    fields: usize,
    lines: u64,
    first_error: Option<(ErrorKind, usize)>,
    literal: bool,
    crossing: Option<usize>,
}

/// None: go on.
type Stop = Option<Walk>;

impl<'v, 'a, W: Watch> Machine<'v, 'a, W> {
    fn new(start: usize, view: &'v View<'a>, watch: &'v mut W) -> Self {
        Machine {
            is_literal: watch.literal(view.rules),
            limit: start.saturating_add(view.limit()),
            view,
            watch,
            at: start,
            state: State::FieldStart,
            after_delimiter: false,
            field_start: start,
            is_quoted: false,
            is_escaped: false,
            fields: 1,
            lines: 1,
            first_error: None,
            literal: false,
            crossing: None,
        }
    }

    fn run(&mut self) -> Result<Walk, NeedMore> {
        loop {
            if matches!(self.state, State::Unquoted | State::Quoted) {
                self.pass_data();
            }
            if self.at >= self.limit && self.at < self.view.window.len() {
                return Ok(self.over_limit());
            }
            let token = self.view.token(self.at);
            let stop = match token {
                Token::Unknown => return Err(NeedMore),
                Token::EndOfStream => Some(self.end_of_stream()),
                Token::Delimiter(length) if self.is_over(length) => Some(self.over_limit()),
                Token::Terminator(length) if self.is_over(length) => Some(self.over_limit()),
                Token::Delimiter(length) => self.delimiter(length),
                Token::Terminator(length) => self.terminator(length),
                Token::Quote => self.quote(),
                Token::Escape if self.state != State::Closing => self.escape()?,
                Token::Escape | Token::Other => self.other(),
            };
            if let Some(walk) = stop {
                return Ok(walk);
            }
        }
    }

    /// Skips plain data: bytes that begin no token.
    fn pass_data(&mut self) {
        let end = self.limit.min(self.view.window.len());
        if self.at < end {
            let special = &self.view.rules.special;
            let rest = &self.view.window[self.at..end];
            self.at += rest.iter().position(|&byte| special[byte as usize]).unwrap_or(rest.len());
        }
    }

    fn is_over(&self, length: usize) -> bool {
        self.at + length > self.limit
    }

    fn over_limit(&self) -> Walk {
        self.broken(Why::Limit, self.limit)
    }

    fn broken(&self, why: Why, at: usize) -> Walk {
        let blamed_field = self.crossing.unwrap_or(self.field_start);
        Walk::Broken(Broken { why, at, in_quotes: self.state == State::Quoted, blamed_field })
    }

    fn end_of_stream(&mut self) -> Walk {
        match self.state {
            State::Quoted => self.broken(Why::EndOfStream, self.at),
            _ => self.end(0),
        }
    }

    fn end(&mut self, terminator: usize) -> Walk {
        if !self.complete_field(true) {
            return Walk::Refused;
        }
        self.at += terminator;
        Walk::End(Ended {
            end: self.at,
            lines: self.lines,
            fields: self.fields,
            first_error: self.first_error,
            literal: self.literal,
            crossing: self.crossing,
        })
    }

    /// Reports the field that ends at the current byte.
    fn complete_field(&mut self, is_last: bool) -> bool {
        let quotes = usize::from(self.is_quoted);
        let span = FieldSpan {
            start: self.field_start + quotes,
            end: self.at - quotes,
            raw_start: self.field_start,
            raw_end: self.at,
            quoted: self.is_quoted,
            escaped: self.is_escaped,
        };
        self.watch.field(span, is_last)
    }

    fn delimiter(&mut self, length: usize) -> Stop {
        if self.state == State::Quoted {
            self.at += length;
            return None;
        }
        if !self.complete_field(false) {
            return Some(Walk::Refused);
        }
        self.fields += 1;
        if let Some(walk) = self.stop_early(self.at) {
            return Some(walk);
        }
        self.at += length;
        self.state = State::FieldStart;
        self.after_delimiter = true;
        self.field_start = self.at;
        self.is_quoted = false;
        self.is_escaped = false;
        None
    }

    fn terminator(&mut self, length: usize) -> Stop {
        if self.state == State::Quoted {
            return self.cross_line(length);
        }
        Some(self.end(length))
    }

    /// A line end inside the record, `length` bytes from the current one on.
    fn cross_line(&mut self, length: usize) -> Stop {
        self.lines += 1;
        self.crossing.get_or_insert(self.field_start);
        if self.lines > self.view.rules.limits.max_record_lines && self.watch.may_stop_early() {
            return Some(self.broken(Why::Limit, self.at));
        }
        let stop = self.stop_early(self.at);
        self.at += length;
        stop
    }

    fn stop_early(&self, at: usize) -> Stop {
        let is_wrong = self.fields > self.view.rules.columns || self.first_error.is_some();
        (self.lines > 1 && is_wrong && self.watch.may_stop_early()).then(|| self.broken(Why::Swallowed, at))
    }

    fn error(&mut self, kind: ErrorKind) -> Stop {
        self.first_error.get_or_insert((kind, self.at));
        if !self.watch.error(kind, self.at) {
            return Some(Walk::Refused);
        }
        self.stop_early(self.at)
    }

    fn quote(&mut self) -> Stop {
        match self.state {
            State::FieldStart => {
                self.state = State::Quoted;
                self.is_quoted = true;
                self.at += 1;
            }
            State::Unquoted => {
                let stop = match self.is_literal {
                    true => None,
                    false => self.error(ErrorKind::StrayQuote),
                };
                self.literal |= self.is_literal;
                self.at += 1;
                return stop;
            }
            State::Quoted => {
                self.state = State::Closing;
                self.at += 1;
            }
            State::Closing if self.view.rules.dialect.double_quote => {
                self.state = State::Quoted;
                self.is_escaped = true;
                self.at += 1;
            }
            State::Closing => return self.other(),
        }
        None
    }

    fn other(&mut self) -> Stop {
        match self.state {
            State::FieldStart if self.is_initial_space() => {
                self.at += 1;
                self.field_start = self.at;
            }
            State::FieldStart => {
                self.state = State::Unquoted;
                self.at += 1;
            }
            State::Unquoted | State::Quoted => self.at += 1,
            State::Closing if self.is_literal => {
                // The quote was data; the same byte is looked at again inside quotes.
                self.literal = true;
                self.state = State::Quoted;
            }
            State::Closing => return Some(self.broken(Why::Text, self.at)),
        }
        None
    }

    fn is_initial_space(&self) -> bool {
        self.after_delimiter && self.view.rules.dialect.skip_initial_space && self.view.window[self.at] == b' '
    }

    fn escape(&mut self) -> Result<Stop, NeedMore> {
        let escaped = self.view.token(self.at + 1);
        let length = match escaped {
            Token::Unknown => return Err(NeedMore),
            Token::Delimiter(length) | Token::Terminator(length) => 1 + length,
            Token::Quote | Token::Escape => 2,
            Token::Other | Token::EndOfStream => 1,
        };
        if self.is_over(length) {
            return Ok(Some(self.over_limit()));
        }
        if self.state == State::FieldStart {
            self.state = State::Unquoted;
        }
        self.is_escaped = true;
        Ok(match escaped {
            Token::Terminator(_) if self.state != State::Quoted && !self.watch.escaped_line_end() => Some(Walk::Refused),
            Token::Terminator(_) => self.cross_line(length),
            Token::Other | Token::EndOfStream => {
                let stop = self.error(ErrorKind::BadEscape);
                self.at += 1;
                stop
            }
            _ => {
                self.at += length;
                None
            }
        })
    }
}
