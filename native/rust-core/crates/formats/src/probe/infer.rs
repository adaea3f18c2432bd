//! The type of a column: the first of boolean, integer, number, date, datetime that every sampled value fits, else text, with a note of what
//! it nearly was. Values are tried with the parsers that will read them.

use std::sync::{Arc, LazyLock};

use crate::schema::{Field, FieldType};
use crate::values::boolean::{self, BooleanFormat};
use crate::values::date::{self, DateFormat};
use crate::values::datetime::{self, DatetimeForm, DatetimeFormat};
use crate::values::integer;
use crate::values::number::{self, NumberFormat};
use crate::values::pattern::Pattern;

/// More digits than this may be a code rather than a quantity, and do not fit a float exactly.
const MAX_DIGITS: usize = 18;
/// A type is given up when this many values and every 20th did not fit.
const GIVE_UP: u64 = 50;
/// A form of dates, or of numbers in another notation, is given up sooner when not one of the first values fitted it: each of many columns would
/// try them all on every value.
const FIRST_VALUES: u64 = 20;
/// A date has at least a year of four digits and a day.
const MIN_DATE_DIGITS: usize = 5;
/// Of a text shown in a note.
const SHOWN_CHARACTERS: usize = 40;

/// Patterns of dates; those of one group differ only in an order that the sample has to prove.
const DATE_GROUPS: [&[&str]; 6] =
    [&["%d.%m.%Y"], &["%Y/%m/%d"], &["%d/%m/%Y", "%m/%d/%Y"], &["%d-%m-%Y", "%m-%d-%Y"], &["%d %b %Y"], &["%b %d, %Y"]];
/// What may follow a date.
const CLOCKS: [&str; 2] = [" %H:%M:%S", " %H:%M"];

/// A column as its samples have it.
pub(super) struct Inferred {
    pub field: Field,
    pub note: Option<String>,
}

/// A type that the column may have.
struct Test {
    kind: &'static Kind,
    misfits: u64,
    first_misfit: Option<Arc<str>>,
}

enum Kind {
    Boolean(BooleanFormat),
    Integer,
    Number,
    /// Never chosen, only named: whether a comma divides or groups cannot be seen.
    NumberWith(NumberFormat),
    /// Format text (`default` or a pattern), the pattern's group.
    Date(&'static str, DateFormat, usize),
    Datetime(String, DatetimeFormat, usize),
}

/// What is asked of a value once for all types.
#[derive(Clone, Copy)]
struct Look {
    /// See `is_code`.
    is_code: bool,
    has_digit: bool,
    /// A text without it is none in any form; see `MIN_DATE_DIGITS`.
    may_be_date: bool,
}

impl Look {
    fn at(text: &[u8]) -> Look {
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
        Look { is_code: is_code(text), has_digit: digits > 0, may_be_date: digits >= MIN_DATE_DIGITS && digits < text.len() }
    }
}

impl Kind {
    fn fits(&self, text: &str, look: Look) -> bool {
        let bytes = text.as_bytes();
        match self {
            Kind::Boolean(format) => boolean::parse(bytes, format).is_ok(),
            Kind::Integer => !look.is_code && integer::parse_plain(bytes).is_ok(),
            Kind::Number => !look.is_code && number::parse_float(bytes, &NumberFormat::PLAIN).is_ok(),
            // Whole numbers are the same in every format, and cheaper to try.
            Kind::NumberWith(format) => {
                !look.is_code && (integer::parse_plain(bytes).is_ok() || number::parse_float(bytes, format).is_ok())
            }
            Kind::Date(_, format, _) => look.may_be_date && date::parse(bytes, format).is_ok(),
            Kind::Datetime(_, format, _) => look.may_be_date && datetime::parse(bytes, format).is_ok(),
        }
    }

    /// Given up when no value fits it at first.
    fn is_special(&self) -> bool {
        matches!(self, Kind::NumberWith(_) | Kind::Date(..) | Kind::Datetime(..))
    }

    fn describe(&self) -> String {
        match self {
            Kind::Boolean(_) => "boolean".into(),
            Kind::Integer => "integer".into(),
            Kind::Number => "number".into(),
            Kind::NumberWith(format) => match format.group {
                Some(group) => format!("number with decimalChar {:?} and groupChar {:?}", format.decimal.to_string(), group.to_string()),
                None => format!("number with decimalChar {:?}", format.decimal.to_string()),
            },
            Kind::Date("default", ..) => "date".into(),
            Kind::Date(pattern, ..) => format!("date with format {pattern:?}"),
            Kind::Datetime(pattern, ..) if pattern == "default" => "datetime".into(),
            Kind::Datetime(pattern, ..) => format!("datetime with format {pattern:?}"),
        }
    }
}

/// Leading zeros, a leading plus or very many digits: a number that is a name (`00123`, `+49151…`) must stay as it is written.
fn is_code(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit();
    let mantissa = digits.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let significant = mantissa.iter().filter(|byte| byte.is_ascii_digit()).skip_while(|byte| **byte == b'0').count();
    leading_zero || text.first() == Some(&b'+') || significant > MAX_DIGITS
}

/// Types of a column of CSV.
static OF_CSV: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let mut kinds = vec![Kind::Boolean(default_booleans()), Kind::Integer, Kind::Number];
    kinds.extend(dates());
    kinds.push(Kind::NumberWith(NumberFormat { decimal: ',', group: None, bare: true }));
    kinds.push(Kind::NumberWith(NumberFormat { decimal: ',', group: Some('.'), bare: true }));
    kinds.push(Kind::NumberWith(NumberFormat { decimal: '.', group: Some(','), bare: true }));
    kinds
});
static OF_NUMBERS: [Kind; 2] = [Kind::Integer, Kind::Number];
static OF_TEXTS: LazyLock<Vec<Kind>> = LazyLock::new(dates);

/// Gathers what the values of one column allow.
pub(super) struct Column {
    values: u64,
    /// Those that were not given up yet.
    tests: Vec<Test>,
    only_zero_and_one: bool,
    has_digit: bool,
    has_code: Option<String>,
}

impl Column {
    /// A column of CSV.
    pub(super) fn new() -> Column {
        Column::with(&OF_CSV)
    }

    /// A column of JSON numbers.
    pub(super) fn of_numbers() -> Column {
        Column::with(&OF_NUMBERS)
    }

    /// A column of JSON strings: those are never numbers, but may be dates.
    pub(super) fn of_texts() -> Column {
        Column::with(&OF_TEXTS)
    }

    fn with(kinds: &'static [Kind]) -> Column {
        let tests = kinds.iter().map(|kind| Test { kind, misfits: 0, first_misfit: None });
        Column { values: 0, tests: tests.collect(), only_zero_and_one: true, has_digit: false, has_code: None }
    }

    /// Takes one value; blanks around it do not count, and a missing one says nothing.
    pub(super) fn add(&mut self, text: &str) {
        let text = crate::field::trim_blanks(text);
        if text.is_empty() {
            return;
        }
        self.values += 1;
        self.only_zero_and_one &= text == "0" || text == "1";
        let look = Look::at(text.as_bytes());
        self.has_digit |= look.has_digit;
        if self.has_code.is_none() && look.is_code && number::parse_float(text.as_bytes(), &NumberFormat::PLAIN).is_ok() {
            self.has_code = Some(shown(text));
        }
        let (values, mut example) = (self.values, None);
        self.tests.retain_mut(|test| {
            if test.kind.fits(text, look) {
                return true;
            }
            test.misfits += 1;
            if test.first_misfit.is_none() {
                test.first_misfit = Some(Arc::clone(example.get_or_insert_with(|| shown(text).into())));
            }
            let is_strange = values >= FIRST_VALUES && test.misfits == values && test.kind.is_special();
            !is_strange && test.misfits <= GIVE_UP + values / 20
        });
    }

    /// Whether all values so far have a type other than text.
    pub(super) fn is_typed(&self) -> bool {
        self.chosen().is_some()
    }

    /// Whether the text would fit what the other values are.
    pub(super) fn takes(&self, text: &str) -> bool {
        let text = crate::field::trim_blanks(text);
        self.chosen().is_some_and(|kind| text.is_empty() || kind.fits(text, Look::at(text.as_bytes())))
    }

    fn chosen(&self) -> Option<&Kind> {
        if self.values == 0 {
            return None;
        }
        self.tests.iter().filter(|test| test.misfits == 0).map(|test| test.kind).find(|kind| match kind {
            Kind::Boolean(_) => !self.only_zero_and_one,
            Kind::Number => self.has_digit,
            Kind::NumberWith(_) => false,
            Kind::Date(_, _, group) | Kind::Datetime(_, _, group) => !self.is_ambiguous(*group),
            Kind::Integer => true,
        })
    }

    /// Two orders of day and month fit every value.
    fn is_ambiguous(&self, group: usize) -> bool {
        let of_group = |test: &&Test| matches!(test.kind, Kind::Date(_, _, other) | Kind::Datetime(_, _, other) if *other == group);
        self.tests.iter().filter(of_group).filter(|test| test.misfits == 0).count() > 1
    }

    /// The column's field, and what it nearly was.
    pub(super) fn finish(self, name: &str) -> Inferred {
        let (field_type, format) = match self.chosen() {
            None => {
                return Inferred { field: Field::new(name, FieldType::String), note: Some(self.nearly()).filter(|note| !note.is_empty()) };
            }
            Some(Kind::Boolean(_)) => (FieldType::Boolean, "default"),
            Some(Kind::Integer) => (FieldType::Integer, "default"),
            Some(Kind::Number | Kind::NumberWith(_)) => (FieldType::Number, "default"),
            Some(Kind::Date(format, ..)) => (FieldType::Date, *format),
            Some(Kind::Datetime(format, ..)) => (FieldType::Datetime, format.as_str()),
        };
        let mut field = Field::new(name, field_type);
        field.format = format.into();
        Inferred { field, note: None }
    }

    fn nearly(&self) -> String {
        if self.values == 0 {
            return "string, because the sample has no value".into();
        }
        let tells = |kind: &Kind| match kind {
            Kind::Boolean(_) | Kind::Integer | Kind::Number => false,
            Kind::NumberWith(_) => self.has_digit,
            Kind::Date(..) | Kind::Datetime(..) => true,
        };
        if let Some(test) = self.tests.iter().find(|test| test.misfits == 0 && tells(test.kind)) {
            return match test.kind {
                Kind::Date(..) | Kind::Datetime(..) => "date in an order of day and month that the sample does not prove".into(),
                kind => kind.describe(),
            };
        }
        if let Some(code) = &self.has_code {
            return format!("string, because values such as {code:?} would not keep their form as numbers");
        }
        let nearest = self.tests.iter().filter(|test| test.misfits > 0 && test.misfits * 20 <= self.values).min_by_key(|test| test.misfits);
        let Some(Test { kind, misfits, first_misfit: Some(example), .. }) = nearest else { return String::new() };
        format!("{} but for {} of {}, e.g. {example:?}", kind.describe(), grouped(*misfits), grouped(self.values))
    }
}

fn default_booleans() -> BooleanFormat {
    let field = Field::new("", FieldType::Boolean);
    BooleanFormat { true_values: field.true_values, false_values: field.false_values }
}

fn dates() -> Vec<Kind> {
    let compile = |text: &str| Pattern::compile(text).expect("the patterns are constant and compile");
    let mut kinds = vec![Kind::Date("default", DateFormat::Iso, usize::MAX)];
    kinds.extend(DATE_GROUPS.iter().enumerate().flat_map(|(group, patterns)| {
        patterns.iter().map(move |pattern| Kind::Date(pattern, DateFormat::Pattern(compile(pattern)), group))
    }));
    kinds.push(Kind::Datetime("default".into(), DatetimeFormat { form: DatetimeForm::Iso, zone: None }, usize::MAX));
    for (clock_index, clock) in CLOCKS.iter().enumerate() {
        for (group, patterns) in DATE_GROUPS.iter().enumerate() {
            for pattern in *patterns {
                let pattern = format!("{pattern}{clock}");
                let form = DatetimeForm::Pattern(compile(&pattern));
                kinds.push(Kind::Datetime(pattern, DatetimeFormat { form, zone: None }, (clock_index + 1) * DATE_GROUPS.len() + group));
            }
        }
    }
    kinds
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}

/// `40,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], want: FieldType, format: &str, note: &str) {
        let mut column = Column::new();
        values.iter().for_each(|value| column.add(value));
        let inferred = column.finish("x");
        assert_eq!((inferred.field.field_type, inferred.field.format.as_str()), (want, format), "{values:?} {:?}", inferred.note);
        assert_eq!(inferred.note.as_deref().unwrap_or(""), note, "{values:?}");
    }

    #[test]
    fn the_first_type_that_every_value_fits() {
        use FieldType::*;
        check(&["1", "0"], Integer, "default", "");
        check(&["true", "0", "1"], Boolean, "default", "");
        check(&["true", "false", ""], Boolean, "default", "");
        check(&[" 12", "-3", ""], Integer, "default", "");
        check(&["1", "2.5", "1e3", "NaN"], Number, "default", "");
        check(&["2024-02-29"], Date, "default", "");
        check(&["2024-02-29T12:00:00Z", "2024-02-29 12:00"], Datetime, "default", "");
        check(&["31.12.2024", "01.02.2024"], Date, "%d.%m.%Y", "");
        check(&["31/12/2024", "01/02/2024"], Date, "%d/%m/%Y", "");
        check(&["12/31/2024"], Date, "%m/%d/%Y", "");
        check(&["12/31/2024 13:00"], Datetime, "%m/%d/%Y %H:%M", "");
        check(&["03/04/2026"], String, "default", "date in an order of day and month that the sample does not prove");
        check(&["00123", "00124"], String, "default", "string, because values such as \"00123\" would not keep their form as numbers");
        check(&["+4915112345"], String, "default", "string, because values such as \"+4915112345\" would not keep their form as numbers");
        check(
            &["1234567890123456789"],
            String,
            "default",
            "string, because values such as \"1234567890123456789\" would not keep their form as numbers",
        );
        check(&["1,5", "2,75"], String, "default", "number with decimalChar \",\"");
        check(&["1.234,50", "2,75"], String, "default", "number with decimalChar \",\" and groupChar \".\"");
        check(&["NaN"], String, "default", "");
        check(&["", ""], String, "default", "string, because the sample has no value");
        check(&["abc", "1"], String, "default", "");
        let mut values = vec!["7"; 40];
        values.push("n/a");
        check(&values, String, "default", "integer but for 1 of 41, e.g. \"n/a\"");
    }

    #[test]
    fn forms_that_nothing_fits_at_first_are_given_up() {
        let mut column = Column::new();
        (0..19).for_each(|_| column.add("n/a"));
        let before = column.tests.len();
        column.add("n/a");
        assert_eq!((before, column.tests.len()), (OF_CSV.len(), 3), "booleans, integers and numbers are still tried");
        (0..1_000).for_each(|n| column.add(&n.to_string()));
        assert_eq!(column.finish("x").note.as_deref(), Some("integer but for 20 of 1,020, e.g. \"n/a\""));
    }

    proptest::proptest! {
        /// What is not looked at for want of digits would not have been a date.
        #[test]
        fn dates_have_digits_and_something_between(text in "[0-9]{0,6}|[0-9a-cJnMyT:+./ -]{1,20}|[0-9]{1,2} [JM][a-u]{2} [0-9]{1,4}") {
            let look = Look { may_be_date: true, ..Look::at(text.as_bytes()) };
            for kind in OF_TEXTS.iter().filter(|kind| kind.fits(&text, look)) {
                proptest::prop_assert!(Look::at(text.as_bytes()).may_be_date, "{text:?} is {}", kind.describe());
            }
        }
    }

    #[test]
    fn numbers_are_grouped_for_people() {
        assert_eq!([grouped(3), grouped(1_000), grouped(40_000), grouped(1_234_567)], ["3", "1,000", "40,000", "1,234,567"]);
    }
}
