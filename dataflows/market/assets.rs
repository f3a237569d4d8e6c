//! Which assets a symbol trades, and what a job asks of them: every asset in some currencies
//! (`docs/semantics.md#assets`).

use super::name_keys::name_of;
use super::trade::Symbol;
use super::windows::Windows;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Quote assets that are known where nothing is said, as they are typed.
pub const QUOTE_ASSETS: &str = "USDT,USDC,FDUSD,TUSD,BUSD,USD,BTC,ETH,BNB,EUR,GBP,TRY,BRL,JPY";

/// The same in the demonstration, where TRX is one, too.
pub const QUOTE_ASSETS_OF_DEMO: &str = "USDT,USDC,FDUSD,TUSD,BUSD,USD,BTC,ETH,BNB,EUR,GBP,TRY,BRL,JPY,TRX";

/// The most symbols of a path.
pub const LONGEST_PATH: usize = 4;

/// What is traded against what, in capitals, such as `BTC`.
pub type Asset = Symbol;

/// A symbol's assets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// What is traded.
    pub base: Asset,
    /// What its price is told in.
    pub quote: Asset,
}

/// The currencies that every asset is priced in, and how paths to them are chosen. Durations are microseconds
/// of event time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotes {
    /// The currencies, in order of their names.
    pub currencies: Vec<Asset>,
    /// How often paths are chosen; positive.
    pub path_every: u64,
    /// How far back trades count; a multiple of `path_every`.
    pub path_lookback: u64,
    /// Assets that end the name of a symbol which has no separator.
    pub quote_assets: Vec<Asset>,
    /// Symbols whose names do not tell.
    pub pairs: BTreeMap<Symbol, Pair>,
}

impl Quotes {
    /// The assets of a symbol; none where neither a table nor its name tells.
    pub fn pair(&self, key: &Symbol) -> Option<Pair> {
        let symbol = name_of(key);
        if let Some(pair) = self.pairs.get(&symbol) {
            return Some(pair.clone());
        }
        let name = symbol.as_str().rsplit_once(':').map_or(symbol.as_str(), |(_, name)| name);
        let (base, quote) = match name.contains(['-', '_']) {
            true => {
                let mut parts = name.split(['-', '_']);
                let pair = (parts.next()?, parts.next()?);
                parts.next().is_none().then_some(pair)?
            }
            false => self.split(name)?,
        };
        if base.is_empty() || quote.is_empty() {
            return None;
        }
        let (base, quote) = (asset(base), asset(quote));
        (base != quote).then_some(Pair { base, quote })
    }

    /// Splits a name before its longest known quote asset.
    fn split<'a>(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let split = |quote: &Asset| {
            let at = name.len().checked_sub(quote.as_str().len())?;
            let (base, end) = name.split_at_checked(at)?;
            end.eq_ignore_ascii_case(quote.as_str()).then_some((base, end))
        };
        self.quote_assets.iter().filter_map(split).max_by_key(|(_, quote)| quote.len())
    }

    /// The name of the cross that prices an asset in a currency.
    pub fn cross_name(asset: &Asset, currency: &Asset) -> Symbol {
        Symbol::new(&format!("{asset}-{currency}"))
    }

    /// The asset and the currency of such a cross; none of another one's name. Assets have no dash.
    pub fn rate_of(&self, cross: &Symbol) -> Option<(Asset, Asset)> {
        let (asset, currency) = cross.as_str().rsplit_once('-').filter(|(asset, _)| !asset.is_empty())?;
        let currency = self.currencies.iter().find(|known| known.as_str() == currency)?;
        Some((Symbol::new(asset), currency.clone()))
    }

    /// Whether a cross of that name would be one of these.
    pub fn names(&self, cross: &Symbol) -> bool {
        self.rate_of(cross).is_some()
    }

    /// How often an asset without a path is looked for one.
    pub fn first_every(windows: &Windows) -> u64 {
        windows.longest_step()
    }

    /// Windows whose panes end where paths are chosen.
    #[must_use]
    pub fn panes_of(&self, windows: Windows) -> Windows {
        let first_every = Quotes::first_every(&windows);
        windows.with_steps([self.path_every, first_every])
    }
}

/// An asset by its name in any case.
pub fn asset(name: &str) -> Asset {
    match name.bytes().any(|byte| !byte.is_ascii() || byte.is_ascii_lowercase()) {
        true => Symbol::new(&name.to_uppercase()),
        false => Symbol::new(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_split_as_the_text_has_it() {
        let mut quotes = Quotes {
            currencies: vec![asset("usdt")],
            path_every: 1,
            path_lookback: 1,
            quote_assets: QUOTE_ASSETS.split(',').map(asset).collect(),
            pairs: BTreeMap::new(),
        };
        quotes.pairs.insert(Symbol::new("XBTUSD.X"), Pair { base: asset("BTC"), quote: asset("USD") });
        let pair =
            |name: &str| quotes.pair(&Symbol::new(name)).map(|pair| format!("{}.{}", pair.base, pair.quote));
        for (name, expected) in [
            ("BTCUSDT", Some("BTC.USDT")),
            ("btcusdt", Some("BTC.USDT")),
            ("USDTTRY", Some("USDT.TRY")),
            // The longest known end counts: FDUSD, and not USD.
            ("BTCFDUSD", Some("BTC.FDUSD")),
            ("coinbase:BTC-USD", Some("BTC.USD")),
            ("a:b:eth_btc", Some("ETH.BTC")),
            ("BTC-USD-PERP", None),
            ("BTC-", None),
            ("USDT", None),
            ("FDUSD", None),
            ("ABCDEF", None),
            ("USD-USD", None),
            ("ÄUSDT", Some("Ä.USDT")),
            // A name that came again is the same pair.
            ("BTCUSDT|2", Some("BTC.USDT")),
            ("XBTUSD.X", Some("BTC.USD")),
        ] {
            assert_eq!(pair(name).as_deref(), expected, "{name}");
        }
        let names = |name: &str| quotes.names(&Symbol::new(name));
        assert!(names("BTC-USDT") && !names("BTCUSDT") && !names("-USDT"));
    }
}
