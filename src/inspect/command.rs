//! The command that reads what was looked at.

use super::NO_SYMBOL;
use super::survey::Found;
use crate::config::inspect::Inspect;
use crate::config::{STDIN, Source};
use crate::duration::{LONGEST, rounded_up, show};
use crate::wire::format::BINANCE;
use crossrate_dataflows::market::decimal::Decimals;

/// A command that works, and what is to be known about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) notes: Vec<String>,
    pub(super) command: String,
}

/// The command for the inputs of the format that most of the trades have; for none it is the mapping that
/// comes nearest.
pub(super) fn command(inspect: &Inspect, found: &[Found]) -> Told {
    let Some(best) = found.iter().filter(|f| f.recognition.fits).max_by_key(|f| f.counts.accepted) else {
        return nothing_fits(found);
    };
    let format = name_of(best);
    // Each topic may have a format of its own.
    let is_topic = matches!(inspect.config.source, Source::Kafka(_));
    let is_read = |f: &&Found| {
        let same = name_of(f) == format && f.recognition.needs_symbol == best.recognition.needs_symbol;
        f.counts.read() == 0 || (is_topic || same) && f.recognition.fits
    };
    let read: Vec<&Found> = found.iter().filter(is_read).collect();
    let mut notes = Vec::new();
    if read.len() < found.len() {
        let others: Vec<&str> = found.iter().filter(|f| !is_read(f)).map(|f| f.name.as_str()).collect();
        notes.push(format!("not read with it, since the format is another one: {}", others.join(", ")));
    }
    let mut words = vec!["crossrate".to_owned(), "run".to_owned()];
    match &inspect.config.source {
        Source::Kafka(_) => {
            words.extend(inspect.reached_by.iter().cloned());
            for topic in &read {
                let format = name_of(topic);
                let is_default = format == BINANCE;
                let own = if is_default { String::new() } else { format!("={format}") };
                words.extend(["-t".to_owned(), format!("{}{own}", topic.name)]);
            }
            words.push("-e".to_owned());
        }
        _ => {
            words.extend(read.iter().map(|f| path(&f.name)));
            if format != BINANCE {
                words.extend(["--format".to_owned(), format]);
            }
        }
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
    let behind = rounded_up(read.iter().map(|f| f.most_behind).max().unwrap_or_default());
    if behind > LONGEST {
        notes.push("records are more than a year out of order: no --delay takes them all".into());
    } else if behind > inspect.config.definition.delay {
        words.extend(["--delay".to_owned(), show(behind)]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Told { notes, command: line(&words) }
}

fn nothing_fits(found: &[Found]) -> Told {
    let nearest = found.iter().find_map(|f| f.recognition.others.first()).map(|(name, _)| name.as_str());
    match nearest.filter(|name| !name.contains(['/', '.'])) {
        Some(name) => Told {
            notes: vec!["no format reads it; a mapping of your own may begin with the nearest".into()],
            command: line(&["crossrate", "formats", name]),
        },
        None => Told { notes: Vec::new(), command: "crossrate formats".into() },
    }
}

/// The format: its name, or the path of a user's mapping.
fn name_of(found: &Found) -> String {
    found.recognition.format.as_ref().map_or(BINANCE, |format| format.name()).to_owned()
}

fn symbol(inspect: &Inspect, found: &Found) -> Option<String> {
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
