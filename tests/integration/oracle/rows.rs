//! The values of rows (`docs/semantics.md#cross-rates`, `#rows`): of a symbol, of a cross, of a cross's statistics.

use super::market::{Market, Window};
use super::numbers::{half_to_even_signed, rate, scaled, signed, ten_to, variance_and_std};
use super::settings::{Cross, MissingLeg, Settings};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;

/// A window at an event time: what a row is about.
#[derive(Debug, Copy, Clone)]
pub(crate) struct Look {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) at: i64,
}

/// The values of a row, without braces: what a revision is compared by.
pub(crate) fn symbol(market: &Market, name: &str, look: Look) -> Option<String> {
    let window = market.window(name, look.start, look.end, look.at)?;
    let price = |price: i64| scaled(&price.into(), 8);
    let mean = window.mean();
    let (variance, std) = variance_and_std(&(window.mean_square() - &mean * &mean));
    Some(format!(
        r#"{},"trades":{},"open":"{}","high":"{}","low":"{}","close":"{}","volume":"{}","quote_volume":"{}","vwap":"{}","vw_variance":{variance},"vw_std":{std},"missing_ids":{},"digest":"{:016x}""#,
        head("symbol", name, look),
        window.trades,
        price(window.open),
        price(window.high),
        price(window.low),
        price(window.close),
        scaled(&window.volume, 8),
        scaled(&window.quote_volume, 16),
        printed(&mean),
        window.missing_ids,
        window.digest,
    ))
}

/// What stands for a leg in a window.
struct Standing {
    window: Window,
    age: i64,
}

/// The values of a cross's row and its rate as printed, scaled by 1e18; nothing where there is no row.
pub(crate) fn cross(
    settings: &Settings,
    market: &Market,
    cross: &Cross,
    look: Look,
) -> Option<(String, Option<BigInt>)> {
    let legs: Vec<_> = cross.legs.iter().map(|leg| standing(settings, market, &leg.symbol, look)).collect();
    let traded: Vec<&Window> =
        legs.iter().flatten().filter(|leg| leg.age == 0).map(|leg| &leg.window).collect();
    if traded.is_empty() {
        return None;
    }
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
    let mut exact = (status != "leg_missing").then(BigRational::one);
    let (mut squares, mut squared_mean) = (BigRational::one(), BigRational::one());
    let mut leg_texts = Vec::new();
    for (leg, standing) in cross.legs.iter().zip(&legs) {
        let (mut vwap, mut trades, mut age) = ("null".to_owned(), 0, 0);
        if let Some(standing) = standing {
            let mean = standing.window.mean();
            vwap = format!("\"{}\"", printed(&mean));
            age = standing.age;
            trades = if age == 0 { standing.window.trades } else { 0 };
            squares *= standing.window.mean_square();
            squared_mean *= &mean * &mean;
            exact = exact.map(|rate| if leg.inverse { rate / mean } else { rate * mean });
        }
        leg_texts.push(format!(
            r#"{{"symbol":{},"inverse":{},"vwap":{vwap},"trades":{trades},"age_ms":{}}}"#,
            quoted(&leg.symbol),
            leg.inverse,
            age / 1_000,
        ));
    }
    let rate = exact.map(|exact| rate(&exact));
    let direct = cross.legs.iter().all(|leg| !leg.inverse);
    let (variance, std) = match rate {
        Some(_) if direct => variance_and_std(&(squares - squared_mean)),
        _ => ("null".into(), "null".into()),
    };
    let values = format!(
        r#"{},"status":"{status}","vwap":{},"vw_variance":{variance},"vw_std":{std},"trades":{},"legs":[{}],"missing_ids":{},"digest":"{:016x}""#,
        head("cross", &cross.name, look),
        rate.as_ref().map_or("null".into(), |rate| format!("\"{}\"", scaled(rate, 18))),
        traded.iter().map(|window| window.trades).sum::<usize>(),
        leg_texts.join(","),
        traded.iter().map(|window| window.missing_ids).sum::<i128>(),
        traded.iter().fold(0u64, |sum, window| sum.wrapping_add(window.digest)),
    );
    Some((values, rate))
}

/// The leg's own window, or with `carry` its latest earlier one with trades.
fn standing(settings: &Settings, market: &Market, symbol: &str, look: Look) -> Option<Standing> {
    let Look { start, end, at } = look;
    if let Some(window) = market.window(symbol, start, end, at) {
        return Some(Standing { window, age: 0 });
    }
    if settings.missing_leg != MissingLeg::Carry {
        return None;
    }
    let mut age = settings.slide;
    while age <= settings.max_carry {
        if market.has_trades(symbol, start - age, end - age, at) {
            let window = market.window(symbol, start - age, end - age, at)?;
            return Some(Standing { window, age });
        }
        age += settings.slide;
    }
    None
}

/// A whole row: the statistics of these rates, of which the last is the window's own.
pub(crate) fn stats(name: &str, look: Look, rates: &[BigInt]) -> String {
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

/// A whole row: the rate of a cross as printed, with the status of its row, beside the VWAP of the direct pair.
pub(crate) fn basis(
    market: &Market,
    (name, symbol): &(String, String),
    look: Look,
    cross: Option<(BigInt, String)>,
) -> Option<String> {
    let direct = market.window(symbol, look.start, look.end, look.at).map(|window| rate(&window.mean()));
    let status = match (&cross, &direct) {
        (None, None) => return None,
        (None, Some(_)) => "cross_missing".to_owned(),
        (Some(_), None) => "direct_missing".to_owned(),
        (Some((_, status)), Some(_)) => status.clone(),
    };
    let text = |value: Option<(BigInt, usize)>| {
        value.map_or("null".to_owned(), |(value, places)| format!("\"{}\"", signed(&value, places)))
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
        text(cross.map(|rate| (rate, 18))),
        text(direct.map(|rate| (rate, 18))),
        text(basis),
        text(points),
    ))
}

fn head(kind: &str, name: &str, look: Look) -> String {
    let (start, end) = (look.start / 1_000, look.end / 1_000);
    format!(r#""kind":"{kind}","name":{},"start_ms":{start},"end_ms":{end}"#, quoted(name))
}

fn printed(exact: &BigRational) -> String {
    scaled(&rate(exact), 18)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}
