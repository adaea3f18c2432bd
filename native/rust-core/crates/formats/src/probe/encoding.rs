//! Which encoding the bytes are in: byte order mark, UTF-8, else byte statistics, else a refusal that names the two best.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use super::{Findings, Sample};
use crate::encoding::{byte_order_mark, check_label};
use crate::error::Error;

/// With fewer bytes outside ASCII than this, statistics say nothing.
const MIN_EVIDENCE_BYTES: usize = 8;
/// From this share of valid sequences on it is UTF-8: one bad byte must not turn a file into windows-1252.
const UTF8_SHARE: f64 = 0.99;
/// A guess that fewer regional priors than this share agree with is no clear winner.
const CLEAR_SHARE: f64 = 0.5;
/// So many letters outside ASCII that all belong to one language are enough.
const MIN_LETTERS: usize = 4;
/// Regional priors, as country domains.
const REGIONS: [&[u8]; 10] = [b"de", b"fr", b"pl", b"cz", b"hu", b"ru", b"gr", b"tr", b"lt", b"jp"];
/// Letters outside ASCII of languages written in single-byte encodings, small ones.
const ALPHABETS: [&str; 24] = [
    "äöüß",                                 // German
    "àâæçèéêëîïôœùûüÿ",                     // French
    "áéíñóúü",                              // Spanish
    "àáâãçéêíóôõúü",                        // Portuguese
    "àèéìíîòóùú",                           // Italian
    "àçèéíïòóúü·",                          // Catalan
    "äåéö",                                 // Swedish, Finnish
    "åæéøòóôü",                             // Danish, Norwegian
    "áæéíðóöúýþ",                           // Icelandic
    "áèéêëïíóöúü",                          // Dutch
    "äõöüšž",                               // Estonian
    "ąćęłńóśźż",                            // Polish
    "áčďéěíňóřšťúůýž",                      // Czech
    "áäčďéíĺľňóôŕšťúýž",                    // Slovak
    "áéíóöőúüű",                            // Hungarian
    "âăîșțşţ",                              // Romanian
    "čćđšž",                                // Croatian, Slovene
    "âçğıi̇îöşüû",                           // Turkish
    "āčēģīķļņšūž",                          // Latvian
    "ąčęėįšųūž",                            // Lithuanian
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",    // Russian, Bulgarian
    "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",    // Ukrainian
    "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ", // Greek
    "אבגדהוזחטיךכלםמןנסעףפץצקרשת",          // Hebrew
];
/// Quotation marks, dashes, currencies and the like.
const COMMON_SIGNS: &str = "\u{a0}„“”‚‘’«»‹›–—…·°§€£©®™µ²³½¼¾¡¿ªº№";
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
    if samples.iter().any(|sample| switches_to_kanji(&sample.head)) {
        findings.detected("encoding", "iso-2022-jp", 0.95, Some("utf-8".into()));
        return Ok("iso-2022-jp".into());
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

/// Bytes of seven bits with the escapes that begin and end a run of kanji.
fn switches_to_kanji(head: &[u8]) -> bool {
    let has = |escapes: [&[u8]; 2]| escapes.iter().any(|escape| memchr::memmem::find(head, escape).is_some());
    head.is_ascii() && has([b"\x1b$B", b"\x1b$@"]) && has([b"\x1b(B", b"\x1b(J"])
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

/// `chardetng` under several regional priors: what it says without one is the guess, the others may speak against it. Then the letters count: text in
/// one language uses no letters of another, and an encoding that yields such text is believed before one that does not.
fn by_statistics(samples: &[Sample], findings: &mut Findings) -> Result<String, Error> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut beyond_ascii = Vec::new();
    for sample in samples {
        let head = &sample.head[..sample.head.len().min(STATISTICS_BYTES)];
        beyond_ascii.extend(head.iter().copied().filter(|byte| !byte.is_ascii()));
        detector.feed(head, false);
        // Samples are separate texts.
        detector.feed(b"\n", false);
    }
    detector.feed(b"", true);
    let guess = |region: Option<&[u8]>| detector.guess(region, Utf8Detection::Deny);
    let first = guess(None);
    let votes: Vec<&'static Encoding> = REGIONS.iter().map(|region| guess(Some(region))).collect();
    let choice = choose(first, &votes, &beyond_ascii);
    let label = choice.encoding.name().to_ascii_lowercase();
    let runner_up = choice.runner_up.map_or("iso-8859-15", Encoding::name).to_ascii_lowercase();
    if !choice.is_clear {
        return Err(Error::new(
            "ENCODING_UNCERTAIN",
            format!(
                "cannot tell the encoding: it is not UTF-8, and {} bytes outside ASCII fit {label} and {runner_up}; set encoding to one of them",
                beyond_ascii.len()
            ),
        ));
    }
    check_label(&label).map_err(|_| {
        Error::new("SPEC_NOT_AVAILABLE", format!("cannot read encoding {label}, which was detected: it is not available in this version"))
    })?;
    findings.detected("encoding", label.clone(), choice.confidence, Some(runner_up));
    Ok(label)
}

struct Choice {
    encoding: &'static Encoding,
    runner_up: Option<&'static Encoding>,
    confidence: f64,
    is_clear: bool,
}

/// `first` without a regional prior, `votes` with one each. `bytes`: those outside ASCII.
fn choose(first: &'static Encoding, votes: &[&'static Encoding], bytes: &[u8]) -> Choice {
    let fits = |encoding: &'static Encoding| encoding.is_single_byte() && is_of_one_language(encoding, bytes);
    let letters = |encoding: &'static Encoding| encoding.decode_without_bom_handling(bytes).0.into_owned();
    let mut fitting: Vec<&'static Encoding> = Vec::new();
    for &encoding in std::iter::once(&first).chain(votes) {
        let is_new = fitting.iter().all(|known| *known != encoding && letters(known) != letters(encoding));
        if is_new && fits(encoding) {
            fitting.push(encoding);
        }
    }
    let other_than = |chosen: &'static Encoding| std::iter::once(&first).chain(votes).copied().find(|other| *other != chosen);
    if let [only] = fitting[..]
        && first.is_single_byte()
        && bytes.len() >= MIN_LETTERS
    {
        return Choice { encoding: only, runner_up: other_than(only), confidence: 0.9, is_clear: true };
    }
    let share = votes.iter().filter(|vote| **vote == first).count() as f64 / votes.len().max(1) as f64;
    let is_clear = bytes.len() >= MIN_EVIDENCE_BYTES && share >= CLEAR_SHARE;
    Choice { encoding: first, runner_up: other_than(first), confidence: share, is_clear }
}

/// Whether all characters are letters of one language, or signs that stand in texts of any.
fn is_of_one_language(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let letters: String = text.chars().filter(|sign| !COMMON_SIGNS.contains(*sign)).flat_map(char::to_lowercase).collect();
    !letters.is_empty() && ALPHABETS.iter().any(|alphabet| letters.chars().all(|letter| alphabet.contains(letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(text: &str, encoding: &'static Encoding) -> Result<String, &'static str> {
        let (head, _, lost) = encoding.encode(text);
        assert!(!lost, "{text}");
        let sample = Sample {
            uri: "a.csv".into(),
            size: head.len() as u64,
            head: head.into_owned(),
            complete: true,
            compression: None,
            columns: None,
        };
        detect(&[sample], "auto", &mut Findings::default()).map_err(|error| error.code)
    }

    #[test]
    fn letters_of_one_language_decide() {
        use encoding_rs::{ISO_8859_2, WINDOWS_1250, WINDOWS_1252, WINDOWS_1254};
        let table = [
            ("Az őszi eső után a fű újra zöld lett.", WINDOWS_1250, "windows-1250"),
            ("Łódź leży między Warszawą a Wrocławiem, książka.", ISO_8859_2, "iso-8859-2"),
            ("Žlutý kůň běžel přes řeku ke skále.", ISO_8859_2, "iso-8859-2"),
            ("Çocuklar bahçede oynarken yağmur başladı.", WINDOWS_1254, "windows-1254"),
            ("Der Bäcker öffnet, die Straße ist kühl.", WINDOWS_1252, "windows-1252"),
            ("Le garçon a mangé une crêpe près de l'école.", WINDOWS_1252, "windows-1252"),
        ];
        for (text, encoding, want) in table {
            assert_eq!(detected(text, encoding).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn too_few_letters_decide_nothing() {
        assert_eq!(detected("a\nköln\n", encoding_rs::WINDOWS_1252), Err("ENCODING_UNCERTAIN"));
        // Spanish and Polish hold the same bytes here.
        assert_eq!(detected("El niño comió piñones.", encoding_rs::WINDOWS_1252), Err("ENCODING_UNCERTAIN"));
        assert_eq!(detected("a\nŁódź\n", encoding_rs::ISO_8859_2), Err("ENCODING_UNCERTAIN"));
    }
}
