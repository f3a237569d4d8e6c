//! Entries of what outlives its windows: by symbol or cross, and by the definition of the windows.

use super::{Changes, decode, earlier, encode, is_earlier};
use anyhow::Result;
use crossrate_dataflows::market::resume::{InWindows, Lasting, Resume};
use crossrate_dataflows::market::trade::Symbol;

/// Decodes such an entry: its kind, what else its key says, the whole key and the value. False where the key has no such
/// form.
pub(super) fn take(
    resume: &mut Resume,
    (kind, rest): (&str, &str),
    (key, entry): (&str, &[u8]),
) -> Result<bool> {
    match kind {
        "carried" => {
            let carried = match is_earlier(entry) {
                true => earlier::carried(decode(key, entry)?),
                false => decode(key, entry)?,
            };
            resume.carried.insert(in_windows(rest), carried);
        }
        "base" => _ = resume.bases.insert(in_windows(rest), decode(key, entry)?),
        "anew" => _ = resume.ids_anew.insert(Symbol::new(rest), decode(key, entry)?),
        "series" => _ = resume.series.insert(in_windows(rest), decode(key, entry)?),
        "rate" => {
            let numbered = rest.rsplit_once('/');
            let Some((of, number)) = numbered.and_then(|(of, number)| Some((of, number.parse().ok()?)))
            else {
                return Ok(false);
            };
            resume.rates.entry(in_windows(of)).or_default().insert(number, decode(key, entry)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

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

/// A name and the definition of windows, which an earlier release did not name.
fn in_windows(text: &str) -> InWindows {
    let (name, window) = text.split_once('/').unwrap_or((text, ""));
    (Symbol::new(name), window.into())
}

/// Adds what a look left behind to the changes of a commit.
pub fn add_lasting(changes: &mut Changes, change: &Lasting, stats_last: Option<u64>) -> Result<()> {
    match change {
        Lasting::Carried((symbol, window), end, leg) => {
            changes.insert(format!("carried/{symbol}/{window}"), Some(encode(&(end, leg))?));
            // What an earlier release knew of the only definition there was.
            changes.insert(format!("carried/{symbol}"), None);
        }
        Lasting::Base((symbol, window), base) => {
            changes.insert(format!("base/{symbol}/{window}"), Some(encode(base)?));
        }
        Lasting::IdsAnew(symbol, id) => {
            let entry = id.map(|id| encode(&id)).transpose()?;
            changes.insert(format!("anew/{symbol}"), entry);
        }
        Lasting::Series((cross, window), total) => {
            changes.insert(format!("series/{cross}/{window}"), Some(encode(total)?));
            changes.insert(format!("series/{cross}"), None);
        }
        Lasting::Rate((cross, window), number, rate) => {
            changes.insert(format!("rate/{cross}/{window}/{number}"), Some(encode(rate)?));
            let last = stats_last.and_then(|k| i64::try_from(k).ok()).unwrap_or(i64::MAX);
            if let Some(old) = number.checked_sub(last).filter(|old| *old > 0) {
                changes.insert(format!("rate/{cross}/{window}/{old}"), None);
                changes.insert(format!("rate/{cross}/{old}"), None);
            }
        }
    }
    Ok(())
}
