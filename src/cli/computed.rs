//! What a run computes, from single settings: crosses, symbols and windows that fit each other.

use super::crosses::{self, Crosses};
use super::layers::{Given, flag_of};
use super::settings as s;
use super::usage::{UsageError, Wrong, nearest};
use crate::duration;
use crossrate_dataflows::market::definition::{Basis, Cross, Definition, RowKinds, Selection, Windows};
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::trade::Symbol;
use std::collections::BTreeSet;

/// More panes a window than this are a slip: the state of a window is no larger, but each trade would enter so many.
const MOST_PANES: u64 = 100_000;

/// What holds where neither crosses nor symbols were asked for.
const DEFAULT_CROSS: &str = "XVGUSDT=XVGBTC*BTCUSDT";

pub(super) fn definition(given: &mut Given) -> Result<Definition, UsageError> {
    let (crosses, symbols) = wanted(given)?;
    let rows = given.get(&s::ROWS)?;
    if crosses.is_empty() && !rows.has(RowKind::Symbol) {
        let rows = given.what(&s::ROWS.about);
        given.warnings.push(format!("{rows}: no row will leave, since there is no cross"));
    }
    warn_of_shared_names(given, &crosses, &symbols);
    let basis = basis(given, &crosses, rows)?;
    let mut definition = Definition {
        crosses,
        basis,
        symbols,
        windows: windows(given)?,
        delay: given.get(&s::DELAY)?,
        grace: given.get(&s::GRACE)?,
        emit: given.get(&s::EMIT)?,
        provisional: given.get(&s::PROVISIONAL)?,
        tick: given.get(&s::TICK)?,
        rows,
        missing_leg: given.get(&s::MISSING_LEG)?,
        max_carry: given.get(&s::MAX_CARRY)?,
        stats_last: given.get(&s::STATS_LAST)?,
        // The demonstration has none of the following and takes their defaults.
        dedup: given.get(&s::DEDUP)?,
        max_ahead: given.get(&s::MAX_AHEAD)?,
        max_jump: given.get(&s::MAX_JUMP)?,
    };
    let needs: Vec<Symbol> = definition.needs().cloned().collect();
    if let Selection::Only(symbols) = &mut definition.symbols {
        symbols.extend(needs);
    }
    Ok(definition)
}

/// `NAME` or `NAME=SYMBOL`, once a name.
pub(super) fn bases(texts: &[String]) -> Result<Vec<Basis>, Wrong> {
    let mut bases: Vec<Basis> = Vec::new();
    for text in texts {
        let (cross, direct) = text.split_once('=').unwrap_or((text, text));
        let (cross, direct) = (cross.trim(), direct.trim());
        if cross.is_empty() || direct.is_empty() || direct.contains(['=', '*', '/', ',']) {
            return Err(Wrong::new(text, "NAME or NAME=SYMBOL, such as XVGUSDT or XVGUSDT=XVGUSDC"));
        }
        let basis = Basis { cross: Symbol::new(cross), direct: Symbol::new(direct) };
        match bases.iter().find(|known| known.cross == basis.cross) {
            Some(known) if *known != basis => {
                let expected = format!("one pair for {cross}, which is {} already", known.direct);
                return Err(Wrong::new(text, expected));
            }
            Some(_) => {}
            None => bases.push(basis),
        }
    }
    bases.sort_by(|a, b| a.cross.cmp(&b.cross));
    Ok(bases)
}

/// The bases of crosses that there are.
fn basis(given: &mut Given, crosses: &[Cross], rows: RowKinds) -> Result<Vec<Basis>, UsageError> {
    let bases = given.find(&s::BASIS)?.unwrap_or_default();
    let names = || crosses.iter().map(|cross| cross.name.as_str());
    if let Some(unknown) = bases.iter().find(|basis| !names().any(|name| name == basis.cross.as_str())) {
        let known = names().collect::<Vec<_>>().join(", ");
        let expected =
            if known.is_empty() { "a cross; there is none".to_owned() } else { format!("a cross: {known}") };
        return Err(Wrong::new(unknown.cross.as_str(), expected)
            .perhaps(nearest(unknown.cross.as_str(), names()))
            .at(given.what(&s::BASIS.about)));
    }
    if !bases.is_empty() && !rows.has(RowKind::Basis) {
        let rows = given.what(&s::ROWS.about);
        given.warnings.push(format!("{rows}: no row of --basis will leave"));
    }
    Ok(bases)
}

/// Rows of both have one name: their kind alone tells them apart, which joins and filters by name do not ask for.
fn warn_of_shared_names(given: &mut Given, crosses: &[Cross], symbols: &Selection) {
    let legs: BTreeSet<&Symbol> =
        crosses.iter().flat_map(|cross| &cross.legs).map(|leg| &leg.symbol).collect();
    let is_symbol = |name: &Symbol| match symbols {
        Selection::All => legs.contains(name),
        Selection::Only(symbols) => symbols.contains(name),
    };
    let shared: Vec<&str> =
        crosses.iter().filter(|cross| is_symbol(&cross.name)).map(|cross| cross.name.as_str()).collect();
    if let Some(first) = shared.first() {
        let what = given.what(&s::CROSS.about);
        given.warnings.push(format!(
            "{what}: {} a symbol that gets rows too: kind=cross and kind=symbol tell the rows named {first} apart",
            match shared.as_slice() {
                [one] => format!("{one} names"),
                many => format!("{} each name", many.join(", ")),
            }
        ));
    }
}

/// The crosses by name, and the symbols that get rows, legs included.
pub(super) fn wanted(given: &Given) -> Result<(Vec<Cross>, Selection), UsageError> {
    let mut crosses = Crosses::default();
    let flags = given.find(&s::CROSS)?;
    let file = given.find(&s::CROSSES_FILE)?;
    let symbols = given.find(&s::SYMBOLS)?;
    if flags.is_none() && file.is_none() && symbols.is_none() {
        let what = flag_of(&s::CROSS.about);
        let default = crosses::cross(DEFAULT_CROSS).map_err(|wrong| wrong.at(what.clone()))?;
        crosses.add(default, DEFAULT_CROSS).map_err(|wrong| wrong.at(what))?;
    }
    for cross in flags.unwrap_or_default() {
        let text = cross.to_string();
        crosses.add(cross, &text).map_err(|wrong| wrong.at(given.what(&s::CROSS.about)))?;
    }
    if let Some(path) = file {
        for (place, cross) in crosses::file(&path, &given.what(&s::CROSSES_FILE.about))? {
            let text = cross.to_string();
            crosses.add(cross, &text).map_err(|wrong| wrong.at(place))?;
        }
    }
    let crosses = crosses.into_vec();
    let selection = match symbols {
        Some(None) => Selection::All,
        symbols => {
            let legs = crosses.iter().flat_map(|cross| &cross.legs).map(|leg| leg.symbol.clone());
            Selection::Only(symbols.flatten().into_iter().flatten().chain(legs).collect())
        }
    };
    Ok((crosses, selection))
}

fn windows(given: &Given) -> Result<Windows, UsageError> {
    let size = given.get(&s::WINDOW)?;
    let Some(slide) = given.find(&s::SLIDE)? else {
        return Ok(Windows { size, slide: size });
    };
    let both = format!("{} with a window of {}", duration::show(slide), duration::show(size));
    let what = given.what(&s::SLIDE.about);
    if slide > size {
        return Err(Wrong::told(both, "a slide no longer than the window, which it divides")
            .perhaps(Some(&duration::show(size)))
            .at(what));
    }
    if size % slide != 0 {
        let divisor = duration::show(nearest_divisor(size / 1_000, slide / 1_000) * 1_000);
        return Err(Wrong::told(both, "a slide that divides the window").perhaps(Some(&divisor)).at(what));
    }
    if size / slide > MOST_PANES {
        let least = duration::show(size.div_ceil(MOST_PANES).next_multiple_of(1_000));
        return Err(Wrong::told(
            format!("{both}, {} panes a window", size / slide),
            format!("{MOST_PANES} panes a window at most, so a slide of {least} or more"),
        )
        .at(what));
    }
    Ok(Windows { size, slide })
}

/// The greatest divisor of a size that is a slide at most, both in milliseconds; in the unit that the slide was given
/// in where there is one, since nobody means 3750ms who writes 4s.
fn nearest_divisor(size: u64, slide: u64) -> u64 {
    let small = (1..).take_while(|d| d * d <= size).filter(|d| size.is_multiple_of(*d));
    let divisors: Vec<u64> = small.flat_map(|d| [d, size / d]).filter(|d| *d <= slide).collect();
    let units = [3_600_000, 60_000, 1_000, 1].into_iter().filter(|unit| slide.is_multiple_of(*unit));
    units
        .filter_map(|unit| divisors.iter().copied().filter(|d| d.is_multiple_of(unit)).max())
        .next()
        .unwrap_or(1)
}

/// The symbols of a selection, for people.
pub(super) fn show_selection(selection: &Selection) -> String {
    match selection {
        Selection::All => "all".to_owned(),
        Selection::Only(symbols) => symbols
            .iter()
            .map(|s| s.as_str())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(","),
    }
}
