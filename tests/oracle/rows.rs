//! The values of rows (`docs/semantics.md#cross-rates`, `#rows`): of a symbol, of a cross, of a cross's
//! statistics.

use super::log::{JobCross, JobSymbol};
use super::market::{Market, Sums};
use super::numbers::{half_to_even_signed, rate, scaled, signed, ten_to, variance_and_std};
use super::record::Decimals;
use super::settings::{Fill, MissingLeg, Settings};
use super::windows::{Definition, Window};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;

/// A window at an event time: what a row is about.
#[derive(Debug, Copy, Clone)]
pub(crate) struct Look<'a> {
    pub definition: &'a Definition,
    pub window: Window,
    pub at: i64,
}

impl Look<'_> {
    /// The symbol's trades of the window, where it has a row of its own.
    fn sums_of_row(&self, settings: &Settings, market: &Market, symbol: &JobSymbol) -> Option<Sums> {
        if self.has_row(market, symbol) { self.sums(settings, market, symbol) } else { None }
    }

    /// The symbol's trades of the window, whether or not it has a row of its own there.
    fn sums(&self, settings: &Settings, market: &Market, symbol: &JobSymbol) -> Option<Sums> {
        market.sums(settings, symbol, self.window, self.at)
    }

    /// Whether the symbol has a row of its own: it traded in the window, of anchored ones in their last step.
    fn has_row(&self, market: &Market, symbol: &JobSymbol) -> bool {
        market.has_trades(symbol, self.window.last_step, self.window.end, self.at)
    }
}

/// The values of a row, without braces: what a revision is compared by.
pub(crate) fn symbol(
    settings: &Settings,
    market: &Market,
    symbol: &JobSymbol,
    look: Look<'_>,
) -> Option<String> {
    let window = look.sums_of_row(settings, market, symbol)?;
    let Decimals { price, quantity } = settings.decimals;
    let volumes = |volumes: Option<(&BigInt, &BigInt)>| match volumes {
        Some((volume, quote)) => (text(&scaled(volume, quantity)), text(&scaled(quote, price + quantity))),
        None => ("null".to_owned(), "null".to_owned()),
    };
    let (volume, quote_volume) = volumes(Some((&window.volume, &window.quote_volume)));
    let (taker_volume, taker_quote) =
        volumes(window.taker_buys.as_ref().map(|(volume, quote)| (volume, quote)));
    let price = |scaled_price: i64| scaled(&scaled_price.into(), price);
    let mean = window.mean();
    let (variance, std) = variance_and_std(&(window.mean_square() - &mean * &mean));
    Some(format!(
        r#"{},"trades":{},"open":"{}","high":"{}","low":"{}","close":"{}","volume":{volume},"quote_volume":{quote_volume},"taker_buy_volume":{taker_volume},"taker_buy_quote_volume":{taker_quote},"vwap":"{}","vw_variance":{variance},"vw_std":{std},"missing_ids":{},"digest":"{:016x}""#,
        head("symbol", &symbol.name, look),
        window.trades,
        price(window.open),
        price(window.high),
        price(window.low),
        price(window.close),
        printed(&mean),
        or_null(window.missing_ids),
        window.digest,
    ))
}

/// The values of the row of a window without trades, after one that has some.
pub(crate) fn fill(
    settings: &Settings,
    market: &Market,
    symbol: &JobSymbol,
    look: Look<'_>,
    before: Window,
) -> Option<String> {
    let Decimals { price, quantity } = settings.decimals;
    let before = market.sums(settings, symbol, before, look.at)?;
    let close = match settings.fill {
        Fill::None => return None,
        Fill::Null => "null".to_owned(),
        Fill::Previous => text(&scaled(&before.close.into(), price)),
    };
    let missing_ids = or_null(before.missing_ids.map(|_| 0));
    let (volume, quote) = (scaled(&0.into(), quantity), scaled(&0.into(), price + quantity));
    Some(format!(
        r#"{},"trades":0,"open":{close},"high":{close},"low":{close},"close":{close},"volume":"{volume}","quote_volume":"{quote}","taker_buy_volume":"{volume}","taker_buy_quote_volume":"{quote}","vwap":null,"vw_variance":null,"vw_std":null,"missing_ids":{missing_ids},"digest":"0000000000000000""#,
        head("symbol", &symbol.name, look),
    ))
}

/// What stands for a leg in a window.
struct Standing {
    window: Sums,
    age: i64,
}

/// The values of a cross's row and its rate as printed, scaled by 1e18; nothing where there is no row.
pub(crate) fn cross(
    settings: &Settings,
    market: &Market,
    cross: &JobCross,
    look: Look<'_>,
) -> Option<(String, Option<BigInt>)> {
    if !cross.legs.iter().any(|(leg, _)| look.has_row(market, leg)) {
        return None;
    }
    let legs: Vec<_> = cross.legs.iter().map(|(leg, _)| standing(settings, market, leg, look)).collect();
    let traded: Vec<&Sums> =
        legs.iter().flatten().filter(|leg| leg.age == 0).map(|leg| &leg.window).collect();
    let status = if legs.iter().any(Option::is_none) {
        "leg_missing"
    } else if traded.len() < legs.len() {
        "carried"
    } else {
        "complete"
    };
    if settings.missing_leg == MissingLeg::Withhold && status != "complete" {
        return None;
    }
    let mut close = (status != "leg_missing").then(BigRational::one);
    let mut exact = (status != "leg_missing").then(BigRational::one);
    let (mut squares, mut squared_mean) = (BigRational::one(), BigRational::one());
    let mut leg_texts = Vec::new();
    for ((leg, is_inverse), standing) in cross.legs.iter().zip(&legs) {
        let (mut vwap, mut trades, mut age) = ("null".to_owned(), 0, 0);
        if let Some(standing) = standing {
            let mean = standing.window.mean();
            vwap = format!("\"{}\"", printed(&mean));
            age = standing.age;
            trades = if age == 0 { standing.window.trades } else { 0 };
            squares *= standing.window.mean_square();
            squared_mean *= &mean * &mean;
            let times = |rate: BigRational, by| if *is_inverse { rate / by } else { rate * by };
            exact = exact.map(|rate| times(rate, mean));
            close = close.map(|rate| times(rate, standing.window.close()));
        }
        leg_texts.push(format!(
            r#"{{"symbol":{},"inverse":{},"vwap":{vwap},"trades":{trades},"age_ms":{}}}"#,
            quoted(&leg.name),
            is_inverse,
            age / 1_000,
        ));
    }
    let rate = exact.map(|exact| rate(&exact));
    let direct = cross.legs.iter().all(|(_, is_inverse)| !is_inverse);
    let (variance, std) = match rate {
        Some(_) if direct => variance_and_std(&(squares - squared_mean)),
        _ => ("null".into(), "null".into()),
    };
    let values = format!(
        r#"{},"status":"{status}","vwap":{},"vw_variance":{variance},"vw_std":{std},"close":{},"trades":{},"legs":[{}],"missing_ids":{},"digest":"{:016x}""#,
        head("cross", &cross.name, look),
        rate.as_ref().map_or("null".into(), |rate| format!("\"{}\"", scaled(rate, 18))),
        close.map_or("null".to_owned(), |close| text(&printed(&close))),
        traded.iter().map(|window| window.trades).sum::<usize>(),
        leg_texts.join(","),
        or_null(traded.iter().map(|window| window.missing_ids).sum::<Option<i128>>()),
        traded.iter().fold(0u64, |sum, window| sum.wrapping_add(window.digest)),
    );
    Some((values, rate))
}

/// The leg's own window, or with `carry` its latest earlier one in which it has a row.
fn standing(settings: &Settings, market: &Market, symbol: &JobSymbol, look: Look<'_>) -> Option<Standing> {
    if let Some(window) = look.sums(settings, market, symbol) {
        return Some(Standing { window, age: 0 });
    }
    if settings.missing_leg != MissingLeg::Carry {
        return None;
    }
    let known = market.trades(symbol).iter().filter(|trade| trade.accepted_at < look.at);
    let with_trades = known.flat_map(|trade| look.definition.windows_of(trade.time));
    let with_rows = with_trades.filter(|window| symbol.has_window(settings, look.definition, *window));
    // A window that follows another is not there before that one has ended.
    let there = with_rows.filter(|window| !window.follows() || window.last_step <= look.at);
    let earlier = there.filter(|window| window.end < look.window.end).max()?;
    let age = look.window.end - earlier.end;
    if age > settings.max_carry_of(look.definition, look.window) {
        return None;
    }
    Some(Standing { window: market.sums(settings, symbol, earlier, look.at)?, age })
}

/// A whole row: the statistics of these rates, of which the last is the window's own.
pub(crate) fn stats(name: &str, look: Look<'_>, rates: &[BigInt]) -> String {
    let n = BigInt::from(rates.len());
    let sum: BigInt = rates.iter().sum();
    let squares: BigInt = rates.iter().map(|rate| rate * rate).sum();
    let mean = BigRational::new(sum.clone(), &n * ten_to(18));
    let (variance, std) = if rates.len() < 2 {
        ("null".into(), "null".into())
    } else {
        let deviations = BigRational::new(&squares * &n - &sum * &sum, n.clone());
        variance_and_std(&(deviations / ((&n - 1) * ten_to(36))))
    };
    let own = rates.last().expect("a window with a rate");
    format!(
        r#"{{{},"n":{n},"vwap":"{}","sum":"{}","mean":"{}","variance":{variance},"std":{std}}}"#,
        head("stats", name, look),
        scaled(own, 18),
        scaled(&sum, 18),
        printed(&mean),
    )
}

/// A whole row: the rate of a cross as printed, with the status of its row, beside the VWAP of the direct
/// pair.
pub(crate) fn basis(
    settings: &Settings,
    market: &Market,
    (name, symbol): (&str, &JobSymbol),
    look: Look<'_>,
    cross: Option<(BigInt, String)>,
) -> Option<String> {
    // As it is printed in its own row, if there is one.
    let direct = look.sums_of_row(settings, market, symbol).map(|window| rate(&window.mean()));
    let status = match (&cross, &direct) {
        (None, None) => return None,
        (None, Some(_)) => "cross_missing".to_owned(),
        (Some(_), None) => "direct_missing".to_owned(),
        (Some((_, status)), Some(_)) => status.clone(),
    };
    let value = |value: Option<(BigInt, usize)>| {
        value.map_or("null".to_owned(), |(value, places)| text(&signed(&value, places)))
    };
    let cross = cross.map(|(rate, _)| rate);
    let both = cross.clone().zip(direct.clone());
    let basis = both.clone().map(|(cross, direct)| (cross - direct, 18));
    let points = both.map(|(cross, direct)| {
        let exact = (BigRational::new(cross, direct) - BigRational::one()) * ten_to(4);
        (half_to_even_signed(&(exact * ten_to(6))), 6)
    });
    Some(format!(
        r#"{{{},"status":"{status}","cross":{},"direct":{},"basis":{},"basis_bps":{}}}"#,
        head("basis", name, look),
        value(cross.map(|rate| (rate, 18))),
        value(direct.map(|rate| (rate, 18))),
        value(basis),
        value(points),
    ))
}

fn head(kind: &str, name: &str, look: Look<'_>) -> String {
    let (start, end) = (look.window.start / 1_000, look.window.end / 1_000);
    let (name, window) = (quoted(name), quoted(&look.definition.canonical()));
    format!(r#""kind":"{kind}","name":{name},"window":{window},"start_ms":{start},"end_ms":{end}"#)
}

/// Of digits.
fn text(digits: &str) -> String {
    format!("\"{digits}\"")
}

fn or_null(number: Option<i128>) -> String {
    number.map_or("null".to_owned(), |number| number.to_string())
}

fn printed(exact: &BigRational) -> String {
    scaled(&rate(exact), 18)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}
