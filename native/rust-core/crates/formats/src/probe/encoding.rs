//! Which encoding the bytes are in: byte order mark, UTF-8, else byte statistics, else a refusal that names the two best.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

use super::{Findings, Sample};
use crate::encoding::{byte_order_mark, check_label};
use crate::error::Error;

/// With fewer bytes outside ASCII than this, statistics say nothing.
const MIN_EVIDENCE_BYTES: usize = 8;
/// From this share of valid sequences on it is UTF-8: one bad byte must not turn a file into windows-1252.
const UTF8_SHARE: f64 = 0.99;
/// A guess that fewer regional priors than this share agree with is no clear winner.
const CLEAR_SHARE: f64 = 0.5;
/// Bytes of one sample that the statistics look at.
const STATISTICS_BYTES: usize = 1 << 20;

/// The label to pin.
pub(super) fn detect(samples: &[Sample], written: &str, findings: &mut Findings) -> Result<String, Error> {
    refuse_utf32(samples)?;
    let marked = samples.iter().find_map(|sample| byte_order_mark(&sample.head).map(|(_, label)| (sample, label)));
    if written != "auto" {
        return declared(written, marked, findings);
    }
    if let Some((_, label)) = marked {
        findings.detected("encoding", label, 1.0, None);
        return Ok(label.into());
    }
    if let Some(label) = samples.iter().find_map(|sample| zeros_of_wide_text(&sample.head)) {
        findings.detected("encoding", label, 0.9, None);
        return Ok(label.into());
    }
    let (valid, broken) = utf8_sequences(samples);
    let share = if broken == 0 { 1.0 } else { valid as f64 / (valid + broken) as f64 };
    if share >= UTF8_SHARE {
        findings.detected("encoding", "utf-8", share, None);
        if broken > 0 {
            findings.note(format!("{broken} of {} sequences outside ASCII are no UTF-8; their records will be rejected", valid + broken));
        }
        return Ok("utf-8".into());
    }
    by_statistics(samples, findings)
}

/// What was written, unless a byte order mark contradicts it. `utf-16` leaves the order of bytes to the mark.
fn declared(written: &str, marked: Option<(&Sample, &'static str)>, findings: &mut Findings) -> Result<String, Error> {
    if written.trim().eq_ignore_ascii_case("utf-16") {
        let Some((_, label)) = marked.filter(|(_, label)| *label != "utf-8") else {
            let message = "cannot read encoding utf-16: the file has no byte order mark; set utf-16le or utf-16be";
            return Err(Error::new("ENCODING_MISMATCH", message));
        };
        findings.set("encoding", label);
        return Ok(label.into());
    }
    check_label(written)?;
    if let Some((sample, label)) = marked
        && !same_encoding(written, label)
    {
        let message = format!("cannot read {}: its byte order mark says {label}, but encoding is set to {written}", sample.uri);
        return Err(Error::new("ENCODING_MISMATCH", message));
    }
    findings.set("encoding", written);
    Ok(written.into())
}

fn same_encoding(written: &str, label: &str) -> bool {
    let known = |label: &str| encoding_rs::Encoding::for_label(label.trim().to_ascii_lowercase().as_bytes());
    known(written) == known(label)
}

fn refuse_utf32(samples: &[Sample]) -> Result<(), Error> {
    let is_wide = |sample: &&Sample| matches!(sample.head.as_slice(), [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..]);
    samples.iter().find(is_wide).map_or(Ok(()), |sample| {
        let message = format!("cannot read {}: it is UTF-32, by its byte order mark, which is never read; convert it to UTF-8", sample.uri);
        Err(Error::new("SPEC_ENCODING", message))
    })
}

/// ASCII in UTF-16 has a zero in every second byte.
fn zeros_of_wide_text(head: &[u8]) -> Option<&'static str> {
    let head = &head[..head.len().min(STATISTICS_BYTES)];
    if head.len() < 4 {
        return None;
    }
    let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), head.len() / 2);
    let wide = |zeros: usize, others: usize| zeros * 10 > half * 3 && others * 10 < zeros;
    if wide(odd, even) {
        Some("utf-16le")
    } else if wide(even, odd) {
        Some("utf-16be")
    } else {
        None
    }
}

/// Valid and broken sequences outside ASCII. A character that the sample cuts off is neither.
fn utf8_sequences(samples: &[Sample]) -> (u64, u64) {
    let (mut valid, mut broken) = (0, 0);
    for sample in samples {
        let mut rest = sample.head.as_slice();
        while !rest.is_empty() {
            let (good, bad) = match simdutf8::compat::from_utf8(rest) {
                Ok(_) => (rest.len(), 0),
                Err(error) => match error.error_len() {
                    Some(length) => (error.valid_up_to(), length),
                    None if sample.complete => (error.valid_up_to(), rest.len() - error.valid_up_to()),
                    None => {
                        rest = &rest[..error.valid_up_to()];
                        (rest.len(), 0)
                    }
                },
            };
            // A sequence outside ASCII has exactly one byte that begins it.
            valid += rest[..good].iter().filter(|byte| **byte >= 0xc0).count() as u64;
            broken += u64::from(bad > 0);
            rest = &rest[good + bad..];
        }
    }
    (valid, broken)
}

/// `chardetng` under several regional priors: what it says without one is the guess, and the others must not speak against it.
fn by_statistics(samples: &[Sample], findings: &mut Findings) -> Result<String, Error> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut evidence_bytes = 0;
    for sample in samples {
        let head = &sample.head[..sample.head.len().min(STATISTICS_BYTES)];
        evidence_bytes += head.iter().filter(|byte| !byte.is_ascii()).count();
        detector.feed(head, false);
        // Samples are separate texts.
        detector.feed(b"\n", false);
    }
    detector.feed(b"", true);
    let guess = |region: Option<&[u8]>| detector.guess(region, Utf8Detection::Deny);
    let best = guess(None);
    const REGIONS: [&[u8]; 9] = [b"de", b"fr", b"pl", b"cz", b"ru", b"gr", b"tr", b"lt", b"jp"];
    let votes: Vec<_> = REGIONS.iter().map(|region| guess(Some(region))).collect();
    let runner_up = votes.iter().find(|vote| **vote != best).map_or("iso-8859-15", |vote| vote.name()).to_ascii_lowercase();
    let share = votes.iter().filter(|vote| **vote == best).count() as f64 / votes.len() as f64;
    let label = best.name().to_ascii_lowercase();
    if evidence_bytes < MIN_EVIDENCE_BYTES || share < CLEAR_SHARE {
        return Err(Error::new(
            "ENCODING_UNCERTAIN",
            format!(
                "cannot tell the encoding: it is not UTF-8, and {evidence_bytes} bytes outside ASCII fit {label} and {runner_up}; set encoding to one of them"
            ),
        ));
    }
    check_label(&label).map_err(|_| {
        Error::new("SPEC_NOT_AVAILABLE", format!("cannot read encoding {label}, which was detected: it is not available in this version"))
    })?;
    findings.detected("encoding", label.clone(), share, Some(runner_up));
    Ok(label)
}
