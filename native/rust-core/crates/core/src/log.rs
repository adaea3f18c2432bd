//! The log of this process: JSON lines on stderr, bounded, so that a loop that complains cannot fill the host's memory.

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use millrace_wire::message::LogLevel;
use serde_json::{Map, Value};

/// At most this much a second; what is above is counted and told when the second is over.
const MAX_BYTES_PER_SECOND: usize = 256 << 10;

struct Window {
    since: Instant,
    bytes: usize,
    dropped: u64,
    lowest: u8,
}

static WINDOW: Mutex<Option<Window>> = Mutex::new(None);

/// Lines below `level` are not written from now on.
pub fn set_level(level: LogLevel) {
    let mut window = WINDOW.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    window_of(&mut window).lowest = level as u8;
}

/// `message` is a constant; everything that differs stands in `fields`.
pub fn write(level: LogLevel, message: &str, fields: &[(&str, Value)]) {
    let mut guard = WINDOW.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let window = window_of(&mut guard);
    if (level as u8) < window.lowest {
        return;
    }
    if window.since.elapsed() >= Duration::from_secs(1) {
        if window.dropped > 0 {
            emit(&line(LogLevel::Warn, "log lines dropped", &[("count", window.dropped.into())]));
        }
        (window.since, window.bytes, window.dropped) = (Instant::now(), 0, 0);
    }
    let text = line(level, message, fields);
    window.bytes += text.len();
    if window.bytes > MAX_BYTES_PER_SECOND {
        window.dropped += 1;
    } else {
        emit(&text);
    }
}

fn window_of(window: &mut Option<Window>) -> &mut Window {
    window.get_or_insert_with(|| Window { since: Instant::now(), bytes: 0, dropped: 0, lowest: LogLevel::Info as u8 })
}

fn line(level: LogLevel, message: &str, fields: &[(&str, Value)]) -> String {
    let mut object = Map::new();
    let name = match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    object.insert("level".into(), name.into());
    object.insert("message".into(), message.into());
    for (key, value) in fields {
        object.insert((*key).into(), value.clone());
    }
    let mut text = Value::Object(object).to_string();
    text.push('\n');
    text
}

fn emit(text: &str) {
    // Nobody is left to tell when stderr is gone.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
