//! A pane's update as plain words: symbol, pane end and candle, date, sums.

use super::{ExchangePlain, Plain};
use crate::market::candle::{Candle, TradePosition};
use crate::market::decimal::Price;
use crate::market::event_time::EventTime;
use crate::market::moments::Moments;
use crate::market::trade::Symbol;
use crate::market::wide::WideInteger;

use differential_dataflow::{Hashable, VecCollection};

/// As differential has it: data, time, difference.
type PaneDifference = ((Symbol, (EventTime, Candle)), EventTime, Moments);

/// Moves panes to the worker that their symbol belongs to. It is the one where `arrange_by_key` wants them,
/// whose own exchange then finds nothing left to move, and nothing to encode.
pub fn by_symbol<'scope>(
    panes: VecCollection<'scope, EventTime, (Symbol, (EventTime, Candle)), Moments>,
) -> VecCollection<'scope, EventTime, (Symbol, (EventTime, Candle)), Moments> {
    let route = |((symbol, _), _, _): &PaneDifference| symbol.hashed();
    VecCollection::new(panes.inner.exchange_plain("PanesAsWords", route))
}

impl Plain for PaneDifference {
    type Words = [[u64; 18]; 2];

    #[rustfmt::skip]
    fn words(&self) -> Self::Words {
        let ((_, (end, candle)), date, moments) = self;
        let Candle { first, last, high, low, least_id, greatest_id } = candle;
        let Moments { n, q, pq, p2q, digest, more_ids, untold, buy_q, buy_pq, unnumbered } = moments;
        let [pq0, pq1, pq2, pq3] = pq.words();
        let [p0, p1, p2, p3] = p2q.words();
        let [b0, b1, b2, b3] = buy_pq.words();
        [
            [
                end.micros(), date.micros(),
                first.time.micros(), first.id, first.tie, first.price.scaled() as u64,
                last.time.micros(), last.id, last.tie, last.price.scaled() as u64,
                high.scaled() as u64, low.scaled() as u64, *least_id, *greatest_id,
                *n as u64, *q as u64, (*q >> 64) as u64, *digest,
            ],
            [
                pq0, pq1, pq2, pq3, p0, p1, p2, p3,
                *more_ids as u64, (*more_ids >> 64) as u64, *untold as u64,
                *buy_q as u64, (*buy_q >> 64) as u64, b0, b1, b2, b3, *unnumbered as u64,
            ],
        ]
    }

    fn text(&self) -> &str {
        self.0.0.as_str()
    }

    #[rustfmt::skip]
    fn from_words(words: Self::Words, symbol: &str) -> Option<Self> {
        let [
            [
                end, date,
                first_time, first_id, first_tie, first_price,
                last_time, last_id, last_tie, last_price,
                high, low, least_id, greatest_id,
                n, q_low, q_high, digest,
            ],
            [
                pq0, pq1, pq2, pq3, p0, p1, p2, p3,
                more_low, more_high, untold,
                buy_low, buy_high, b0, b1, b2, b3, unnumbered,
            ],
        ] = words;
        let whole = |low: u64, high: u64| (u128::from(low) | u128::from(high) << 64) as i128;
        let price = |scaled: u64| Price::from_scaled(scaled as i64);
        let place = |time, id, tie, scaled| {
            Some(TradePosition { time: EventTime::from_micros(time), id, tie, price: price(scaled)? })
        };
        let candle = Candle {
            first: place(first_time, first_id, first_tie, first_price)?,
            last: place(last_time, last_id, last_tie, last_price)?,
            high: price(high)?,
            low: price(low)?,
            least_id,
            greatest_id,
        };
        let moments = Moments {
            n: n as i64,
            q: whole(q_low, q_high),
            pq: WideInteger::from_words([pq0, pq1, pq2, pq3]),
            p2q: WideInteger::from_words([p0, p1, p2, p3]),
            digest,
            more_ids: whole(more_low, more_high),
            untold: untold as i64,
            buy_q: whole(buy_low, buy_high),
            buy_pq: WideInteger::from_words([b0, b1, b2, b3]),
            unnumbered: unnumbered as i64,
        };
        let data = (Symbol::new(symbol), (EventTime::from_micros(end), candle));
        Some((data, EventTime::from_micros(date), moments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::candle::TradeArrival;
    use crate::market::decimal::Quantity;
    use crate::market::trade::{IdRange, Side, Trade};
    use differential_dataflow::difference::Abelian;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_pane_update_survives_encoding(
            symbol in ".{1,40}",
            trades in prop::collection::vec((any::<u64>(), 1..=i64::MAX, 1..=i64::MAX, any::<u64>()), 1..5),
            (end, date, digest, negative) in any::<(u64, u64, u64, bool)>(),
        ) {
            let trades = trades.into_iter().map(|(id, price, quantity, time)| Trade {
                ids: IdRange { first: id / 2, last: id },
                side: [Side::Untold, Side::Buy, Side::Sell][(time % 3) as usize],
                ..Trade::new(
                    id,
                    Price::from_scaled(price).expect("positive"),
                    Quantity::from_scaled(quantity).expect("positive"),
                    EventTime::from_micros(time),
                )
            });
            let trades: Vec<Trade> = trades.collect();
            let mut candle = Candle::of(&trades[0]);
            let mut moments = Moments::default();
            for trade in &trades {
                candle.add_trade(trade);
                moments.add_trade(trade, digest);
            }
            let arrival = TradeArrival { offset: (digest >> 1) as i64, part: end as u32, partition: date as u32 };
            candle.merge(&Candle::arrived(&trades[0], arrival));
            moments.add_unnumbered(&trades[0], digest);
            if negative {
                moments.negate();
            }
            let update: PaneDifference =
                ((Symbol::new(&symbol), (EventTime::from_micros(end), candle)), EventTime::from_micros(date), moments);
            prop_assert_eq!(PaneDifference::from_words(update.words(), update.text()), Some(update.clone()));
        }
    }

    #[test]
    fn a_price_that_is_none_is_refused() {
        assert_eq!(PaneDifference::from_words([[0; 18]; 2], "XVGBTC"), None);
        assert_eq!(PaneDifference::from_words([[u64::MAX; 18]; 2], "XVGBTC"), None);
    }
}
