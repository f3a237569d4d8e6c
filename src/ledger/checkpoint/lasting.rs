//! Entries of what outlives its windows: by symbol or cross, and by the definition of the windows.

use super::{EntryChanges, decode, earlier, encode};
use crate::ledger::entry_key::EntryKey;
use anyhow::Result;
use crossrate_dataflows::market::resume::{LastingChange, Resume};
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::InWindows;

/// Gives rates that an earlier release wrote to the definition that later ones of the same cross belong to.
pub(super) fn join_earlier(resume: &mut Resume) {
    let earlier: Vec<InWindows> =
        resume.rates.keys().filter(|(_, window)| window.is_empty()).cloned().collect();
    for of in earlier {
        let later = |(cross, window): &&InWindows| *cross == of.0 && !window.is_empty();
        let Some(later) = resume.series.keys().find(later).cloned() else { continue };
        if let Some(rates) = resume.rates.remove(&of) {
            resume.rates.entry(later).or_default().extend(rates);
        }
    }
}

/// Takes an entry that a look left behind; others are left alone.
pub(super) fn take(resume: &mut Resume, kind: EntryKey, key: &str, entry: &[u8]) -> Result<()> {
    match kind {
        EntryKey::Carried(of) => _ = resume.carried.insert(of, earlier::carried(key, entry)?),
        EntryKey::Base(of) => _ = resume.bases.insert(of, earlier::base(key, entry)?),
        EntryKey::Anew(symbol) => _ = resume.ids_anew.insert(symbol, decode(key, entry)?),
        EntryKey::Series(of) => _ = resume.series.insert(of, decode(key, entry)?),
        EntryKey::Close(of) => _ = resume.closes.insert(of, decode(key, entry)?),
        EntryKey::Held(of, end) => _ = resume.held.entry(of).or_default().insert(end, decode(key, entry)?),
        EntryKey::Path(name, from) => _ = resume.paths.insert((name, from), decode(key, entry)?),
        EntryKey::Counts(symbol, step) => {
            resume.counts.entry(symbol).or_default().insert(step, decode(key, entry)?);
        }
        EntryKey::Rate(of, number) => {
            resume.rates.entry(of).or_default().insert(number, decode(key, entry)?);
        }
        _ => {}
    }
    Ok(())
}

/// Adds what a look left behind to the changes of a commit.
pub fn add_lasting(
    changes: &mut EntryChanges,
    change: &LastingChange,
    stats_last: Option<u64>,
) -> Result<()> {
    // What an earlier release knew of the only definition there was.
    let earlier = |name: &Symbol| -> InWindows { (name.clone(), Default::default()) };
    match change {
        LastingChange::Carried(of, end, leg) => {
            changes.insert(EntryKey::Carried(of.clone()).into(), Some(encode(&(end, leg))?));
            changes.insert(EntryKey::Carried(earlier(&of.0)).into(), None);
        }
        LastingChange::Bases(symbol, bases) => {
            for (window, base) in bases {
                changes.insert(EntryKey::Base((symbol.clone(), window.clone())).into(), Some(encode(base)?));
            }
        }
        LastingChange::IdsAnew(symbol, id) => {
            let entry = id.map(|id| encode(&id)).transpose()?;
            changes.insert(EntryKey::Anew(symbol.clone()).into(), entry);
        }
        LastingChange::Series(of, total) => {
            changes.insert(EntryKey::Series(of.clone()).into(), Some(encode(total)?));
            changes.insert(EntryKey::Series(earlier(&of.0)).into(), None);
        }
        LastingChange::Close(of, close) => {
            changes.insert(EntryKey::Close(of.clone()).into(), Some(encode(close)?));
        }
        LastingChange::Held(of, end, leg) => {
            changes.insert(EntryKey::Held(of.clone(), *end).into(), Some(encode(leg)?));
        }
        LastingChange::Released(of, end) => {
            changes.insert(EntryKey::Held(of.clone(), *end).into(), None);
        }
        LastingChange::Path(name, from, legs) => {
            changes.insert(EntryKey::Path(name.clone(), *from).into(), Some(encode(legs)?));
        }
        LastingChange::PathGone(name, from) => {
            changes.insert(EntryKey::Path(name.clone(), *from).into(), None);
        }
        LastingChange::Counts(symbol, step, counts) => {
            changes.insert(EntryKey::Counts(symbol.clone(), *step).into(), Some(encode(counts)?));
        }
        LastingChange::CountsGone(symbol, step) => {
            changes.insert(EntryKey::Counts(symbol.clone(), *step).into(), None);
        }
        LastingChange::Rate(of, number, rate) => {
            changes.insert(EntryKey::Rate(of.clone(), *number).into(), Some(encode(rate)?));
            let last = stats_last.and_then(|k| i64::try_from(k).ok()).unwrap_or(i64::MAX);
            if let Some(old) = number.checked_sub(last).filter(|old| *old > 0) {
                changes.insert(EntryKey::Rate(of.clone(), old).into(), None);
                changes.insert(EntryKey::Rate(earlier(&of.0), old).into(), None);
            }
        }
    }
    Ok(())
}
