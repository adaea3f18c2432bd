//! Functions under the job's privacy key: `pseudonym`, `hmac_sha256`, `shift_date`. Equal input, key and domain give equal output in every
//! job; without the key nothing can be undone or linked. The key is never printed.

use std::sync::Arc;

use arrow_array::types::{Date32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Date32Array, StringViewArray, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ScalarUDF;
use sha2::{Digest, Sha256};

use super::Job;
use super::text_function::Columnwise;

/// Block of SHA-256, in bytes.
const BLOCK: usize = 64;
/// Largest shift of a date, in days: a thousand years.
const MAX_SHIFT_DAYS: i64 = 366_000;
/// Crockford's and Douglas' alphabets avoid letters; this is that of RFC 4648, in small letters.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// HMAC-SHA-256 (RFC 2104) with both pads of the key hashed once.
#[derive(Clone)]
pub struct Hmac {
    inner: Sha256,
    outer: Sha256,
}

impl Hmac {
    pub fn new(key: &[u8]) -> Hmac {
        let mut block = [0u8; BLOCK];
        if key.len() > BLOCK {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let padded = |pad: u8| {
            let mut hasher = Sha256::new();
            hasher.update(block.map(|byte| byte ^ pad));
            hasher
        };
        Hmac { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// The code of several parts, one after another.
    pub fn code(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut inner = self.inner.clone();
        for part in parts {
            inner.update(part);
        }
        let mut outer = self.outer.clone();
        outer.update(inner.finalize());
        outer.finalize().into()
    }
}

/// A function under the job's key. Without a key the rules refuse the call before it is planned.
fn keyed(
    name: &'static str,
    args: Vec<DataType>,
    result: DataType,
    job: &Job,
    call: impl Fn(&Hmac, &[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    let hmac = Hmac::new(job.privacy_key.as_deref().unwrap_or_default());
    Columnwise::exact(name, args, result, move |args| call(&hmac, args))
}

pub fn pseudonym(job: &Job) -> ScalarUDF {
    keyed("pseudonym", vec![DataType::Utf8View, DataType::Utf8View], DataType::Utf8View, job, |hmac, args| {
        each_code(hmac, args, |code| base32(&code[..16]))
    })
}

pub fn hmac_sha256(job: &Job) -> ScalarUDF {
    keyed("hmac_sha256", vec![DataType::Utf8View, DataType::Utf8View], DataType::Utf8View, job, |hmac, args| {
        each_code(hmac, args, |code| code.iter().map(|byte| format!("{byte:02x}")).collect())
    })
}

pub fn shift_date(job: &Job) -> ScalarUDF {
    keyed("shift_date", vec![DataType::Date32, DataType::Utf8View, DataType::Int64], DataType::Date32, job, shifted)
}

/// The code of domain, a zero byte and text, in some writing. Null if either is null.
fn each_code(hmac: &Hmac, args: &[ArrayRef], write: fn(&[u8; 32]) -> String) -> Result<ArrayRef> {
    let (texts, domains) = (args[0].as_string_view(), args[1].as_string_view());
    let written = texts.iter().zip(domains).map(|(text, domain)| Some(write(&hmac.code(&[domain?.as_bytes(), &[0], text?.as_bytes()]))));
    Ok(Arc::new(written.collect::<StringViewArray>()))
}

/// 26 characters for 16 bytes, five bits each, the last filled up with zeros.
fn base32(bytes: &[u8]) -> String {
    let bits = bytes.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let digit = |index: u32| {
        let value = if index < 25 { bits >> (123 - 5 * index) } else { bits << 2 };
        char::from(BASE32[(value & 31) as usize])
    };
    (0..26).map(digit).collect()
}

fn shifted(hmac: &Hmac, args: &[ArrayRef]) -> Result<ArrayRef> {
    let dates = args[0].as_primitive::<Date32Type>();
    let (subjects, limits) = (args[1].as_string_view(), args[2].as_primitive::<Int64Type>());
    let mut shifted = Vec::with_capacity(dates.len());
    for row in 0..dates.len() {
        if dates.is_null(row) || subjects.is_null(row) || limits.is_null(row) {
            shifted.push(None);
            continue;
        }
        let days = shift_of(hmac, subjects.value(row), limits.value(row))?;
        let moved = i64::from(dates.value(row)) + days;
        let moved = i32::try_from(moved).map_err(|_| DataFusionError::Execution("the shifted date is outside its type".into()))?;
        shifted.push(Some(moved));
    }
    Ok(Arc::new(Date32Array::from(shifted)))
}

/// Days for a subject, from -limit to limit, each as likely as any other but for one part in 2^64.
fn shift_of(hmac: &Hmac, subject: &str, limit: i64) -> Result<i64> {
    if !(0..=MAX_SHIFT_DAYS).contains(&limit) {
        return Err(DataFusionError::Execution(format!("max_days is {limit}, not between 0 and {MAX_SHIFT_DAYS}")));
    }
    let code = hmac.code(&[b"shift_date", &[0], subject.as_bytes()]);
    let mut first = [0u8; 8];
    first.copy_from_slice(&code[..8]);
    let width = u128::from(2 * limit.unsigned_abs() + 1);
    let scaled = (u128::from(u64::from_be_bytes(first)) * width) >> 64;
    Ok(scaled as i64 - limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn codes_are_those_of_the_standard() {
        let code = Hmac::new(b"Jefe").code(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let code = Hmac::new(&[0xaa; 131]).code(&[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert_eq!(hex(&code), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn writing_is_base32_without_padding() {
        assert_eq!(base32(&[0; 16]), "a".repeat(26));
        assert_eq!(base32(&[0xff; 16]), format!("{}4", "7".repeat(25)));
    }

    #[test]
    fn a_subject_keeps_its_shift_within_limits() {
        let hmac = Hmac::new(b"key");
        let shifts: Vec<i64> = (0..500).map(|subject| shift_of(&hmac, &subject.to_string(), 10).unwrap()).collect();
        assert_eq!(shifts, (0..500).map(|subject| shift_of(&hmac, &subject.to_string(), 10).unwrap()).collect::<Vec<_>>());
        assert_eq!((shifts.iter().min(), shifts.iter().max()), (Some(&-10), Some(&10)));
        assert!(shift_of(&hmac, "a", -1).is_err());
        assert_eq!(shift_of(&hmac, "a", 0).unwrap(), 0);
    }
}
