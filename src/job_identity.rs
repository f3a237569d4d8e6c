//! What the processes of one run must agree on, and the words for what they do not.

use crate::config::{Config, Source, TopicFormat};
use crate::duration;
use crate::flag_words::in_flags;
use crate::terminal::printable;
use crate::wire::format::Format;
use crossrate_dataflows::market::changes::{DatedChange, DefinitionTimeline};
use crossrate_dataflows::market::definition::Definition;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What every process of a run must have in common. It travels in the handshake, whole, so that a process
/// that differs can be told in what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The version of the program.
    pub version: String,
    /// `-n`.
    pub processes: usize,
    /// `-w`.
    pub threads: usize,
    /// Made up by the process that started all the others; empty where each was started by hand.
    pub run: String,
    /// The job, as pairs of a flag's name and its value, by which differences are named: what is computed,
    /// and the settings whose entries say that all processes agree on them. No secrets, and of files only the
    /// names, since mounts differ from machine to machine.
    pub job: Vec<(String, String)>,
}

impl Identity {
    /// The identity of the run that `config` describes.
    pub fn of(config: &Config) -> Identity {
        let agreed = config.agreed.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Identity {
            version: VERSION.into(),
            processes: config.cluster.processes,
            threads: config.cluster.threads,
            run: String::new(),
            job: definition(config).into_iter().chain(agreed).collect(),
        }
    }

    /// What keeps `theirs` from being a process of the same run, in words for people; `them` is how they are
    /// called there. The first difference of a kind that explains the others is told alone.
    pub(crate) fn difference(&self, theirs: &Identity, them: &str) -> Option<String> {
        let words = if self.version != theirs.version {
            format!("{them} is crossrate {}, this one {}", theirs.version, self.version)
        } else if self.processes != theirs.processes {
            format!("{them} was started with -n {}, this one with -n {}", theirs.processes, self.processes)
        } else if self.threads != theirs.threads {
            format!("{them} was started with -w {}, this one with -w {}", theirs.threads, self.threads)
        } else if self.run != theirs.run {
            format!("{them} belongs to another run")
        } else {
            let differences = pair_differences(&self.job, &theirs.job, "there", "here");
            let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
            match differences.len() {
                0 => return None,
                count if count > SHOWN => {
                    format!("{them} runs another job: {shown}; and {} more", count - SHOWN)
                }
                _ => format!("{them} runs another job: {shown}"),
            }
        };
        // Some of it is their text.
        Some(printable(words.as_bytes()))
    }
}

/// What two processes must share to understand each other's bytes.
const VERSION: &str = if cfg!(feature = "abomonation") {
    concat!(env!("CARGO_PKG_VERSION"), " with abomonation")
} else {
    env!("CARGO_PKG_VERSION")
};

/// So many differing flags are named.
const SHOWN: usize = 6;

/// Longer values are cut in messages.
const VALUE_CHARS: usize = 60;

/// The names whose values differ, each with both values; `there` and `here` say whose they are.
pub(crate) fn pair_differences(
    ours: &[(String, String)],
    theirs: &[(String, String)],
    there_is: &str,
    here_is: &str,
) -> Vec<String> {
    let (ours, theirs) = (&in_flags(ours)[..], &in_flags(theirs)[..]);
    let find = |pairs: &[(String, String)], name: &str| {
        pairs.iter().find(|(other, _)| other == name).map_or("unset".to_owned(), |(_, value)| clip(value))
    };
    let mut names: Vec<&str> = ours.iter().chain(theirs).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let value = |pairs: &'_ [(String, String)], name: &str| {
        pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    };
    names
        .into_iter()
        .filter(|name| value(ours, name) != value(theirs, name))
        .map(|name| {
            let (there, here) = (find(theirs, name), find(ours, name));
            // Two long values may differ only behind the cut.
            if there == here {
                format!("{name} differs")
            } else {
                format!("{name} is {there} {there_is}, {here} {here_is}")
            }
        })
        .collect()
}

fn clip(value: &str) -> String {
    match value.char_indices().nth(VALUE_CHARS) {
        Some((cut, _)) => format!("{}..", &value[..cut]),
        None => value.to_owned(),
    }
}

/// A definition as pairs.
pub(crate) fn pairs_of(definition: &Definition) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    match serde_json::to_value(definition) {
        Ok(definition) => flatten("", &definition, &mut pairs),
        Err(error) => pairs.push(("job".into(), error.to_string())),
    }
    pairs
}

/// What is computed, as pairs: all that rows depend on besides the input's content.
pub(crate) fn definition(config: &Config) -> Vec<(String, String)> {
    let mut pairs = pairs_of(&config.definition);
    let mut add = |name: &str, value: String| pairs.push((name.into(), value));
    let mut format = String::new();
    match &config.source {
        Source::Kafka(kafka) => {
            add("from", "kafka".into());
            add("topic", config.source.topics().join(" "));
            format = formats(&kafka.topics);
        }
        Source::Simulated(simulated) => add("from", format!("{simulated:?}")),
        Source::Files(files) => {
            let names = files.paths.iter().map(|path| match path.file_name() {
                Some(name) => name.to_string_lossy().into_owned(),
                None => path.display().to_string(),
            });
            add("from", names.collect::<Vec<_>>().join(" "));
            format = named(&files.format);
            add("symbol", files.symbol.clone().unwrap_or_else(|| "unset".into()));
        }
    }
    // Earlier releases knew one format and did not name it.
    if !format.is_empty() {
        add("format", format);
    }
    pairs
}

/// What tells a format from others; nothing of the one that needs no mention.
fn named(format: &Format) -> String {
    if *format == Format::Binance { String::new() } else { format.identity() }
}

/// The format of a topic; of several topics those that have another one than the default, by their names.
fn formats(topics: &[TopicFormat]) -> String {
    match topics {
        [topic] => named(&topic.format),
        topics => {
            let others = topics.iter().filter(|topic| topic.format != Format::Binance);
            let told = others.map(|topic| format!("{}={}", topic.name, topic.format.identity()));
            told.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Fields of the definition that are microseconds.
const DURATIONS: [&str; 8] =
    ["delay", "grace", "tick", "max-carry", "max-ahead", "max-jump", "max-fill", "back-fill"];

/// A JSON object as pairs, named like the flags.
fn flatten(name: &str, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        quotes if name == "quotes" => pairs.push((name.into(), quotes.to_string())),
        Value::Object(fields) => {
            for (field, value) in fields {
                let field = field.replace('_', "-");
                let flag = match (name, field.as_str()) {
                    ("", "windows") => "window".into(),
                    ("", _) => field,
                    _ => format!("{name}.{field}"),
                };
                flatten(&flag, value, pairs);
            }
        }
        Value::Array(windows) if name == "window" => {
            let windows: Vec<&str> = windows.iter().filter_map(Value::as_str).collect();
            pairs.push((name.into(), windows.join(" ")));
        }
        Value::Number(number) if DURATIONS.contains(&name) => {
            pairs.push((name.into(), number.as_u64().map_or(number.to_string(), duration::show)));
        }
        Value::String(text) => pairs.push((name.into(), text.clone())),
        other => pairs.push((name.into(), other.to_string())),
    }
}

/// The definition that [`definition`] has made pairs of; none where a program wrote them that knew less or
/// more.
pub(crate) fn definition_of(pairs: &[(String, String)]) -> Option<Definition> {
    let mut fields = Map::new();
    for (name, text) in pairs {
        match name.as_str() {
            "window" => {
                let slide = pairs.iter().find(|(other, _)| other == "slide").map(|(_, slide)| slide.as_str());
                fields.insert("windows".into(), windows_of(text, slide));
                continue;
            }
            "slide" => continue,
            _ => {}
        }
        let value = match duration::parse(text).filter(|_| DURATIONS.contains(&name.as_str())) {
            Some(micros) => micros.into(),
            // What is not JSON was a text.
            None => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        };
        let parts = name.split_once('.').map(|(outer, inner)| (outer, Some(inner)));
        let (outer, inner) = parts.unwrap_or((name, None));
        let outer = outer.replace('-', "_");
        match inner {
            None => drop(fields.insert(outer, value)),
            Some(inner) => {
                let object = fields.entry(outer).or_insert_with(|| Map::new().into()).as_object_mut()?;
                object.insert(inner.replace('-', "_"), value);
            }
        }
    }
    // What else is among the pairs has other names, and is passed over.
    serde_json::from_value(fields.into()).ok()
}

/// The window definitions of a pair. Earlier releases knew one, and its slide in a pair of its own.
fn windows_of(text: &str, slide: Option<&str>) -> Value {
    match slide.filter(|slide| duration::parse(slide) != duration::parse(text)) {
        Some(slide) => vec![format!("{text}/{slide}")].into(),
        None => text.split(' ').collect::<Vec<_>>().into(),
    }
}

/// The pairs of a checkpoint, with those that its program did not know yet: each as what it means by default,
/// which is what that program did. Of a kind of rows that was not there none could leave, whether it is asked
/// for now or not.
pub(crate) fn completed(theirs: &[(String, String)], ours: &[(String, String)]) -> Vec<(String, String)> {
    let mut pairs = theirs.to_vec();
    let Some(known) = definition_of(theirs).as_ref().map(pairs_of) else { return pairs };
    // Earlier releases had the slide beside the window, and a leg stood in for five minutes where nothing was
    // said.
    if pairs.iter().any(|(name, _)| name == "slide") {
        pairs.retain(|(name, _)| name != "slide" && name != "window");
        let unset = ours.iter().any(|(name, value)| name == "max-carry" && value == "null");
        if unset && short_windows(&known) {
            let by_default = pairs.iter_mut().filter(|(name, value)| name == "max-carry" && value == "5m");
            by_default.for_each(|(_, value)| *value = "null".into());
        }
    }
    for (name, by_default) in known {
        if pairs.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let asked = ours.iter().find(|(other, _)| *other == name && name.starts_with("rows."));
        let value = asked.map_or(by_default, |(_, value)| value.clone());
        pairs.push((name, value));
    }
    pairs
}

/// Whether a pair says which crosses and symbols there are: what may change while a job runs.
fn may_change((name, _): &&(String, String)) -> bool {
    name == "crosses" || name == "symbols" || name.starts_with("symbols.")
}

/// The pairs with the crosses and symbols of others.
pub(crate) fn with_symbols_of(pairs: &[(String, String)], of: &[(String, String)]) -> Vec<(String, String)> {
    let others = pairs.iter().filter(|pair| !may_change(pair));
    others.chain(of.iter().filter(may_change)).cloned().collect()
}

/// The pairs after changes of the definition.
pub(crate) fn after_changes(pairs: &[(String, String)], log: &[DatedChange]) -> Vec<(String, String)> {
    let Some(begun) = definition_of(pairs).filter(|_| !log.is_empty()) else { return pairs.to_vec() };
    let definition = DefinitionTimeline::of(&begun).after(log).in_force_of(&begun);
    with_symbols_of(pairs, &pairs_of(&definition))
}

/// A job may get more files, behind those that it has: its pairs are then as if it had had them.
pub(crate) fn with_more_files(theirs: &mut [(String, String)], ours: &[(String, String)]) {
    let named = |pair: &&(String, String)| pair.0 == "from";
    let Some((_, now)) = ours.iter().find(named) else { return };
    let before = theirs.iter_mut().find(|(name, _)| name == "from");
    if let Some((_, files)) = before.filter(|(_, files)| now.starts_with(&format!("{files} "))) {
        files.clone_from(now);
    }
}

/// Whether no window is longer than the five minutes for which a leg stands in at least.
fn short_windows(pairs: &[(String, String)]) -> bool {
    let mut windows = pairs.iter().filter(|(name, _)| name == "window").flat_map(|(_, text)| text.split(' '));
    windows.all(|window| {
        duration::parse(window.split('/').next().unwrap_or(window)).is_some_and(|l| l <= 300_000_000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossrate_dataflows::market::definition::{Cross, Emit, Leg, MissingLeg, Selection, Windows};
    use crossrate_dataflows::market::schema::RowKind;
    use crossrate_dataflows::market::trade::Symbol;

    #[test]
    fn a_definition_written_as_flags_reads_back() {
        let leg = |symbol: &str, inverse| Leg { symbol: Symbol::new(symbol), inverse };
        let plain = Definition {
            crosses: Vec::new(),
            symbols: Selection::All,
            windows: Windows::sliding(30_000_000, 30_000_000),
            delay: 5_000_000,
            grace: 0,
            emit: Emit::Final,
            provisional: false,
            tick: 250_000,
            rows: [RowKind::Symbol, RowKind::Cross].into_iter().collect(),
            max_ahead: 1,
            ..Definition::default()
        };
        let other = Definition {
            crosses: vec![Cross {
                name: Symbol::new("币安\"X"),
                legs: vec![leg("A.B-C", false), leg("D", true)],
            }],
            symbols: Selection::Only(["A.B-C", "D"].map(Symbol::new).into()),
            windows: Windows::sliding(60_000_000, 250_000),
            emit: Emit::Changes,
            missing_leg: MissingLeg::Carry,
            stats_last: Some(20),
            max_jump: Some(3_600_000_000),
            ..plain.clone()
        };
        for definition in [plain, other] {
            let mut pairs = pairs_of(&definition);
            pairs.extend(
                [("from", "kafka"), ("topic", "[1"), ("symbol", "unset")].map(|(a, b)| (a.into(), b.into())),
            );
            assert_eq!(definition_of(&pairs), Some(definition));
            pairs.retain(|(name, _)| name != "grace");
            assert_eq!(definition_of(&pairs), None, "the grace is not known");
        }
    }

    #[test]
    fn a_kind_of_rows_that_an_older_program_did_not_know_is_no_difference() {
        let with_stats = pairs_of(&Definition::default());
        let only = [RowKind::Symbol, RowKind::Cross, RowKind::Basis].into_iter().collect();
        let without_stats = pairs_of(&Definition { rows: only, ..Definition::default() });
        let mut older = with_stats.clone();
        older.retain(|(name, _)| name != "rows.stats");
        for ours in [&with_stats, &without_stats] {
            let differences = pair_differences(ours, &completed(&older, ours), "before", "now");
            assert_eq!(differences, <[&str; 0]>::default());
        }
        let differences =
            pair_differences(&without_stats, &completed(&with_stats, &without_stats), "before", "now");
        assert_eq!(differences, ["rows is symbol,cross,stats,basis before, symbol,cross,basis now"]);
        older.retain(|(name, _)| name != "grace");
        assert_eq!(completed(&older, &with_stats), older, "what is no definition is left as it is");
    }

    fn identity(job: &[(&str, &str)]) -> Identity {
        Identity {
            version: "1.0.0".into(),
            processes: 2,
            threads: 1,
            run: String::new(),
            job: job.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        }
    }

    #[test]
    fn equal_identities_have_no_difference() {
        let one = identity(&[("window", "10s")]);
        assert_eq!(one.difference(&one.clone(), "process 1"), None);
    }

    #[test]
    fn the_differing_flags_are_named_with_both_values() {
        let (ours, theirs) =
            (identity(&[("window", "10s"), ("a", "1")]), identity(&[("window", "30s"), ("a", "1")]));
        let words = ours.difference(&theirs, "process 1");
        assert_eq!(words.as_deref(), Some("process 1 runs another job: window is 30s there, 10s here"));
    }

    #[test]
    fn a_setting_that_an_earlier_release_did_not_know_had_its_default() {
        let with = |max_jump| pairs_of(&Definition { max_jump, ..Definition::default() });
        let mut older = with(None);
        older.retain(|(name, _)| name != "max-jump");
        let differences =
            |now: &[(String, String)]| pair_differences(now, &completed(&older, now), "then", "now");
        assert_eq!(differences(&with(None)), Vec::<String>::new());
        assert_eq!(differences(&with(Some(3_600_000_000))), ["max-jump is off then, 1h now"]);
    }

    #[test]
    fn a_missing_and_a_long_value_are_told() {
        let (long, longer) = ("x".repeat(100), "x".repeat(101));
        let words =
            identity(&[("a", &long), ("b", "1")]).difference(&identity(&[("a", &longer)]), "process 1");
        assert_eq!(words.as_deref(), Some("process 1 runs another job: a differs; b is unset there, 1 here"));
    }

    #[test]
    fn a_difference_names_processes_and_versions_before_flags() {
        let ours = identity(&[("window", "10s")]);
        let other = Identity { processes: 3, ..identity(&[]) };
        assert_eq!(
            ours.difference(&other, "it").as_deref(),
            Some("it was started with -n 3, this one with -n 2")
        );
        let other = Identity { threads: 4, ..identity(&[]) };
        assert_eq!(
            ours.difference(&other, "it").as_deref(),
            Some("it was started with -w 4, this one with -w 1")
        );
        let other = Identity { version: "2.0.0".into(), ..other };
        assert_eq!(ours.difference(&other, "it").as_deref(), Some("it is crossrate 2.0.0, this one 1.0.0"));
    }

    #[test]
    fn the_definition_is_named_like_the_flags() {
        let value = serde_json::json!({"windows": ["10s/250ms", "1d"], "max_carry": 300_000_000,
            "rows": {"symbol": true}, "emit": "Final", "stats_last": null});
        let mut pairs = Vec::new();
        flatten("", &value, &mut pairs);
        pairs.sort();
        let expected = [
            ("emit", "Final"),
            ("max-carry", "5m"),
            ("rows.symbol", "true"),
            ("stats-last", "null"),
            ("window", "10s/250ms 1d"),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
