//! The rows of each kind, from what is known of their windows.

use super::{Occasion, Row, RowKind};
use crate::market::cross::{CrossState, Status};
use crate::market::decimal::Decimals;
use crate::market::definition::{Cross, Definition, Fill};
use crate::market::ratio::RATE_PLACES;
use crate::market::resume::LastClose;
use crate::market::series::SeriesMoments;
use crate::market::trade::Symbol;
use crate::market::value::{Decimal, Value};
use crate::market::wide::WideInteger;
use crate::market::window::{WindowState, variance, vwap};
use num_bigint::BigInt;

/// The row of a symbol.
pub fn symbol_row(name: &Symbol, state: &WindowState, decimals: Decimals, occasion: Occasion<'_>) -> Row {
    let Decimals { price: price_places, quantity: places } = decimals;
    let WindowState { moments, candle, .. } = state;
    let price = |scaled: i64| Value::decimal(scaled.into(), price_places);
    let variance = variance(moments, decimals);
    let quote_volume = |pq: WideInteger| match pq.to_u128().map(i128::try_from) {
        Some(Ok(small)) => Value::decimal(small, price_places + places),
        _ => Value::Decimal(Decimal::of(&pq.to_bigint(), price_places + places)),
    };
    let (buy_volume, buy_quote_volume) = match moments.untold {
        0 => (Value::decimal(moments.buy_q, places), quote_volume(moments.buy_pq)),
        _ => (Value::Null, Value::Null),
    };
    let values = Box::new([
        Value::Integer(moments.n),
        price(candle.first.price.scaled()),
        price(candle.high.scaled()),
        price(candle.low.scaled()),
        price(candle.last.price.scaled()),
        Value::decimal(moments.q, places),
        quote_volume(moments.pq),
        buy_volume,
        buy_quote_volume,
        Value::Decimal(vwap(moments, decimals)),
        Value::real(variance),
        Value::real(variance.map(f64::sqrt)),
        state.missing_ids().map_or(Value::Null, Value::whole),
        Value::Digest(moments.digest),
    ]);
    Row::new(RowKind::Symbol, name, occasion, values)
}

/// The row of a symbol's window without trades, filled from an earlier one.
pub fn fill_row(name: &Symbol, from: &LastClose, definition: &Definition, occasion: Occasion<'_>) -> Row {
    let Decimals { price: price_places, quantity: places } = definition.decimals();
    let price = || match definition.fill {
        Fill::Previous => Value::decimal(from.close.into(), price_places),
        Fill::Null | Fill::None => Value::Null,
    };
    let (volume, quote_volume) = (|| Value::decimal(0, places), || Value::decimal(0, price_places + places));
    let values = Box::new([
        Value::Integer(0),
        price(),
        price(),
        price(),
        price(),
        volume(),
        quote_volume(),
        volume(),
        quote_volume(),
        Value::Null,
        Value::Null,
        Value::Null,
        if from.counts_ids { Value::Integer(0) } else { Value::Null },
        Value::Digest(0),
    ]);
    Row::new(RowKind::Symbol, name, occasion, values)
}

/// The row of a cross.
pub fn cross_row(
    cross: &Cross,
    state: &CrossState,
    rate: Option<&BigInt>,
    decimals: Decimals,
    occasion: Occasion<'_>,
) -> Row {
    let status = state.status();
    let variance = if status == Status::LegMissing { None } else { state.variance(cross, decimals) };
    let legs = cross.legs.iter().enumerate().map(|(i, leg)| {
        let (trades, age) = match &state.legs[i] {
            Some(leg) if leg.traded() => (leg.moments.n, 0),
            Some(leg) => (0, leg.age / 1_000),
            None => (0, 0),
        };
        let values: Box<[Value]> = Box::new([
            leg.symbol.as_str().into(),
            Value::Boolean(leg.inverse),
            state.leg_vwap(i, decimals).map_or(Value::Null, Value::Decimal),
            Value::Integer(trades),
            Value::whole(age.into()),
        ]);
        values
    });
    let values = Box::new([
        status.as_str().into(),
        rate_value(rate),
        Value::real(variance),
        Value::real(variance.map(f64::sqrt)),
        rate_value(state.close(cross, decimals).as_ref()),
        Value::whole(state.traded().map(|leg| i128::from(leg.moments.n)).sum()),
        Value::List(legs.collect()),
        state.missing_ids().map_or(Value::Null, Value::whole),
        Value::Digest(state.traded().fold(0u64, |sum, leg| sum.wrapping_add(leg.moments.digest))),
    ]);
    Row::new(RowKind::Cross, &cross.name, occasion, values)
}

/// The row of a cross's statistics.
pub fn stats_row(name: &Symbol, series: &SeriesMoments, occasion: Occasion<'_>) -> Row {
    let variance = series.variance();
    let values = Box::new([
        Value::Integer(series.n),
        rate_value(Some(&series.last)),
        rate_value(Some(&series.sum)),
        rate_value(Some(&series.mean())),
        Value::real(variance),
        Value::real(variance.map(f64::sqrt)),
    ]);
    Row::new(RowKind::Stats, name, occasion, values)
}

fn rate_value(rate: Option<&BigInt>) -> Value {
    rate.map_or(Value::Null, |rate| Value::Decimal(Decimal::of(rate, RATE_PLACES as u8)))
}
