//! Texts to values, one setting at a time. Whether two of them fit together is asked in `check`.

use super::usage::InvalidValue;
use crate::config::{AtEnd, KeepServing, LogFormat, ProgressDisplay, Speed};
use crate::duration::{self, LONGEST};
use crate::nearest::nearest;
use crate::wire::format::{BINANCE, BUILT_IN, Format, MappingFile};
use crate::wire::mapping::schema_file;
use crossrate_dataflows::market::decimal::Decimals;
use crossrate_dataflows::market::definition::{Emit, Fill, MissingLeg, RowKinds};
use crossrate_dataflows::market::formula::NAME_RULE;
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::trade::{Symbol, is_name};
use crossrate_dataflows::market::windows::{LENGTH_UNITS, Zone, nearest_zone, split_length};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Words for units that people write elsewhere, and their length in microseconds.
const FOREIGN_UNITS: [(&str, u64); 12] = [
    ("d", 86_400_000_000),
    ("day", 86_400_000_000),
    ("days", 86_400_000_000),
    ("hr", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("hours", 3_600_000_000),
    ("min", 60_000_000),
    ("mins", 60_000_000),
    ("minutes", 60_000_000),
    ("sec", 1_000_000),
    ("secs", 1_000_000),
    ("seconds", 1_000_000),
];

/// Splits `1h30m` into its numbers and units; `None` where it is nothing of the kind.
fn parts(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = text;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() || unit.is_empty() && !tail.is_empty() {
            return None;
        }
        parts.push((number, unit));
        rest = tail;
    }
    Some(parts)
}

/// What somebody who wrote `30`, `1.5s`, `1h30m` or `2min` will have meant, in the form that is right.
fn meant_duration(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase().replace([' ', '_'], "");
    let mut total = 0.0;
    for (number, unit) in parts(&text)? {
        let unit = if unit.is_empty() { "s" } else { unit };
        let mut units = LENGTH_UNITS.iter().chain(&FOREIGN_UNITS);
        let (_, length) = units.find(|(name, length)| *name == unit && *length >= 1_000)?;
        total += number.parse::<f64>().ok()? * (length / 1_000) as f64;
    }
    (total >= 1.0 && total <= (LONGEST / 1_000) as f64 && total.fract() == 0.0)
        .then(|| duration::show(total as u64 * 1_000))
}

/// A duration such as `250ms`, `30s`, `5m` or `1h`, zero included, in microseconds.
pub(super) fn duration(text: &str) -> Result<u64, InvalidValue> {
    const EXPECTED: &str = "a duration as one number and one unit, such as 250ms, 30s, 5m or 1h";
    let wrong = || match text.strip_suffix('M') {
        // A month elsewhere, where case tells it from a minute: neither is guessed.
        Some(number) if number.parse::<u64>().is_ok() => InvalidValue::new(text, EXPECTED)
            .hint(format!("{number}m are minutes; a month has no fixed length")),
        _ => InvalidValue::new(text, EXPECTED).perhaps(meant_duration(text).as_deref()),
    };
    // Rows have milliseconds.
    let (number, length) = split_length(text).filter(|(_, length)| *length >= 1_000).ok_or_else(wrong)?;
    // Only a number too great for 64 bits fails here, and that is more than the bound.
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(length)) {
        Some(micros) if micros <= LONGEST => Ok(micros),
        _ => Err(InvalidValue::new(text, "a duration of a year (8760h) at most")),
    }
}

/// A duration above zero, in microseconds.
pub(super) fn span(text: &str) -> Result<u64, InvalidValue> {
    match duration(text)? {
        0 => Err(InvalidValue::new(text, "a duration above zero, such as 250ms or 30s")),
        micros => Ok(micros),
    }
}

/// Window definitions, which mean something together with a time zone only.
pub(super) fn windows(texts: &[String]) -> Result<Vec<String>, InvalidValue> {
    match texts.iter().any(|text| text.is_empty()) {
        true => Err(InvalidValue::new("", "a window such as 10s, 1m/10s, 1d or anchored:1d/1m")),
        false => Ok(texts.to_vec()),
    }
}

/// A time zone.
pub(super) fn zone(text: &str) -> Result<Zone, InvalidValue> {
    Zone::named(text).ok_or_else(|| {
        let wrong = InvalidValue::new(text, "a time zone by its IANA name, such as Europe/Berlin");
        wrong.perhaps(nearest_zone(text).as_deref())
    })
}

/// A duration above zero, or `off`.
pub(super) fn span_or_off(text: &str) -> Result<Option<Duration>, InvalidValue> {
    if text == "off" {
        return Ok(None);
    }
    match duration(text) {
        Ok(0) => Err(InvalidValue::new(text, "a duration above zero, or off").perhaps(Some("off"))),
        Ok(micros) => Ok(Some(Duration::from_micros(micros))),
        Err(wrong) => {
            let or_off = InvalidValue::new(text, format!("{}, or off", wrong.expected));
            let hint = nearest(text, ["off"]).map(|off| format!("did you mean {off}?")).or(wrong.hint);
            Err(InvalidValue { hint, ..or_off })
        }
    }
}

/// The same of event time, in microseconds.
pub(super) fn event_span_or_off(text: &str) -> Result<Option<u64>, InvalidValue> {
    Ok(span_or_off(text)?.map(|span| span.as_micros() as u64))
}

/// How records are written: a name, or the path of a mapping file.
pub(super) fn format(text: &str) -> Result<Format, InvalidValue> {
    if text == BINANCE {
        return Ok(Format::Binance);
    }
    if let Some(file) = MappingFile::built_in(text) {
        return Ok(Format::Mapped(file));
    }
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).chain([BINANCE]).collect();
    let expected = format!("one of {}, or the path of a mapping file", names.join(", "));
    let is_path = text.contains(['/', '.']);
    match std::fs::read_to_string(text) {
        Ok(mapping) => {
            let schema = schema_of(text, &mapping)?;
            Ok(Format::Mapped(MappingFile::of_user(text, &mapping, schema.as_deref())))
        }
        Err(error) => Err(match is_path {
            true => InvalidValue::new(text, expected).hint(format!("it cannot be read: {error}")),
            false => InvalidValue::new(text, expected).perhaps(nearest(text, names)),
        }),
    }
}

/// What stands in the file of schemas that a mapping names; its path is relative to the mapping's folder.
fn schema_of(path: &str, mapping: &str) -> Result<Option<Vec<u8>>, InvalidValue> {
    let Some(name) = schema_file(mapping) else { return Ok(None) };
    let file = beside_mapping(path, &name);
    std::fs::read(&file).map(Some).map_err(|error| {
        let got = format!("{path}, which names {name:?}");
        InvalidValue::told(got, "the path of a file of schemas, relative to the mapping's folder")
            .hint(format!("{} cannot be read: {error}", file.display()))
    })
}

/// The files that a format is read from: of a user's mapping itself, and the schemas that it names.
pub(super) fn files_of_format(text: &str) -> Vec<PathBuf> {
    if text == BINANCE || MappingFile::built_in(text).is_some() {
        return Vec::new();
    }
    let schema = std::fs::read_to_string(text).ok().as_deref().and_then(schema_file);
    let schema = schema.map(|name| beside_mapping(text, &name));
    [PathBuf::from(text)].into_iter().chain(schema).collect()
}

fn beside_mapping(mapping: &str, name: &str) -> PathBuf {
    Path::new(mapping).parent().unwrap_or(Path::new("")).join(name)
}

/// A whole number within bounds, both included.
pub(super) fn count(text: &str, least: u64, greatest: u64) -> Result<u64, InvalidValue> {
    match text.parse::<u64>() {
        Ok(number) if (least..=greatest).contains(&number) && !text.starts_with('+') => Ok(number),
        _ => Err(InvalidValue::new(text, format!("a whole number from {least} to {greatest}"))),
    }
}

fn small_count(text: &str, least: u16, greatest: u16) -> Result<usize, InvalidValue> {
    count(text, least.into(), greatest.into()).map(|number| number as usize)
}

/// Worker threads of a process.
pub(super) fn threads(text: &str) -> Result<usize, InvalidValue> {
    small_count(text, 1, 1_024)
}

/// Processes of a cluster.
pub(super) fn processes(text: &str) -> Result<usize, InvalidValue> {
    small_count(text, 1, 1_024)
}

/// How often something is begun again.
pub(super) fn restarts(text: &str) -> Result<usize, InvalidValue> {
    small_count(text, 0, 1_000)
}

/// Of how many crosses rates are metrics.
pub(super) fn rate_metrics(text: &str) -> Result<usize, InvalidValue> {
    small_count(text, 0, 10_000)
}

/// The index of a process.
pub(super) fn process(text: &str) -> Result<usize, InvalidValue> {
    small_count(text, 0, 1_023)
}

/// Records of a batch.
pub(super) fn batch_records(text: &str) -> Result<usize, InvalidValue> {
    count(text, 1, 1_048_576).map(|number| number as usize)
}

/// Symbols of one connection: the exchange takes no more streams.
pub(super) fn connection_symbols(text: &str) -> Result<usize, InvalidValue> {
    small_count(text, 1, 1_024)
}

/// Any number that a generator may start from.
pub(super) fn seed(text: &str) -> Result<u64, InvalidValue> {
    count(text, 0, u64::MAX)
}

/// How many windows statistics run over, or `all`.
pub(super) fn stats_last(text: &str) -> Result<Option<u64>, InvalidValue> {
    if text == "all" {
        return Ok(None);
    }
    count(text, 1, 10_000_000).map(Some).map_err(|wrong| {
        InvalidValue::new(text, format!("{}, or all", wrong.expected)).perhaps(nearest(text, ["all"]))
    })
}

/// How fast the demonstration runs.
pub(super) fn speed(text: &str) -> Result<Speed, InvalidValue> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.strip_suffix('x').unwrap_or(text).parse::<f64>() {
        // Comparisons with NaN are false, and infinity is out of the range.
        Ok(times) if (0.01..=1_000_000.0).contains(&times) => Ok(Speed::Times(times)),
        _ => Err(InvalidValue::new(text, "event seconds per second from 0.01 to 1000000, or max")
            .perhaps(nearest(text, ["max"]))),
    }
}

/// One of a few words.
fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, InvalidValue> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let expected = match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.join(""),
    };
    Err(InvalidValue::new(text, expected).perhaps(nearest(text, names)))
}

const EMIT: [(&str, Emit); 2] = [("final", Emit::Final), ("changes", Emit::Changes)];
const MISSING_LEG: [(&str, MissingLeg); 3] =
    [("null", MissingLeg::Null), ("carry", MissingLeg::Carry), ("withhold", MissingLeg::Withhold)];
const AT_END: [(&str, AtEnd); 2] = [("close", AtEnd::Close), ("keep", AtEnd::Keep)];
const FILL: [(&str, Fill); 3] = [("none", Fill::None), ("null", Fill::Null), ("previous", Fill::Previous)];
const DEDUP: [(&str, bool); 2] = [("partition", true), ("off", false)];
const PROGRESS: [(&str, ProgressDisplay); 3] =
    [("auto", ProgressDisplay::Auto), ("always", ProgressDisplay::Always), ("never", ProgressDisplay::Never)];
const LOG_FORMAT: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
const STAY: [(&str, KeepServing); 3] =
    [("auto", KeepServing::Auto), ("always", KeepServing::Always), ("never", KeepServing::Never)];

/// The words that a setting is one of, for the completion of a shell; none where it takes other values too.
pub(super) fn words_of(setting: &str) -> Vec<&'static str> {
    fn names<T>(words: &[(&'static str, T)]) -> Vec<&'static str> {
        words.iter().map(|(word, _)| *word).collect()
    }
    match setting {
        "emit" => names(&EMIT),
        "missing-leg" => names(&MISSING_LEG),
        "at-end" => names(&AT_END),
        "fill" => names(&FILL),
        "dedup" => names(&DEDUP),
        "progress" => names(&PROGRESS),
        "log-format" => names(&LOG_FORMAT),
        "stay" => names(&STAY),
        _ => Vec::new(),
    }
}

/// When rows leave.
pub(super) fn emit(text: &str) -> Result<Emit, InvalidValue> {
    word(text, &EMIT)
}

/// How what is told is written.
pub(super) fn log_format(text: &str) -> Result<LogFormat, InvalidValue> {
    word(text, &LOG_FORMAT)
}

/// What a missing leg gives.
pub(super) fn missing_leg(text: &str) -> Result<MissingLeg, InvalidValue> {
    word(text, &MISSING_LEG)
}

/// What becomes of what is open at the end.
pub(super) fn at_end(text: &str) -> Result<AtEnd, InvalidValue> {
    word(text, &AT_END)
}

/// How many decimals numbers have.
pub(super) fn decimals(text: &str) -> Result<u8, InvalidValue> {
    let most = Decimals::MOST;
    let plain = !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let places = text.parse().ok().filter(|places| plain && *places <= most);
    places.ok_or_else(|| InvalidValue::new(text, format!("a whole number from 0 to {most}")))
}

/// What windows without trades have.
pub(super) fn fill(text: &str) -> Result<Fill, InvalidValue> {
    word(text, &FILL)
}

/// Whether repeated trades are recognised, and within what.
pub(super) fn dedup(text: &str) -> Result<bool, InvalidValue> {
    word(text, &DEDUP)
}

/// When progress is shown.
pub(super) fn progress(text: &str) -> Result<ProgressDisplay, InvalidValue> {
    word(text, &PROGRESS)
}

/// Whether serving goes on after the end of the input.
pub(super) fn stay(text: &str) -> Result<KeepServing, InvalidValue> {
    word(text, &STAY)
}

/// A switch, as the environment and files give it.
pub(super) fn switch(text: &str) -> Result<bool, InvalidValue> {
    let words = [("true", true), ("false", false), ("1", true), ("0", false), ("yes", true), ("no", false)];
    word(&text.to_ascii_lowercase(), &words).map_err(|_| InvalidValue::new(text, "true or false"))
}

/// Which kinds of rows leave: words joined by commas.
pub(super) fn rows(text: &str) -> Result<RowKinds, InvalidValue> {
    let names = RowKind::ALL.map(RowKind::as_str);
    let kind = |name| {
        RowKind::parse(name).ok_or_else(|| {
            InvalidValue::new(text, format!("some of {}", names.join(","))).perhaps(nearest(name, names))
        })
    };
    text.split(',').map(str::trim).map(kind).collect()
}

/// The text of a file that a setting names.
pub(super) fn text_of(path: &Path) -> Result<String, InvalidValue> {
    let shown = path.display().to_string();
    std::fs::read_to_string(path)
        .map_err(|error| InvalidValue::told(format!("{shown:?}: {error}"), "a file that can be read"))
}

/// The symbols of `--symbols`: `None` stands for all of them.
pub(super) fn symbols(texts: &[String]) -> Result<Option<Vec<Symbol>>, InvalidValue> {
    const EXPECTED: &str = "symbols joined by commas, such as BTCUSDT,ETHUSDT, or all";
    let names: Vec<&str> = texts.iter().flat_map(|text| text.split(',')).map(str::trim).collect();
    if names == ["all"] {
        return Ok(None);
    }
    let joined = texts.join(" ");
    if names.contains(&"all") {
        return Err(InvalidValue::new(&joined, EXPECTED).hint("all stands alone"));
    }
    if names.iter().any(|name| name.is_empty()) {
        return Err(InvalidValue::new(&joined, EXPECTED).hint("one of the names is empty"));
    }
    if let Some(name) = names.iter().find(|name| !is_name(name.as_bytes())) {
        return Err(InvalidValue::new(name, EXPECTED).hint(NAME_RULE));
    }
    Ok(Some(names.into_iter().map(Symbol::new).collect()))
}

/// One symbol.
pub(super) fn symbol(text: &str) -> Result<String, InvalidValue> {
    const EXPECTED: &str = "the name of a symbol, such as BTCUSDT";
    match text.trim() {
        "" => Err(InvalidValue::new(text, EXPECTED)),
        name if !is_name(name.as_bytes()) => Err(InvalidValue::new(text, EXPECTED).hint(NAME_RULE)),
        name => Ok(name.to_owned()),
    }
}

/// Texts as they are.
pub(super) fn texts(texts: &[String]) -> Result<Vec<String>, InvalidValue> {
    Ok(texts.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_parse_to_microseconds() {
        let right = [
            ("0s", 0),
            ("0ms", 0),
            ("250ms", 250_000),
            ("30s", 30_000_000),
            ("5m", 300_000_000),
            ("1h", 3_600_000_000),
            ("8760h", 31_536_000_000_000),
            ("007s", 7_000_000),
        ];
        for (text, micros) in right {
            assert_eq!(duration(text), Ok(micros), "{text}");
        }
        let wrong = [
            ("30", Some("did you mean 30s?")),
            ("1h30m", Some("did you mean 90m?")),
            ("1.5s", Some("did you mean 1500ms?")),
            ("2min", Some("did you mean 2m?")),
            ("1d", Some("did you mean 24h?")),
            ("30 s", Some("did you mean 30s?")),
            ("30S", Some("did you mean 30s?")),
            ("1M", Some("1m are minutes; a month has no fixed length")),
            ("1h30M", Some("did you mean 90m?")),
            ("-5s", None),
            ("+5s", None),
            ("s", None),
            ("", None),
            ("ten seconds", None),
            ("1us", None),
            ("8761h", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
            ("٣s", None),
        ];
        for (text, hint) in wrong {
            assert_eq!(duration(text).unwrap_err().hint.as_deref(), hint, "{text}");
        }
        assert!(span("0s").is_err());
        assert_eq!(span_or_off("off"), Ok(None));
        assert_eq!(span_or_off("30s"), Ok(Some(Duration::from_secs(30))));
        assert_eq!(span_or_off("30").unwrap_err().hint.as_deref(), Some("did you mean 30s?"));
        assert_eq!(span_or_off("of").unwrap_err().hint.as_deref(), Some("did you mean off?"));
    }

    #[test]
    fn odd_names_of_symbols_are_refused_with_a_hint() {
        let texts = |text: &str| symbols(&[text.to_owned()]);
        assert!(texts("BTCUSDT, coinbase:BTC-USD,-x").is_ok());
        for wrong in ["=1+2", "A|B", "A B", "A\"", "A\u{7f}", &"B".repeat(65)] {
            let hint = texts(&format!("BTCUSDT,{wrong}")).unwrap_err().hint;
            assert_eq!(hint.as_deref(), Some(NAME_RULE), "{wrong}");
            assert_eq!(symbol(wrong).unwrap_err().hint.as_deref(), Some(NAME_RULE), "{wrong}");
        }
    }

    #[test]
    fn a_duration_shown_reads_back() {
        for micros in [0, 1_000, 250_000, 1_500_000, 90_000_000, 5_400_000_000, 86_400_000_000] {
            assert_eq!(duration(&duration::show(micros)), Ok(micros));
        }
    }

    #[test]
    fn speeds_are_finite_and_positive() {
        assert_eq!(speed("max"), Ok(Speed::Max));
        assert_eq!(speed("0.5"), Ok(Speed::Times(0.5)));
        assert_eq!(speed("10x"), Ok(Speed::Times(10.0)));
        for text in ["0", "-1", "nan", "inf", "", "fast", "1e9"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }
}
