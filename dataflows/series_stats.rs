//! How has a cross rate behaved so far?
//!
//! n, sum, mean, sample variance and std of the final rates as printed, in order of time, since the start
//! (or of the last K windows with a rate). The sums are the difference of a collection: a rate enters, with
//! `--stats-last` an old one leaves, and differential keeps the total. A window without a rate gives no row.

use crate::cross_rates::{CrossNumber, Rate};
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::resume::{Lasting, Resume, known_of};
use crate::market::row::{Occasion, Stage, stats_row};
use crate::market::series::SeriesMoments;
use crate::market::windows::WindowPlace;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::given_once::given_once;
use crate::symbol_windows::Emission;
use differential_dataflow::VecCollection;
use differential_dataflow::difference::Semigroup;
use differential_dataflow::hashable::Hashable;
use differential_dataflow::operators::CountTotal;
use num_bigint::BigInt;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use timely::dataflow::Scope;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::core::{Concat, OkErr};
use timely::dataflow::operators::vec::Map;

/// One row for each final rate, and what the next run must know.
pub fn series_stats<'scope>(
    rates: StreamVec<'scope, EventTime, Rate>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> StreamVec<'scope, EventTime, Emission> {
    let by_cross = Exchange::new(|rate: &Rate| (rate.cross, rate.place).hashed());
    let before = earlier_totals(rates.scope(), definition, resume);
    let series = rates.at_looks(by_cross, "RateSeries", RateSeries::new(definition, resume));
    let (entering, lasting) = series.ok_err(|output| match output {
        Output::Entering(entering) => Ok(entering),
        Output::Lasting(look, lasting) => Err(Emission::Lasting(look, lasting)),
    });
    let totals = VecCollection::new(before.concat(entering)).count_total();
    let rows = totals.inner.flat_map(emissions(definition));
    rows.concat(lasting)
}

/// A cross in the windows of one definition.
type SeriesKey = (CrossNumber, WindowPlace);
type Entering = (SeriesKey, EventTime, SeriesMoments);

/// The statistics that an earlier run left, as what they add to the collection.
fn earlier_totals<'scope>(
    scope: Scope<'scope, EventTime>,
    definition: &Definition,
    resume: &Resume,
) -> StreamVec<'scope, EventTime, Entering> {
    let numbered = (0u32..).zip(&definition.crosses);
    let places = 0..definition.windows.count();
    let keyed = numbered.flat_map(|(cross, c)| places.clone().map(move |place| (cross, place, c)));
    let known = keyed.filter_map(|(cross, place, c)| {
        let total = known_of(&resume.series, &c.name, definition.windows.at(place))?.clone();
        Some(((cross, place), EventTime::MIN, total))
    });
    given_once(scope, known)
}

/// A new total is a row, and the state to go on from.
fn emissions(
    definition: &Arc<Definition>,
) -> impl FnMut(((SeriesKey, SeriesMoments), EventTime, isize)) -> Vec<Emission> + use<> {
    let definition = Arc::clone(definition);
    move |(((cross, place), total), date, diff)| {
        let look = date.plus(1);
        // What an earlier run left came at the least time, and its row is out.
        if diff < 0 || date == EventTime::MIN {
            return Vec::new();
        }
        let end = look.minus(definition.grace);
        let name = &definition.crosses[cross as usize].name;
        let window = definition.windows.at(place);
        let row = stats_row(name, &total, Occasion { look, window, place, end, stage: Stage::FINAL });
        vec![
            Emission::Row(row),
            Emission::Lasting(look, Lasting::Series((name.clone(), window.name_owned()), total)),
        ]
    }
}

/// Turns rates into what they add to their series, and takes out what has become too old.
struct RateSeries {
    definition: Arc<Definition>,
    pending: BTreeMap<EventTime, Vec<Rate>>,
    series: HashMap<SeriesKey, Series, foldhash::fast::RandomState>,
}

#[derive(Default)]
struct Series {
    last: BigInt,
    /// How many rates have come.
    seen: i64,
    /// The rates that are in the sums; kept only where they must leave again.
    inside: VecDeque<BigInt>,
}

#[derive(Debug, Clone)]
enum Output {
    Entering(Entering),
    Lasting(EventTime, Lasting),
}

impl RateSeries {
    fn new(definition: &Arc<Definition>, resume: &Resume) -> Self {
        let mut series = HashMap::default();
        for (cross, c) in (0u32..).zip(&definition.crosses) {
            for place in 0..definition.windows.count() {
                let window = definition.windows.at(place);
                let Some(total) = known_of(&resume.series, &c.name, window) else { continue };
                let inside = known_of(&resume.rates, &c.name, window).map(|r| r.values().cloned().collect());
                let inside = inside.unwrap_or_default();
                series.insert((cross, place), Series { last: total.last.clone(), seen: total.seen, inside });
            }
        }
        RateSeries { definition: Arc::clone(definition), pending: BTreeMap::new(), series }
    }
}

impl LookLogic for RateSeries {
    type Input = Rate;
    type Output = Output;

    fn absorb(&mut self, rate: Rate) {
        self.pending.entry(rate.look).or_default().push(rate);
    }

    fn next_look(&self) -> Option<EventTime> {
        self.pending.keys().next().copied()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Output)) {
        for Rate { cross, place, rate, .. } in self.pending.remove(&look).unwrap_or_default() {
            let series = self.series.entry((cross, place)).or_default();
            let mut entering = SeriesMoments::of(&rate, &series.last);
            series.last = rate.clone();
            series.seen += 1;
            if let Some(most) = self.definition.stats_last {
                let name = self.definition.crosses[cross as usize].name.clone();
                let of = (name, self.definition.windows.at(place).name_owned());
                give(look.minus(1), Output::Lasting(look, Lasting::Rate(of, series.seen, rate.clone())));
                series.inside.push_back(rate);
                if series.inside.len() as u64 > most
                    && let Some(old) = series.inside.pop_front()
                {
                    entering.plus_equals(&SeriesMoments::without(&old));
                }
            }
            give(look.minus(1), Output::Entering(((cross, place), look.minus(1), entering)));
        }
    }
}
