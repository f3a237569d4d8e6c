//! Entries of what outlives its windows: by symbol or cross, and by the definition of the windows.

use super::{Changes, encode};
use crate::ledger::entry_key::EntryKey;
use anyhow::Result;
use crossrate_dataflows::market::resume::{InWindows, Lasting, Resume};
use crossrate_dataflows::market::trade::Symbol;

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

/// Adds what a look left behind to the changes of a commit.
pub fn add_lasting(changes: &mut Changes, change: &Lasting, stats_last: Option<u64>) -> Result<()> {
    // What an earlier release knew of the only definition there was.
    let earlier = |name: &Symbol| -> InWindows { (name.clone(), Default::default()) };
    match change {
        Lasting::Carried(of, end, leg) => {
            changes.insert(EntryKey::Carried(of.clone()).into(), Some(encode(&(end, leg))?));
            changes.insert(EntryKey::Carried(earlier(&of.0)).into(), None);
        }
        Lasting::Base(of, base) => {
            changes.insert(EntryKey::Base(of.clone()).into(), Some(encode(base)?));
        }
        Lasting::IdsAnew(symbol, id) => {
            let entry = id.map(|id| encode(&id)).transpose()?;
            changes.insert(EntryKey::Anew(symbol.clone()).into(), entry);
        }
        Lasting::Series(of, total) => {
            changes.insert(EntryKey::Series(of.clone()).into(), Some(encode(total)?));
            changes.insert(EntryKey::Series(earlier(&of.0)).into(), None);
        }
        Lasting::Close(of, close) => {
            changes.insert(EntryKey::Close(of.clone()).into(), Some(encode(close)?));
        }
        Lasting::Rate(of, number, rate) => {
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
