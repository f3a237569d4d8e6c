//! What the program tells of itself, on standard error and nowhere else: events of `tracing`, each a fact
//! with a level and fields, as sentences for people or as JSON lines for programs.
//!
//! Whoever tells a fact knows no format: it writes the sentence, and beside it the fields that a program
//! would want. In text the sentence stands alone, after the program's name. A line of progress, where a
//! terminal shows one, makes room for each event and comes back below it.

use crate::config::{LogFormat, Logging, Verbosity};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The field of a sentence that people know by a word before it: `error`, `warning`.
const WORD: &str = "word";
/// The field of what to do about an error, which is a sentence of its own.
const HINT: &str = "hint";

/// Takes a terminal's line away.
const CLEAR: &str = "\r\x1b[K";

/// Whether lines are JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// The line of progress that stands on the terminal.
static STATUS: Mutex<Option<String>> = Mutex::new(None);

/// From now on events are written. `process` is its number where the run has several.
pub fn begin(Logging { format, verbosity }: Logging, process: Option<usize>) {
    let level = match verbosity {
        Verbosity::Quiet | Verbosity::Normal => Level::INFO,
        Verbosity::Verbose => Level::DEBUG,
    };
    let lines = LineLayer { format, level, process };
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    // Where events are written already, they go on as they do.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
}

/// An error that ends the program: its causes are in the sentence.
pub fn error(sentence: &str, hint: Option<&str>, exit_code: u8) {
    match hint {
        Some(hint) => tracing::error!(word = "error", hint, exit_code, "{sentence}"),
        None => tracing::error!(word = "error", exit_code, "{sentence}"),
    }
}

/// A panic: as the standard library tells it, with what `RUST_BACKTRACE` asks for, or as an event.
pub fn panicked(panic: &PanicHookInfo<'_>, usual: &dyn Fn(&PanicHookInfo<'_>)) {
    if !IS_JSON.load(Ordering::Relaxed) {
        return usual(panic);
    }
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let trace = std::backtrace::Backtrace::capture();
    let trace = (trace.status() == std::backtrace::BacktraceStatus::Captured).then(|| trace.to_string());
    tracing::error!(place, trace, "{}", panic.to_string().replace('\n', " "));
}

/// What is probably a slip.
pub fn warning(sentence: &str) {
    tracing::warn!(word = "warning", "{sentence}");
}

/// Shows a line of progress in place of the last one, or none any more. On a terminal alone.
pub fn status(line: Option<String>) {
    let mut status = STATUS.lock().unwrap_or_else(PoisonError::into_inner);
    if status.is_none() && line.is_none() {
        return;
    }
    write(&format!("{CLEAR}{}", line.as_deref().unwrap_or_default()));
    *status = line;
}

/// Whether people watch.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// In one piece: several processes may write there. Where nobody hears, or the disk that it goes to is full,
/// the work goes on.
fn write(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes each event as a line.
struct LineLayer {
    format: LogFormat,
    level: Level,
    process: Option<usize>,
}

impl<S: Subscriber> Layer<S> for LineLayer {
    /// Events of libraries are theirs.
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.level && metadata.target().starts_with("crossrate")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fact = Fact::default();
        event.record(&mut fact);
        let line = match self.format {
            LogFormat::Text => fact.text(),
            LogFormat::Json => fact.json(event.metadata(), self.process),
        };
        let status = STATUS.lock().unwrap_or_else(PoisonError::into_inner);
        match &*status {
            Some(status) => write(&format!("{CLEAR}{line}{status}")),
            None => write(&line),
        }
    }
}

/// What an event holds.
#[derive(Debug, Default)]
struct Fact {
    sentence: String,
    fields: Map<String, Value>,
}

impl Fact {
    fn text(&self) -> String {
        let mut text = String::from("crossrate: ");
        if let Some(Value::String(word)) = self.fields.get(WORD) {
            let _ = write!(text, "{word}: ");
        }
        let _ = writeln!(text, "{}", self.sentence);
        if let Some(Value::String(hint)) = self.fields.get(HINT) {
            let _ = writeln!(text, "crossrate: hint: {hint}");
        }
        text
    }

    fn json(mut self, metadata: &tracing::Metadata<'_>, process: Option<usize>) -> String {
        self.fields.remove(WORD);
        let module = metadata.target().strip_prefix("crossrate::").unwrap_or("main");
        let mut line = Map::new();
        line.insert("time".into(), format!("{:.3}", Timestamp::now()).into());
        line.insert("level".into(), metadata.level().as_str().to_ascii_lowercase().into());
        line.insert("module".into(), module.into());
        line.insert("message".into(), self.sentence.into());
        line.extend(process.map(|process| ("process".into(), process.into())));
        line.extend(self.fields);
        format!("{}\n", Value::Object(line))
    }
}

impl Visit for Fact {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.sentence),
            name => _ = self.fields.insert(name.to_owned(), value.into()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(sentence: &str, fields: &[(&str, Value)]) -> Fact {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Fact { sentence: sentence.to_owned(), fields }
    }

    #[test]
    fn a_sentence_stands_alone_in_text_with_its_word_and_its_hint() {
        assert_eq!(fact("made topic a", &[("topic", "a".into())]).text(), "crossrate: made topic a\n");
        let told = fact("no", &[(WORD, "error".into()), (HINT, "do".into()), ("exit_code", 3.into())]);
        assert_eq!(told.text(), "crossrate: error: no\ncrossrate: hint: do\n");
    }

    /// Writes what a closure tells into a text, as JSON lines.
    fn told(tell: impl FnOnce()) -> Vec<Value> {
        struct Kept(std::sync::Arc<Mutex<Vec<String>>>);
        impl<S: Subscriber> Layer<S> for Kept {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                let mut fact = Fact::default();
                event.record(&mut fact);
                self.0.lock().expect("nobody panics").push(fact.json(event.metadata(), Some(2)));
            }
        }
        let lines = std::sync::Arc::new(Mutex::new(Vec::new()));
        let layer = Kept(std::sync::Arc::clone(&lines));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), tell);
        let lines = lines.lock().expect("nobody panics");
        lines.iter().map(|line| serde_json::from_str(line).expect("a line is one object")).collect()
    }

    #[test]
    fn a_json_line_has_time_level_module_sentence_and_each_field_by_its_kind() {
        let lines = told(|| {
            tracing::info!(
                partition = 3,
                rate = 1.5,
                is_last = true,
                name = "a\"b",
                offset = -1,
                "read {}\nmore",
                7
            );
            error("broken", Some("mend it"), 4);
            warning("odd");
        });
        let [read, broken, odd] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(read["message"], "read 7\nmore");
        assert_eq!((&read["level"], &read["module"]), (&"info".into(), &"logging::tests".into()));
        assert_eq!(
            (&read["partition"], &read["offset"], &read["rate"]),
            (&3.into(), &(-1).into(), &1.5.into())
        );
        assert_eq!(
            (&read["is_last"], &read["name"], &read["process"]),
            (&true.into(), &"a\"b".into(), &2.into())
        );
        assert!(read["time"].as_str().expect("a time").parse::<Timestamp>().is_ok());
        assert_eq!((&broken["level"], &broken["hint"]), (&"error".into(), &"mend it".into()));
        assert_eq!((&broken["exit_code"], &broken["message"]), (&4.into(), &"broken".into()));
        assert_eq!((&odd["level"], &odd["message"], odd.get("word")), (&"warn".into(), &"odd".into(), None));
    }
}
