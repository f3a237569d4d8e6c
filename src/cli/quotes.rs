//! `--quote` and what belongs to it: every asset in some currencies.

use super::crosses::is_asset;
use super::layers::{Origin, SettingValues};
use super::settings as s;
use super::usage::{InvalidValue, UsageError};
use super::values;
use crate::duration;
use crossrate_dataflows::market::assets::{Pair, Quotes, asset};
use crossrate_dataflows::market::definition::Cross;
use crossrate_dataflows::market::trade::{Symbol, is_name};
use std::collections::BTreeMap;
use std::path::Path;

/// The most choices that a lookback reaches over.
const MOST_STEPS: u64 = 10_000;

/// The currencies that assets are priced in; none without `--quote`.
pub(super) fn quotes(given: &mut SettingValues, crosses: &[Cross]) -> Result<Option<Quotes>, UsageError> {
    let Some(mut currencies) = given.find(&s::QUOTE)? else {
        let others = [&s::PAIRS.about, &s::PATH_EVERY.about, &s::PATH_LOOKBACK.about, &s::QUOTE_ASSETS.about];
        let told: Vec<_> =
            others.into_iter().filter(|about| *given.origin(about) != Origin::Default).collect();
        for about in told {
            let what = given.what(about);
            given.warnings.push(format!("{what}: it changes nothing without --quote"));
        }
        return Ok(None);
    };
    currencies.sort();
    let (path_every, path_lookback) = (given.get(&s::PATH_EVERY)?, given.get(&s::PATH_LOOKBACK)?);
    if !path_lookback.is_multiple_of(path_every)
        || path_lookback == 0
        || path_lookback / path_every > MOST_STEPS
    {
        let expected =
            format!("1 to {MOST_STEPS} times --path-every, which is {}", duration::show(path_every));
        let found = duration::show(path_lookback);
        return Err(InvalidValue::told(found, expected).at(given.what(&s::PATH_LOOKBACK.about)));
    }
    let pairs = match given.find(&s::PAIRS)? {
        Some(path) => pairs(&path, &given.what(&s::PAIRS.about))?,
        None => BTreeMap::new(),
    };
    let quote_assets = given.get(&s::QUOTE_ASSETS)?;
    let quotes = Quotes { currencies, path_every, path_lookback, quote_assets, pairs };
    if let Some(cross) = crosses.iter().find(|cross| quotes.names(&cross.name)) {
        let expected = "another name: --quote makes crosses of this form";
        return Err(InvalidValue::told(cross.name.to_string(), expected).at(given.what(&s::CROSS.about)));
    }
    Ok(Some(quotes))
}

/// The table of a file: lines `symbol,base,quote` behind a line that says so.
fn pairs(path: &Path, what: &str) -> Result<BTreeMap<Symbol, Pair>, UsageError> {
    const HEADER: &str = "symbol,base,quote";
    let text = values::text_of(path).map_err(|wrong| wrong.at(what))?;
    let at = |number: usize| format!("{}:{number}", path.display());
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    match lines.next() {
        Some((_, header)) if header.trim() == HEADER => {}
        Some((number, header)) => {
            return Err(InvalidValue::new(header, format!("the line {HEADER}")).at(at(number)));
        }
        None => return Err(InvalidValue::told("nothing", format!("the line {HEADER}")).at(at(1))),
    }
    let mut pairs = BTreeMap::new();
    for (number, line) in lines {
        let wrong = |expected: &str| InvalidValue::new(line, expected).at(at(number));
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [symbol, base, quote] = fields[..] else { return Err(wrong("a symbol and its two assets")) };
        if !is_name(symbol.as_bytes()) || !is_asset(base) || !is_asset(quote) {
            return Err(wrong("a symbol and its two assets, such as BTCUSDT,BTC,USDT"));
        }
        let pair = Pair { base: asset(base), quote: asset(quote) };
        if pair.base == pair.quote {
            return Err(wrong("two different assets"));
        }
        match pairs.insert(Symbol::new(symbol), pair.clone()) {
            Some(known) if known != pair => return Err(wrong("each symbol once")),
            _ => {}
        }
    }
    Ok(pairs)
}
