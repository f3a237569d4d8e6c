//! What a run computes, from single settings: crosses, symbols and windows that fit each other.

use super::crosses::{self, Crosses};
use super::layers::{Origin, SettingValues, flag_of};
use super::quotes;
use super::settings::{self as s, SettingText};
use super::usage::{InvalidValue, UsageError};
use super::values;
use crate::duration;
use crate::nearest::nearest;
use crossrate_dataflows::market::assets::Quotes;
use crossrate_dataflows::market::definition::{Basis, Cross, Definition, Fill, RowKinds, Selection, Windows};
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::trade::Symbol;
use crossrate_dataflows::market::windows::{CivilUnit, MOST_DEFINITIONS, WindowDefinition, WrongWindow};
use std::collections::BTreeSet;

/// What holds where neither crosses nor symbols were asked for.
const DEFAULT_CROSS: &str = "XVGUSDT=XVGBTC*BTCUSDT";

pub(super) fn definition(given: &mut SettingValues) -> Result<Definition, UsageError> {
    let (crosses, symbols) = wanted(given)?;
    let rows = given.get(&s::ROWS)?;
    let is_of_symbols = RowKind::ALL.iter().any(|kind| rows.has(*kind) && !kind.schema().of_crosses);
    if crosses.is_empty() && !given.asks(&s::QUOTE.about) && !is_of_symbols {
        let rows = given.what(&s::ROWS.about);
        given.warnings.push(format!("{rows}: no row will leave, since there is no cross"));
    }
    warn_of_shared_names(given, &crosses, &symbols);
    let quotes = quotes::quotes(given, &crosses)?;
    let basis = basis(given, &crosses, quotes.as_ref(), rows)?;
    let mut definition = Definition {
        crosses,
        basis,
        symbols,
        windows: match &quotes {
            Some(quotes) => quotes.panes_of(windows(given)?),
            None => windows(given)?,
        },
        quotes,
        delay: given.get(&s::DELAY)?,
        grace: given.get(&s::GRACE)?,
        emit: given.get(&s::EMIT)?,
        provisional: given.get(&s::PROVISIONAL)?,
        tick: given.get(&s::TICK)?,
        rows,
        missing_leg: given.get(&s::MISSING_LEG)?,
        max_carry: given.find(&s::MAX_CARRY)?,
        stats_last: given.get(&s::STATS_LAST)?,
        // The demonstration has none of the following and takes their defaults.
        dedup: given.get(&s::DEDUP)?,
        max_ahead: given.get(&s::MAX_AHEAD)?,
        max_jump: given.get(&s::MAX_JUMP)?,
        fill: given.get(&s::FILL)?,
        max_fill: given.find(&s::MAX_FILL)?,
        back_fill: given.get(&s::BACK_FILL)?,
        price_decimals: given.get(&s::PRICE_DECIMALS)?,
        quantity_decimals: given.get(&s::QUANTITY_DECIMALS)?,
    };
    warn_of_no_fills(given, &definition);
    let needs: Vec<Symbol> = definition.needs().cloned().collect();
    if let Selection::Only(symbols) = &mut definition.symbols {
        symbols.extend(needs);
    }
    Ok(definition)
}

/// The bases of crosses that there are.
fn basis(
    given: &mut SettingValues,
    crosses: &[Cross],
    quotes: Option<&Quotes>,
    rows: RowKinds,
) -> Result<Vec<Basis>, UsageError> {
    let bases = given.find(&s::BASIS)?.unwrap_or_default();
    let names = || crosses.iter().map(|cross| cross.name.as_str());
    let is_known = |basis: &&Basis| {
        names().any(|name| name == basis.cross.as_str()) || quotes.is_some_and(|q| q.names(&basis.cross))
    };
    if let Some(unknown) = bases.iter().find(|basis| !is_known(basis)) {
        let known = names().collect::<Vec<_>>().join(", ");
        let expected =
            if known.is_empty() { "a cross; there is none".to_owned() } else { format!("a cross: {known}") };
        return Err(InvalidValue::new(unknown.cross.as_str(), expected)
            .perhaps(nearest(unknown.cross.as_str(), names()))
            .at(given.what(&s::BASIS.about)));
    }
    if !bases.is_empty() && !rows.has(RowKind::Basis) {
        let rows = given.what(&s::ROWS.about);
        given.warnings.push(format!("{rows}: no row of --basis will leave"));
    }
    Ok(bases)
}

/// What is asked for and gives no row.
fn warn_of_no_fills(given: &mut SettingValues, definition: &Definition) {
    let grow = definition.windows.each().iter().all(|window| window.grows());
    let (flag, why) = match definition.fill {
        Fill::None if definition.max_fill.is_some() => {
            (&s::MAX_FILL.about, "without --fill nothing is filled")
        }
        Fill::None => return,
        _ if !definition.wants_fills() => (&s::FILL.about, "without rows of symbols none is filled"),
        _ if grow => (&s::FILL.about, "no window is filled, since all of them are anchored"),
        _ => return,
    };
    let what = given.what(flag);
    given.warnings.push(format!("{what}: {why}"));
}

/// Rows of both have one name: their kind alone tells them apart, which joins and filters by name do not ask
/// for.
fn warn_of_shared_names(given: &mut SettingValues, crosses: &[Cross], symbols: &Selection) {
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
pub(super) fn wanted(given: &SettingValues) -> Result<(Vec<Cross>, Selection), UsageError> {
    let mut crosses = Crosses::default();
    let file = given.find(&s::CROSSES_FILE)?;
    let asks_quotes = given.asks(&s::QUOTE.about);
    // Every asset of all symbols, where these are not named; the demonstration's own are not asked for then.
    let is_asked = |about: &SettingText| !asks_quotes || *given.origin(about) != Origin::Default;
    let flags = given.find(&s::CROSS)?.filter(|_| is_asked(&s::CROSS.about));
    let symbols = given.find(&s::SYMBOLS)?.filter(|_| is_asked(&s::SYMBOLS.about));
    let symbols = symbols.or(asks_quotes.then_some(None));
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

/// All window definitions, each once.
fn windows(given: &SettingValues) -> Result<Windows, UsageError> {
    let zone = given.get(&s::TIME_ZONE)?;
    let what = given.what(&s::WINDOW.about);
    let told = |wrong: WrongWindow, what: String| {
        InvalidValue::told(wrong.found, wrong.expected).perhaps(wrong.perhaps.as_deref()).at(what)
    };
    let mut definitions: Vec<WindowDefinition> = Vec::new();
    for text in given.get(&s::WINDOW)? {
        let parsed = WindowDefinition::parse(&text, &zone);
        // What is a length and nothing else is told as every other length is.
        let is_civil = |wrong: &WrongWindow| {
            wrong.perhaps.as_deref().is_some_and(|meant| CivilUnit::parse(meant).is_some())
        };
        let is_length = parsed.as_ref().map_or_else(
            |wrong| !is_civil(wrong),
            |definition| matches!(definition, WindowDefinition::Sliding { .. }),
        );
        if is_length && !text.contains(['/', ':', '@']) {
            values::span(&text).map_err(|wrong| wrong.at(what.clone()))?;
        }
        let definition = parsed.map_err(|wrong| told(wrong, what.clone()))?;
        if definitions.contains(&definition) {
            let twice = format!("{text}, which is {definition} again");
            return Err(InvalidValue::told(twice, "each window once").at(what));
        }
        definitions.push(definition);
    }
    if definitions.len() > MOST_DEFINITIONS {
        let many = format!("{} windows", definitions.len());
        return Err(InvalidValue::told(many, format!("{MOST_DEFINITIONS} at most")).at(what));
    }
    if let Some(slide) = given.find(&s::SLIDE)? {
        let what = given.what(&s::SLIDE.about);
        let [WindowDefinition::Sliding { size, slide: own }] = definitions.as_slice() else {
            let perhaps = format!("--window SIZE/{}", duration::show(slide));
            let expected = "it with one --window that is a length; a window has its slide behind a slash";
            return Err(InvalidValue::told(duration::show(slide), expected).perhaps(Some(&perhaps)).at(what));
        };
        if own != size {
            let both = format!("{} and --window {}", duration::show(slide), definitions[0]);
            return Err(InvalidValue::told(both, "one slide").at(what));
        }
        let sliding = WindowDefinition::sliding(*size, slide).map_err(|mut wrong| {
            // What was typed here is the slide alone.
            wrong.perhaps = wrong.perhaps.map(|p| p.split_once('/').map_or(p.clone(), |(_, s)| s.to_owned()));
            wrong.found = format!("{} with a window of {}", duration::show(slide), duration::show(*size));
            told(wrong, what)
        })?;
        return Ok(Windows::new([sliding]));
    }
    Ok(Windows::new(definitions))
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
