//! The values of one column chunk, nulls left out: gathered for a page, encoded when it is full, with the least and the greatest of all.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryViewArray};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, BooleanBufferBuilder, ScalarBuffer};
use arrow_schema::DataType;
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::super::choose::Choice;
use super::bits::{put_deltas, put_indices, width_of};
use super::bounds::{Bounds, NumberBounds, TextBounds};
use super::dictionary;
use super::views::{inline_bytes, is_inline, length_of};

/// An array as its physical values.
pub enum Input {
    Longs(ScalarBuffer<i64>),
    Ints(ScalarBuffer<i32>),
    Doubles(ScalarBuffer<f64>),
    Floats(ScalarBuffer<f32>),
    Texts(BinaryViewArray),
    Bits(BooleanBuffer),
}

impl Input {
    /// None for a type that is left to the library's encoders.
    pub fn of(array: &ArrayRef) -> Option<Input> {
        use DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Utf8, Utf8View};
        Some(match array.data_type() {
            DataType::Int64 | DataType::Timestamp(..) | DataType::Time64(_) => Input::Longs(native(array)),
            DataType::Int32 | DataType::Date32 => Input::Ints(native(array)),
            DataType::Float64 => Input::Doubles(native(array)),
            DataType::Float32 => Input::Floats(native(array)),
            DataType::Decimal128(1..=9, _) => Input::Ints(native::<i128>(array).iter().map(|value| *value as i32).collect()),
            DataType::Decimal128(10..=18, _) => Input::Longs(native::<i128>(array).iter().map(|value| *value as i64).collect()),
            DataType::Boolean => Input::Bits(array.as_boolean().values().clone()),
            Utf8View => Input::Texts(array.as_string_view().clone().to_binary_view()),
            BinaryView => Input::Texts(array.as_binary_view().clone()),
            Utf8 | LargeUtf8 => Input::Texts(arrow_cast::cast(array, &Utf8View).ok()?.as_string_view().clone().to_binary_view()),
            Binary | LargeBinary => Input::Texts(arrow_cast::cast(array, &BinaryView).ok()?.as_binary_view().clone()),
            _ => return None,
        })
    }
}

/// Whether `Input::of` knows the type.
pub fn is_own(data_type: &DataType) -> bool {
    Input::of(&arrow_array::new_empty_array(data_type)).is_some()
}

fn native<T: ArrowNativeType>(array: &ArrayRef) -> ScalarBuffer<T> {
    let data = array.to_data();
    ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
}

/// A number as the format stores it.
pub trait Number: Copy + Send + Default {
    const WIDTH: usize;
    fn to_bits(self) -> u64;
    fn of_bits(bits: u64) -> Self;
    /// DELTA_BINARY_PACKED; floats have none.
    fn deltas(values: &[Self], out: &mut Vec<u8>);
    fn place(self, bytes: &mut [u8]);
    fn widen(bounds: &mut Bounds<Self>, values: &[Self]);
    fn pair(bounds: &Bounds<Self>) -> Option<(Self, Self)>;
    fn statistics(stats: ValueStatistics<Self>) -> Statistics;
}

macro_rules! number {
    ($type:ty, $bits:ty, $variant:ident, $to_bits:expr, $of_bits:expr, $deltas:expr) => {
        impl Number for $type {
            const WIDTH: usize = size_of::<$type>();

            #[inline(always)]
            fn to_bits(self) -> u64 {
                let to_bits: fn($type) -> $bits = $to_bits;
                to_bits(self).into()
            }

            fn of_bits(bits: u64) -> $type {
                let of_bits: fn($bits) -> $type = $of_bits;
                of_bits(bits as $bits)
            }

            fn deltas(values: &[$type], out: &mut Vec<u8>) {
                let deltas: fn(&[$type], &mut Vec<u8>) = $deltas;
                deltas(values, out);
            }

            #[inline(always)]
            fn place(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            fn widen(bounds: &mut Bounds<$type>, values: &[$type]) {
                bounds.widen(values);
            }

            fn pair(bounds: &Bounds<$type>) -> Option<($type, $type)> {
                bounds.pair()
            }

            fn statistics(stats: ValueStatistics<$type>) -> Statistics {
                Statistics::$variant(stats)
            }
        }
    };
}

number!(i32, u32, Int32, |value| value as u32, |bits| bits as i32, put_deltas);
number!(i64, u64, Int64, |value| value as u64, |bits| bits as i64, put_deltas);
number!(f32, u32, Float, f32::to_bits, f32::from_bits, put_plain);
number!(f64, u64, Double, f64::to_bits, f64::from_bits, put_plain);

fn put_plain<T: Number>(values: &[T], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + values.len() * T::WIDTH, 0);
    for (bytes, value) in out[start..].chunks_exact_mut(T::WIDTH).zip(values) {
        value.place(bytes);
    }
}

/// Numbers of one chunk.
pub struct Numbers<T: Number> {
    encoding: Encoding,
    dictionary: Option<dictionary::Numbers>,
    /// False when the dictionary has become too large and takes no more values.
    is_open: bool,
    indices: Vec<u32>,
    values: Vec<T>,
    bounds: Bounds<T>,
}

impl<T: Number> Numbers<T> {
    fn new(choice: Choice) -> Numbers<T> {
        Numbers {
            encoding: choice.encoding,
            dictionary: choice.dictionary.then(dictionary::Numbers::new),
            is_open: choice.dictionary,
            indices: Vec::new(),
            values: Vec::new(),
            bounds: Bounds::default(),
        }
    }

    fn push(&mut self, values: &[T]) {
        match &mut self.dictionary {
            Some(dictionary) if self.is_open => self.indices.extend(values.iter().map(|value| dictionary.index(value.to_bits()))),
            _ => {
                self.values.extend_from_slice(values);
                T::widen(&mut self.bounds, values);
            }
        }
    }

    fn dictionary_bytes(&self) -> usize {
        self.dictionary.as_ref().map_or(0, |dictionary| dictionary.bits.len() * T::WIDTH)
    }

    fn end_page(&mut self, out: &mut Vec<u8>) -> Encoding {
        if let Some(dictionary) = self.dictionary.as_ref().filter(|_| self.is_open) {
            return end_indices(&mut self.indices, dictionary.bits.len(), out);
        }
        match self.encoding {
            Encoding::DELTA_BINARY_PACKED => T::deltas(&self.values, out),
            _ => put_plain(&self.values, out),
        }
        self.values.clear();
        self.encoding
    }

    fn dictionary_page(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        let dictionary = self.dictionary.as_ref()?;
        let values: Vec<T> = dictionary.bits.iter().map(|bits| T::of_bits(*bits)).collect();
        T::widen(&mut self.bounds, &values);
        put_plain(&values, out);
        Some(values.len())
    }

    fn statistics(&self, nulls: u64, is_signed: bool) -> Statistics {
        let (min, max) = T::pair(&self.bounds).unzip();
        T::statistics(value_statistics(min, max, nulls, is_signed))
    }
}

/// Bounds of signed order are also written as old readers look for them.
fn value_statistics<T>(min: Option<T>, max: Option<T>, nulls: u64, is_signed: bool) -> ValueStatistics<T> {
    ValueStatistics::new(min, max, None, Some(nulls), false).with_backwards_compatible_min_max(is_signed)
}

fn end_indices(indices: &mut Vec<u32>, values: usize, out: &mut Vec<u8>) -> Encoding {
    let width = width_of(values.saturating_sub(1) as u64);
    out.push(width as u8);
    put_indices(indices, width, out);
    indices.clear();
    Encoding::RLE_DICTIONARY
}

/// Texts and other bytes of one chunk.
pub struct Texts {
    dictionary: Option<dictionary::Texts>,
    is_open: bool,
    indices: Vec<u32>,
    lengths: Vec<i32>,
    bytes: Vec<u8>,
    bounds: TextBounds,
    is_text: bool,
    has_statistics: bool,
}

impl Texts {
    fn push(&mut self, array: &BinaryViewArray, from: usize, to: usize) {
        let views = &array.views()[from..to];
        if let Some(dictionary) = self.dictionary.as_mut().filter(|_| self.is_open) {
            return dictionary.push(views, |row| array.value(from + row), &mut self.indices);
        }
        let total: usize = views.iter().map(|view| length_of(*view)).sum();
        let mut at = self.bytes.len();
        // An inline value is copied as 16 bytes of which the next one overwrites the surplus.
        self.bytes.resize(at + total + 16, 0);
        self.lengths.extend(views.iter().map(|view| length_of(*view) as i32));
        for (row, &view) in views.iter().enumerate() {
            let length = length_of(view);
            if is_inline(view) {
                self.bytes[at..at + 16].copy_from_slice(&inline_bytes(view));
            } else {
                self.bytes[at..at + length].copy_from_slice(array.value(from + row));
            }
            if self.has_statistics && self.bounds.may_widen(view) {
                self.bounds.widen(&self.bytes[at..at + length]);
            }
            at += length;
        }
        self.bytes.truncate(at);
    }

    fn end_page(&mut self, out: &mut Vec<u8>) -> Encoding {
        if let Some(dictionary) = self.dictionary.as_ref().filter(|_| self.is_open) {
            return end_indices(&mut self.indices, dictionary.len(), out);
        }
        put_deltas(&self.lengths, out);
        out.extend_from_slice(&self.bytes);
        self.lengths.clear();
        self.bytes.clear();
        Encoding::DELTA_LENGTH_BYTE_ARRAY
    }

    fn dictionary_page(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        let dictionary = self.dictionary.as_ref()?;
        for value in dictionary.values() {
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(value);
            self.bounds.widen(value);
        }
        Some(dictionary.len())
    }

    fn statistics(&self, nulls: u64, is_signed: bool) -> Statistics {
        let (min, max) = self.bounds.cut(self.is_text);
        let bytes = |bound: &Option<(Vec<u8>, bool)>| bound.as_ref().map(|(bytes, _)| ByteArray::from(bytes.clone()));
        let is_exact = |bound: &Option<(Vec<u8>, bool)>| bound.as_ref().is_none_or(|(_, is_exact)| *is_exact);
        let stats = value_statistics(bytes(&min), bytes(&max), nulls, is_signed);
        Statistics::ByteArray(stats.with_min_is_exact(is_exact(&min)).with_max_is_exact(is_exact(&max)))
    }
}

/// Booleans of one chunk.
pub struct Bits {
    values: BooleanBufferBuilder,
    has: [bool; 2],
}

impl Bits {
    fn push(&mut self, values: &BooleanBuffer) {
        let set = values.count_set_bits();
        self.has[0] |= set < values.len();
        self.has[1] |= set > 0;
        self.values.append_buffer(values);
    }

    fn end_page(&mut self, out: &mut Vec<u8>) -> Encoding {
        out.extend_from_slice(self.values.as_slice());
        self.values = BooleanBufferBuilder::new(0);
        Encoding::PLAIN
    }

    fn statistics(&self, nulls: u64, is_signed: bool) -> Statistics {
        let (min, max) = match self.has {
            [false, false] => (None, None),
            [has_false, has_true] => (Some(!has_false), Some(has_true)),
        };
        Statistics::Boolean(value_statistics(min, max, nulls, is_signed))
    }
}

pub enum Values {
    Longs(Numbers<i64>),
    Ints(Numbers<i32>),
    Doubles(Numbers<f64>),
    Floats(Numbers<f32>),
    Texts(Texts),
    Bits(Bits),
}

impl Values {
    pub fn new(data_type: &DataType, choice: Choice, has_statistics: bool) -> Option<Values> {
        let is_text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        Some(match Input::of(&arrow_array::new_empty_array(data_type))? {
            Input::Longs(_) => Values::Longs(Numbers::new(choice)),
            Input::Ints(_) => Values::Ints(Numbers::new(choice)),
            Input::Doubles(_) => Values::Doubles(Numbers::new(choice)),
            Input::Floats(_) => Values::Floats(Numbers::new(choice)),
            Input::Texts(_) => Values::Texts(Texts {
                dictionary: choice.dictionary.then(dictionary::Texts::new),
                is_open: choice.dictionary,
                indices: Vec::new(),
                lengths: Vec::new(),
                bytes: Vec::new(),
                bounds: TextBounds::default(),
                is_text,
                has_statistics,
            }),
            Input::Bits(_) => Values::Bits(Bits { values: BooleanBufferBuilder::new(0), has: [false; 2] }),
        })
    }

    /// Takes rows `from..to`, of which none is null. `input` is of the chunk's own type.
    pub fn push(&mut self, input: &Input, from: usize, to: usize) {
        match (self, input) {
            (Values::Longs(values), Input::Longs(input)) => values.push(&input[from..to]),
            (Values::Ints(values), Input::Ints(input)) => values.push(&input[from..to]),
            (Values::Doubles(values), Input::Doubles(input)) => values.push(&input[from..to]),
            (Values::Floats(values), Input::Floats(input)) => values.push(&input[from..to]),
            (Values::Texts(values), Input::Texts(input)) => values.push(input, from, to),
            (Values::Bits(values), Input::Bits(input)) => values.push(&input.slice(from, to - from)),
            _ => unreachable!("all batches of a part have its schema"),
        }
    }

    /// About what the page would take now, before compression.
    pub fn page_bytes(&self) -> usize {
        fn of<T: Number>(numbers: &Numbers<T>) -> usize {
            numbers.values.len() * T::WIDTH + numbers.indices.len() * 2
        }
        match self {
            Values::Longs(numbers) => of(numbers),
            Values::Ints(numbers) => of(numbers),
            Values::Doubles(numbers) => of(numbers),
            Values::Floats(numbers) => of(numbers),
            Values::Texts(texts) => texts.bytes.len() + texts.lengths.len() + texts.indices.len() * 2,
            Values::Bits(bits) => bits.values.len() / 8,
        }
    }

    /// Bytes of the dictionary so far.
    pub fn dictionary_bytes(&self) -> usize {
        match self {
            Values::Longs(numbers) => numbers.dictionary_bytes(),
            Values::Ints(numbers) => numbers.dictionary_bytes(),
            Values::Doubles(numbers) => numbers.dictionary_bytes(),
            Values::Floats(numbers) => numbers.dictionary_bytes(),
            Values::Texts(texts) => texts.dictionary.as_ref().map_or(0, |dictionary| dictionary.value_bytes() + 4 * dictionary.len()),
            Values::Bits(_) => 0,
        }
    }

    /// Whether new values go to a dictionary.
    pub fn has_open_dictionary(&self) -> bool {
        match self {
            Values::Longs(numbers) => numbers.is_open,
            Values::Ints(numbers) => numbers.is_open,
            Values::Doubles(numbers) => numbers.is_open,
            Values::Floats(numbers) => numbers.is_open,
            Values::Texts(texts) => texts.is_open,
            Values::Bits(_) => false,
        }
    }

    /// From here on values are encoded by themselves. To be called between pages.
    pub fn close_dictionary(&mut self) {
        match self {
            Values::Longs(numbers) => numbers.is_open = false,
            Values::Ints(numbers) => numbers.is_open = false,
            Values::Doubles(numbers) => numbers.is_open = false,
            Values::Floats(numbers) => numbers.is_open = false,
            Values::Texts(texts) => texts.is_open = false,
            Values::Bits(_) => {}
        }
    }

    /// Appends what was gathered, and begins anew.
    pub fn end_page(&mut self, out: &mut Vec<u8>) -> Encoding {
        match self {
            Values::Longs(numbers) => numbers.end_page(out),
            Values::Ints(numbers) => numbers.end_page(out),
            Values::Doubles(numbers) => numbers.end_page(out),
            Values::Floats(numbers) => numbers.end_page(out),
            Values::Texts(texts) => texts.end_page(out),
            Values::Bits(bits) => bits.end_page(out),
        }
    }

    /// Appends the values of the dictionary, and says how many. None without one. To be called once, before `statistics`.
    pub fn dictionary_page(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        match self {
            Values::Longs(numbers) => numbers.dictionary_page(out),
            Values::Ints(numbers) => numbers.dictionary_page(out),
            Values::Doubles(numbers) => numbers.dictionary_page(out),
            Values::Floats(numbers) => numbers.dictionary_page(out),
            Values::Texts(texts) => texts.dictionary_page(out),
            Values::Bits(_) => None,
        }
    }

    /// `is_signed`: the column's values order as signed numbers.
    pub fn statistics(&self, nulls: u64, is_signed: bool) -> Statistics {
        match self {
            Values::Longs(numbers) => numbers.statistics(nulls, is_signed),
            Values::Ints(numbers) => numbers.statistics(nulls, is_signed),
            Values::Doubles(numbers) => numbers.statistics(nulls, is_signed),
            Values::Floats(numbers) => numbers.statistics(nulls, is_signed),
            Values::Texts(texts) => texts.statistics(nulls, is_signed),
            Values::Bits(bits) => bits.statistics(nulls, is_signed),
        }
    }
}
