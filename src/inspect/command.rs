//! The command that reads what was looked at.

use super::NO_SYMBOL;
use super::clocks::Clocks;
use super::survey::SurveyResult;
use crate::config::inspect::Inspect;
use crate::config::{STDIN, Source};
use crate::duration::{LONGEST, rounded_up, show};
use crate::wire::format::BINANCE;
use crossrate_dataflows::market::decimal::Decimals;

/// A command that works, and what is to be known about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SuggestedCommand {
    pub(super) notes: Vec<String>,
    pub(super) command: String,
}

/// The command for the inputs of the format that most of the trades have; for none it is the mapping that
/// comes nearest. Nothing where all inputs are refused: each refusal says what to do.
pub(super) fn command(inspect: &Inspect, found: &[SurveyResult]) -> Option<SuggestedCommand> {
    let fitting = found.iter().filter(|f| f.recognition.fits());
    let Some(best) = fitting.max_by_key(|f| f.counts.accepted) else {
        let is_any_looked_at = found.iter().any(|f| f.failure.is_none());
        return is_any_looked_at.then(|| nothing_fits(inspect, found));
    };
    // Each topic may have a format of its own.
    let is_topic = matches!(inspect.config.source, Source::Kafka(_));
    let is_read = |f: &&SurveyResult| {
        let same = f.format_name() == best.format_name()
            && f.recognition.needs_symbol == best.recognition.needs_symbol;
        (f.is_empty() && f.failure.is_none()) || (is_topic || same) && f.recognition.fits()
    };
    let read: Vec<&SurveyResult> = found.iter().filter(is_read).collect();
    let mut notes = left_out(found.iter().filter(|f| !is_read(f)));
    let mut words = vec!["crossrate".to_owned(), "run".to_owned()];
    match &inspect.config.source {
        Source::Kafka(_) => {
            words.extend(inspect.reached_by.iter().cloned());
            words.extend(read.iter().flat_map(|topic| named(topic)));
            words.push("-e".to_owned());
        }
        Source::Files(files) => {
            words.extend(read.iter().map(|f| path(&f.name)));
            let format = best.format_name();
            if format != BINANCE {
                words.extend(["--format".to_owned(), format.to_owned()]);
            }
            if !files.verify {
                words.push("--no-verify".to_owned());
            }
        }
        Source::Simulated(_) => {}
    }
    if let Some(symbol) = symbol(inspect, best) {
        if best.recognition.needs_symbol {
            notes.push(format!("the symbol stands nowhere: write it in the place of {NO_SYMBOL}"));
        }
        words.extend(["--symbol".to_owned(), symbol]);
    }
    let decimals = inspect.config.definition.decimals();
    for (flag, places) in [("--price-decimals", decimals.price), ("--quantity-decimals", decimals.quantity)] {
        if places != Decimals::EIGHT.price {
            words.extend([flag.to_owned(), places.to_string()]);
        }
    }
    words.extend(["--symbols".to_owned(), "all".to_owned()]);
    in_order(inspect, &read, &mut words, &mut notes);
    for damaged in read.iter().filter(|f| f.failure.is_some()) {
        notes.push(format!("it ends at the damage until {} is there as a whole", damaged.name));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(SuggestedCommand { notes, command: line(&words) })
}

/// Inputs that the command does not read.
fn left_out<'a>(others: impl Iterator<Item = &'a SurveyResult>) -> Vec<String> {
    let (other, unread): (Vec<&SurveyResult>, Vec<&SurveyResult>) =
        others.partition(|f| f.recognition.fits());
    let reasons = [("the format is another one", other), ("no format reads it", unread)];
    let note = |(reason, found): (&str, Vec<&SurveyResult>)| {
        let names: Vec<&str> = found.iter().map(|f| f.name.as_str()).collect();
        (!names.is_empty()).then(|| format!("not read with it, since {reason}: {}", names.join(", ")))
    };
    reasons.into_iter().filter_map(note).collect()
}

/// The flags by which no trade is lost that is out of order; of a wild clock those that refuse it.
fn in_order(inspect: &Inspect, read: &[&SurveyResult], words: &mut Vec<String>, notes: &mut Vec<String>) {
    let mut clocks = Clocks::default();
    read.iter().for_each(|f| clocks.add(&f.clocks));
    let delay = inspect.config.definition.delay;
    let now = clocks.as_they_are();
    let cure = clocks.cure().filter(|_| now.most_behind > delay);
    if let Some((length, tally)) = cure {
        words.extend(["--max-jump".to_owned(), show(length)]);
        let refused = tally.refused;
        notes.push(match refused {
            1 => "one record runs far ahead of the others: --max-jump refuses it".into(),
            _ => format!("{refused} records run far ahead of the others: --max-jump refuses them"),
        });
    }
    let behind = rounded_up(cure.map_or(now, |(_, tally)| tally).most_behind);
    if behind > LONGEST {
        notes.push("records are more than a year out of order: no --delay takes them all".into());
    } else if behind > delay {
        words.extend(["--delay".to_owned(), show(behind)]);
    }
}

fn nothing_fits(inspect: &Inspect, found: &[SurveyResult]) -> SuggestedCommand {
    let is_given = |f: &&SurveyResult| f.recognition.is_given && !f.is_empty();
    if let Some(given) = found.iter().find(is_given) {
        let mut words = vec!["crossrate".to_owned(), "inspect".to_owned()];
        match &inspect.config.source {
            Source::Kafka(_) => {
                words.extend(inspect.reached_by.iter().cloned());
                words.extend(found.iter().flat_map(|f| ["-t".to_owned(), f.name.clone()]));
            }
            _ => words.extend(found.iter().map(|f| path(&f.name))),
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let name = given.recognition.others.first().map_or("the format", |(name, _)| name.as_str());
        let note = format!("{name} reads none of it; without --format every format is tried:");
        return SuggestedCommand { notes: vec![note], command: line(&words) };
    }
    match found.iter().find_map(|f| f.recognition.nearest.as_deref()) {
        Some(name) => {
            let note = format!(
                "no format reads it; a mapping of your own may begin with the nearest: \
                 crossrate formats {name} > mine.toml, mend what it says, then --format mine.toml"
            );
            SuggestedCommand { notes: vec![note], command: line(&["crossrate", "formats", name]) }
        }
        None => {
            let is_any = found.iter().any(|f| !f.is_empty());
            let notes =
                is_any.then(|| "no format reads it, and none comes near; these are known:".to_owned());
            SuggestedCommand { notes: notes.into_iter().collect(), command: "crossrate formats".into() }
        }
    }
}

/// A topic with its format, where that is not the default.
fn named(topic: &SurveyResult) -> [String; 2] {
    let format = topic.format_name();
    let own = if format == BINANCE { String::new() } else { format!("={format}") };
    ["-t".to_owned(), format!("{}{own}", topic.name)]
}

fn symbol(inspect: &Inspect, found: &SurveyResult) -> Option<String> {
    match &inspect.config.source {
        Source::Files(files) if files.symbol.is_some() => files.symbol.clone(),
        _ => found.recognition.needs_symbol.then(|| NO_SYMBOL.to_owned()),
    }
}

/// A path that is taken for nothing else.
fn path(name: &str) -> String {
    let is_word = name != STDIN && name.starts_with('-') || name == "kafka" || name == "demo";
    if is_word { format!("./{name}") } else { name.to_owned() }
}

/// Words as a shell takes them.
fn line(words: &[&str]) -> String {
    let is_plain = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&b))
    };
    let quoted = |word: &&str| match is_plain(word) {
        true => (*word).to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
