//! The keys of a checkpoint's entries: one printer, one parser.
//!
//! A store keeps keys as text. An entry is made and found by its [`EntryKey`] alone, so that the text has one
//! form.

use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::InWindows;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// What an entry of a checkpoint is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKey {
    /// Version, definition, the event time until which rows are out, and when the last window is final.
    Job,
    /// Where a partition is.
    Head(u32),
    /// Which records of a partition jumped, where a restart must know.
    Jumps(u32),
    /// The boundaries of civil windows that a partition's trades were judged by; of a job without a time
    /// zone there are none.
    Boundaries(u32),
    /// That an earlier run read a file to its end and kept open what was.
    End(u32),
    /// How what was read of a file until there is known again.
    Read(u32),
    /// A block of a partition's symbols: by which kind each is counted, and the greatest id of its panes that
    /// are done.
    SymbolBlock(u32, u32),
    /// All symbols of a partition: of a job that had ended when it was taken up, and as earlier versions
    /// wrote it.
    Symbols(u32),
    /// Sums that a partition has handed over and that windows still need: partition, end of the pane, date.
    Pane(u32, EventTime, EventTime),
    /// The window of a symbol that stands in for later ones.
    Carried(InWindows),
    /// The sums of a symbol's long window until some moment.
    Base(InWindows),
    /// The greatest id of a symbol since its ids began anew, where it is not the greatest of all.
    Anew(Symbol),
    /// The statistics of a cross.
    Series(InWindows),
    /// What a symbol's windows without trades are filled from.
    Close(InWindows),
    /// A rate of the last ones of a cross, by its number.
    Rate(InWindows, i64),
    /// A change of the definition, by its place in the log.
    Change(u32),
    /// The offset from which on a partition's records are judged after a change: place in the log, partition.
    Taken(u32, u32),
    /// The greatest event time of a partition's trades that nobody wants, where that is beyond what it has
    /// reached.
    Unselected(u32),
    /// A final window of a symbol that a cross which is added may reach back to, by its end.
    Held(InWindows, EventTime),
    /// The path of a cross, and from when on windows take it.
    Path(Symbol, EventTime),
    /// A symbol's trades in the step of time that ends then, by which paths are chosen.
    Counts(Symbol, EventTime),
    /// Where idleness or adoption took watermarks, as far as rows may still ask what closed them.
    Idle,
    /// How often the job was taken over, so that databases beside the ledger obey the latest run only.
    Term,
    /// The start with `--fresh` that the job began with, so that a restart of that one goes on from here.
    Fresh,
    /// A file that the job writes: how long it was, and the hash of that.
    File(String),
    /// A file that is done with: a day that is over.
    Whole(String),
    /// A folder of files by day that the job writes to.
    Folder(String),
    /// How long a file was, as earlier versions wrote it.
    Length(String),
}

impl EntryKey {
    /// The entry of a partition without which this one of it means nothing.
    pub fn head(&self) -> Option<EntryKey> {
        match *self {
            EntryKey::Jumps(partition)
            | EntryKey::Boundaries(partition)
            | EntryKey::End(partition)
            | EntryKey::Read(partition)
            | EntryKey::Taken(_, partition)
            | EntryKey::Unselected(partition)
            | EntryKey::SymbolBlock(partition, _)
            | EntryKey::Symbols(partition)
            | EntryKey::Pane(partition, ..) => Some(EntryKey::Head(partition)),
            _ => None,
        }
    }
}

impl Display for EntryKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            EntryKey::Job => f.write_str("job"),
            EntryKey::Head(partition) => write!(f, "head/{partition}"),
            EntryKey::Jumps(partition) => write!(f, "jumps/{partition}"),
            EntryKey::Boundaries(partition) => write!(f, "boundaries/{partition}"),
            EntryKey::End(partition) => write!(f, "end/{partition}"),
            EntryKey::Read(partition) => write!(f, "read/{partition}"),
            EntryKey::SymbolBlock(partition, block) => write!(f, "symbols/{partition}/{block}"),
            EntryKey::Symbols(partition) => write!(f, "symbols/{partition}"),
            EntryKey::Pane(partition, end, date) => {
                write!(f, "pane/{partition}/{}/{}", end.micros(), date.micros())
            }
            EntryKey::Carried(of) => write!(f, "carried/{}", WindowedNameText(of)),
            EntryKey::Base(of) => write!(f, "base/{}", WindowedNameText(of)),
            EntryKey::Anew(symbol) => write!(f, "anew/{symbol}"),
            EntryKey::Series(of) => write!(f, "series/{}", WindowedNameText(of)),
            EntryKey::Close(of) => write!(f, "close/{}", WindowedNameText(of)),
            EntryKey::Rate(of, number) => write!(f, "rate/{}/{number}", WindowedNameText(of)),
            EntryKey::Change(place) => write!(f, "change/{place}"),
            EntryKey::Taken(place, partition) => write!(f, "taken/{place}/{partition}"),
            EntryKey::Unselected(partition) => write!(f, "unselected/{partition}"),
            EntryKey::Held(of, end) => write!(f, "held/{}/{}", WindowedNameText(of), end.micros()),
            EntryKey::Path(name, from) => write!(f, "path/{name}/{}", from.micros()),
            EntryKey::Counts(symbol, step) => write!(f, "counts/{symbol}/{}", step.micros()),
            EntryKey::Idle => f.write_str("idle"),
            EntryKey::Term => f.write_str("term"),
            EntryKey::Fresh => f.write_str("fresh"),
            EntryKey::File(path) => write!(f, "file/{path}"),
            EntryKey::Whole(path) => write!(f, "whole/{path}"),
            EntryKey::Folder(path) => write!(f, "folder/{path}"),
            EntryKey::Length(path) => write!(f, "length/{path}"),
        }
    }
}

/// A name and the definition of windows, which an earlier release did not name.
struct WindowedNameText<'a>(&'a InWindows);

impl Display for WindowedNameText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, window) = self.0;
        match window.is_empty() {
            true => write!(f, "{name}"),
            false => write!(f, "{name}/{window}"),
        }
    }
}

/// A text that is no key of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no key of a checkpoint's entry")]
pub struct UnknownKey;

impl FromStr for EntryKey {
    type Err = UnknownKey;

    /// Reads what [`Display`] prints, and nothing else.
    fn from_str(text: &str) -> Result<Self, UnknownKey> {
        read(text).filter(|key| key.to_string() == text).ok_or(UnknownKey)
    }
}

fn read(text: &str) -> Option<EntryKey> {
    let (kind, rest) = text.split_once('/').unwrap_or((text, ""));
    let partition = || rest.parse().ok();
    Some(match kind {
        "job" => EntryKey::Job,
        "head" => EntryKey::Head(partition()?),
        "jumps" => EntryKey::Jumps(partition()?),
        "boundaries" => EntryKey::Boundaries(partition()?),
        "end" => EntryKey::End(partition()?),
        "read" => EntryKey::Read(partition()?),
        "symbols" => match rest.split_once('/') {
            Some((partition, block)) => EntryKey::SymbolBlock(partition.parse().ok()?, block.parse().ok()?),
            None => EntryKey::Symbols(partition()?),
        },
        "pane" => {
            let (partition, place) = rest.split_once('/')?;
            let (end, date) = place.split_once('/')?;
            let time = |text: &str| text.parse().ok().map(EventTime::from_micros);
            EntryKey::Pane(partition.parse().ok()?, time(end)?, time(date)?)
        }
        "carried" => EntryKey::Carried(in_windows(rest)),
        "base" => EntryKey::Base(in_windows(rest)),
        "anew" => EntryKey::Anew(Symbol::new(rest)),
        "series" => EntryKey::Series(in_windows(rest)),
        "close" => EntryKey::Close(in_windows(rest)),
        "rate" => {
            let (of, number) = rest.rsplit_once('/')?;
            EntryKey::Rate(in_windows(of), number.parse().ok()?)
        }
        "change" => EntryKey::Change(partition()?),
        "taken" => {
            let (place, partition) = rest.split_once('/')?;
            EntryKey::Taken(place.parse().ok()?, partition.parse().ok()?)
        }
        "unselected" => EntryKey::Unselected(partition()?),
        "held" => {
            let (of, end) = rest.rsplit_once('/')?;
            EntryKey::Held(in_windows(of), end.parse().ok().map(EventTime::from_micros)?)
        }
        "path" => {
            let (name, from) = named_at(rest)?;
            EntryKey::Path(name, from)
        }
        "counts" => {
            let (symbol, step) = named_at(rest)?;
            EntryKey::Counts(symbol, step)
        }
        "idle" => EntryKey::Idle,
        "term" => EntryKey::Term,
        "fresh" => EntryKey::Fresh,
        "file" => EntryKey::File(rest.to_owned()),
        "whole" => EntryKey::Whole(rest.to_owned()),
        "folder" => EntryKey::Folder(rest.to_owned()),
        "length" => EntryKey::Length(rest.to_owned()),
        _ => return None,
    })
}

fn named_at(text: &str) -> Option<(Symbol, EventTime)> {
    let (name, at) = text.rsplit_once('/')?;
    Some((Symbol::new(name), at.parse().ok().map(EventTime::from_micros)?))
}

fn in_windows(text: &str) -> InWindows {
    let (name, window) = text.split_once('/').unwrap_or((text, ""));
    (Symbol::new(name), window.into())
}

impl From<EntryKey> for String {
    fn from(key: EntryKey) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of() -> impl Strategy<Value = InWindows> {
        let windows = ["", "10s", "1m/10s", "1mo", "anchored:1d@Europe/Berlin/1m", "anchored:all/10s"];
        ("[A-Z0-9:%#.|-]{1,12}", prop::sample::select(windows.to_vec()))
            .prop_map(|(name, window)| (Symbol::new(&name), window.into()))
    }

    fn key() -> impl Strategy<Value = EntryKey> {
        let path = "[a-z0-9/ .%#-]{0,20}";
        prop_oneof![
            prop::sample::select(vec![EntryKey::Job, EntryKey::Idle, EntryKey::Term, EntryKey::Fresh]),
            any::<u32>().prop_map(EntryKey::Head),
            any::<u32>().prop_map(EntryKey::Jumps),
            any::<u32>().prop_map(EntryKey::Boundaries),
            any::<u32>().prop_map(EntryKey::End),
            any::<u32>().prop_map(EntryKey::Read),
            any::<u32>().prop_map(EntryKey::Symbols),
            any::<(u32, u32)>().prop_map(|(partition, block)| EntryKey::SymbolBlock(partition, block)),
            any::<(u32, u64, u64)>().prop_map(|(partition, end, date)| EntryKey::Pane(
                partition,
                EventTime::from_micros(end),
                EventTime::from_micros(date)
            )),
            any::<u32>().prop_map(EntryKey::Change),
            any::<u32>().prop_map(EntryKey::Unselected),
            any::<(u32, u32)>().prop_map(|(place, partition)| EntryKey::Taken(place, partition)),
            (of(), any::<u64>()).prop_map(|(of, end)| EntryKey::Held(of, EventTime::from_micros(end))),
            (of(), any::<u64>()).prop_map(|(of, from)| EntryKey::Path(of.0, EventTime::from_micros(from))),
            (of(), any::<u64>()).prop_map(|(of, step)| EntryKey::Counts(of.0, EventTime::from_micros(step))),
            of().prop_map(EntryKey::Carried),
            of().prop_map(EntryKey::Base),
            of().prop_map(|(name, _)| EntryKey::Anew(name)),
            of().prop_map(EntryKey::Series),
            of().prop_map(EntryKey::Close),
            (of(), any::<i64>()).prop_map(|(of, number)| EntryKey::Rate(of, number)),
            path.prop_map(EntryKey::File),
            path.prop_map(EntryKey::Whole),
            path.prop_map(EntryKey::Folder),
            path.prop_map(EntryKey::Length),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same_key(key in key()) {
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }

        #[test]
        fn a_text_is_one_key_or_none(
            text in "(job|head|symbols|pane|rate|held|taken|carried|anew|idle|file|x)(/[+0-9A-Z]{0,3}){0,4}",
        ) {
            if let Ok(key) = text.parse::<EntryKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in ["", "jobs", "job/", "head", "head/+1", "head/01", "pane/0/1", "rate/A", "idle/1"] {
            assert_eq!(text.parse::<EntryKey>(), Err(UnknownKey), "{text}");
        }
    }
}
