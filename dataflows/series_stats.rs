//! How has a cross rate behaved so far?
//!
//! n, sum, mean, sample variance and std of the final rates as printed, in order of time, since the start
//! (or of the last K windows with a rate). The sums are the difference of a collection: a rate enters, with
//! `--stats-last` an old one leaves, and differential keeps the total. A window without a rate gives no row.

use crate::cross_rates::Rate;
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::row::{Row, stats_row};
use crate::market::series::SeriesMoments;
use crate::operators::at_looks::{AtLooks, LookLogic};
use differential_dataflow::VecCollection;
use differential_dataflow::difference::Semigroup;
use differential_dataflow::hashable::Hashable;
use differential_dataflow::operators::CountTotal;
use num_bigint::BigInt;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::vec::Map;

/// One row for each final rate.
pub fn series_stats<'scope>(
    rates: StreamVec<'scope, EventTime, Rate>,
    definition: &Arc<Definition>,
) -> StreamVec<'scope, EventTime, Row> {
    let by_cross = Exchange::new(|rate: &Rate| rate.cross.hashed());
    let enterings = rates.at_looks(by_cross, "RateSeries", RateSeries::new(definition));
    let totals = VecCollection::new(enterings).count_total();
    let definition = Arc::clone(definition);
    totals.inner.flat_map(move |((cross, total), date, diff)| {
        (diff > 0).then(|| {
            let look = date.plus(1);
            let end = look.minus(definition.grace);
            let name = &definition.crosses[cross as usize].name;
            stats_row(name, &total, look, end.minus(definition.windows.size), end)
        })
    })
}

/// Turns rates into what they add to their series, and takes out what has become too old.
struct RateSeries {
    stats_last: Option<u64>,
    pending: BTreeMap<EventTime, Vec<Rate>>,
    series: HashMap<u32, Series, foldhash::fast::RandomState>,
}

#[derive(Default)]
struct Series {
    last: BigInt,
    /// The rates that are in the sums; kept only where they must leave again.
    inside: VecDeque<BigInt>,
}

impl RateSeries {
    fn new(definition: &Definition) -> Self {
        RateSeries { stats_last: definition.stats_last, pending: BTreeMap::new(), series: HashMap::default() }
    }
}

impl LookLogic for RateSeries {
    type Input = Rate;
    type Output = (u32, EventTime, SeriesMoments);

    fn absorb(&mut self, rate: Rate) {
        self.pending.entry(rate.look).or_default().push(rate);
    }

    fn next_look(&self) -> Option<EventTime> {
        self.pending.keys().next().copied()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Self::Output)) {
        for Rate { cross, rate, .. } in self.pending.remove(&look).unwrap_or_default() {
            let series = self.series.entry(cross).or_default();
            let mut entering = SeriesMoments::of(&rate, &series.last);
            series.last = rate.clone();
            if let Some(most) = self.stats_last {
                series.inside.push_back(rate);
                if series.inside.len() as u64 > most
                    && let Some(old) = series.inside.pop_front()
                {
                    entering.plus_equals(&SeriesMoments::without(&old));
                }
            }
            give(look.minus(1), (cross, look.minus(1), entering));
        }
    }
}
