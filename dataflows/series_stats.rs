//! How has a cross rate behaved so far?
//!
//! n, sum, mean, sample variance and std of the final rates as printed, in order of time, since the start
//! (or of the last K windows with a rate). The sums are the difference of a collection: a rate enters, with
//! `--stats-last` an old one leaves, and differential keeps the total. A window without a rate gives no row.

use crate::cross_rates::Rate;
use crate::market::changes::{CrossNumber, DatedChange, DefinitionTimeline};
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::resume::{LastingChange, Resume, known_of};
use crate::market::row::{Occasion, Row, Stage, stats_row};
use crate::market::series::SeriesMoments;
use crate::market::windows::WindowPlace;
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::emission::Emission;
use crate::operators::given_once::given_once;
use differential_dataflow::VecCollection;
use differential_dataflow::difference::Semigroup;
use differential_dataflow::hashable::Hashable;
use differential_dataflow::operators::CountTotal;
use num_bigint::BigInt;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::{Concat, Exchange, OkErr};
use timely::dataflow::operators::vec::Map;
use timely::dataflow::{Scope, StreamVec};

/// One row for each final rate, and the state for the next run.
pub fn series_stats<'scope>(
    rates: StreamVec<'scope, EventTime, Rate>,
    changes: StreamVec<'scope, EventTime, DatedChange>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> StreamVec<'scope, EventTime, Emission> {
    let by_cross = |rate: &Rate| (rate.cross, rate.place).hashed();
    let changing = DefinitionTimeline::of(definition).after(&resume.changes());
    let before = earlier_totals(rates.scope(), &changing, definition, resume);
    // Rates that a change brings come once this worker has heard of it: what it is dated from has passed
    // then.
    let changing = Rc::new(RefCell::new(changing));
    let input = rates.exchange(by_cross).map(SeriesInput::Rate).concat(changes.map(SeriesInput::Changed));
    let series = RateSeries::new(definition, &changing, resume);
    let series = input.at_looks(Pipeline, "RateSeries", series);
    let (entering, emitted) = series.ok_err(|output| match output {
        SeriesOutput::Entering(entering) => Ok(entering),
        SeriesOutput::Emission(emission) => Err(emission),
    });
    let totals = VecCollection::new(before.concat(entering)).count_total();
    let rows = totals.inner.flat_map(emissions(definition, changing));
    rows.concat(emitted)
}

/// A cross in the windows of one definition.
type SeriesKey = (CrossNumber, WindowPlace);
type SeriesUpdate = (SeriesKey, EventTime, SeriesMoments);

/// The restored statistics, as additions to the collection.
fn earlier_totals<'scope>(
    scope: Scope<'scope, EventTime>,
    changing: &DefinitionTimeline,
    definition: &Definition,
    resume: &Resume,
) -> StreamVec<'scope, EventTime, SeriesUpdate> {
    let numbered = (0u32..).zip(changing.crosses()).filter(|(number, c)| *number == c.series);
    let places = 0..definition.windows.count();
    let keyed = numbered.flat_map(|(cross, c)| places.clone().map(move |place| (cross, place, c)));
    let known = keyed.filter_map(|(cross, place, c)| {
        let total = known_of(&resume.series, &c.key, definition.windows.at(place))?.clone();
        Some(((cross, place), EventTime::MIN, total))
    });
    given_once(scope, known)
}

/// A new total becomes a row, and the state for the next run.
fn emissions(
    definition: &Arc<Definition>,
    changing: Rc<RefCell<DefinitionTimeline>>,
) -> impl FnMut(((SeriesKey, SeriesMoments), EventTime, isize)) -> Vec<Emission> + use<> {
    let definition = Arc::clone(definition);
    move |(((cross, place), total), date, diff)| {
        let look = date.plus(1);
        // Restored statistics come at the least time, and their row is out.
        if diff < 0 || date == EventTime::MIN {
            return Vec::new();
        }
        let changing = changing.borrow();
        let cross = changing.cross(cross);
        // Of what a cross reaches back to each window has a row of its own.
        if cross.life.begins_at(look) {
            return Vec::new();
        }
        let end = look.minus(definition.grace);
        let window = definition.windows.at(place);
        let occasion = Occasion { look, window, place, end, stage: Stage::FINAL };
        vec![
            Emission::Row(stats_row(&cross.cross.name, &total, occasion)),
            Emission::Lasting(look, LastingChange::Series((cross.key.clone(), window.name_owned()), total)),
        ]
    }
}

/// Turns rates into additions to their series, and takes out rates that have become too old.
struct RateSeries {
    definition: Arc<Definition>,
    changing: Rc<RefCell<DefinitionTimeline>>,
    pending: BTreeMap<EventTime, Vec<Rate>>,
    series: HashMap<SeriesKey, SeriesValues, foldhash::fast::RandomState>,
}

#[derive(Default)]
struct SeriesValues {
    last: BigInt,
    /// How many rates have come.
    seen: i64,
    /// The rates that are in the sums; kept only where they must leave again.
    inside: VecDeque<BigInt>,
}

#[derive(Debug, Clone)]
enum SeriesInput {
    Rate(Rate),
    Changed(DatedChange),
}

#[derive(Debug, Clone)]
enum SeriesOutput {
    Entering(SeriesUpdate),
    Emission(Emission),
}

impl RateSeries {
    fn new(
        definition: &Arc<Definition>,
        changing: &Rc<RefCell<DefinitionTimeline>>,
        resume: &Resume,
    ) -> Self {
        let mut series = HashMap::default();
        for (cross, c) in (0u32..).zip(changing.borrow().crosses()).filter(|(number, c)| *number == c.series)
        {
            for place in 0..definition.windows.count() {
                let window = definition.windows.at(place);
                let Some(total) = known_of(&resume.series, &c.key, window) else { continue };
                let inside = known_of(&resume.rates, &c.key, window).map(|r| r.values().cloned().collect());
                let inside = inside.unwrap_or_default();
                series.insert(
                    (cross, place),
                    SeriesValues { last: total.last.clone(), seen: total.seen, inside },
                );
            }
        }
        let (definition, changing) = (Arc::clone(definition), Rc::clone(changing));
        RateSeries { definition, changing, pending: BTreeMap::new(), series }
    }

    /// The additions of a rate to its series.
    fn enter(
        &mut self,
        (cross, place): SeriesKey,
        look: EventTime,
        rate: BigInt,
        give: &mut dyn FnMut(EventTime, SeriesOutput),
    ) -> SeriesMoments {
        let series = self.series.entry((cross, place)).or_default();
        let mut entering = SeriesMoments::of(&rate, &series.last);
        series.last = rate.clone();
        series.seen += 1;
        if let Some(most) = self.definition.stats_last {
            let key = self.changing.borrow().cross(cross).key.clone();
            let of = (key, self.definition.windows.at(place).name_owned());
            let lasting = LastingChange::Rate(of, series.seen, rate.clone());
            give(look.minus(1), SeriesOutput::Emission(Emission::Lasting(look, lasting)));
            series.inside.push_back(rate);
            if series.inside.len() as u64 > most
                && let Some(old) = series.inside.pop_front()
            {
                entering.plus_equals(&SeriesMoments::without(&old));
            }
        }
        entering
    }

    /// A row for each window that a cross reaches back to, and what all of them add to its series.
    fn begin(
        &mut self,
        of: SeriesKey,
        look: EventTime,
        rates: Vec<(EventTime, BigInt)>,
        give: &mut dyn FnMut(EventTime, SeriesOutput),
    ) {
        let definition = Arc::clone(&self.definition);
        let (name, key) = {
            let changing = self.changing.borrow();
            let cross = changing.cross(of.0);
            (cross.cross.name.clone(), cross.key.clone())
        };
        let window = definition.windows.at(of.1);
        let mut total = SeriesMoments::default();
        for (end, rate) in rates {
            total.plus_equals(&self.enter(of, look, rate, give));
            let occasion = Occasion { look, window, place: of.1, end, stage: Stage::FINAL };
            let row = Row { is_back_filled: true, ..stats_row(&name, &total, occasion) };
            give(look.minus(1), SeriesOutput::Emission(Emission::Row(row)));
        }
        let lasting = LastingChange::Series((key, window.name_owned()), total.clone());
        give(look.minus(1), SeriesOutput::Emission(Emission::Lasting(look, lasting)));
        give(look.minus(1), SeriesOutput::Entering((of, look.minus(1), total)));
    }
}

impl LookLogic for RateSeries {
    type Input = SeriesInput;
    type Output = SeriesOutput;

    fn absorb(&mut self, input: SeriesInput) {
        match input {
            SeriesInput::Rate(rate) => self.pending.entry(rate.look).or_default().push(rate),
            SeriesInput::Changed(change) => _ = self.changing.borrow_mut().apply(&change),
        }
    }

    fn next_look(&self) -> Option<EventTime> {
        self.pending.keys().next().copied()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, SeriesOutput)) {
        let mut beginning: BTreeMap<SeriesKey, Vec<(EventTime, BigInt)>> = BTreeMap::new();
        for Rate { cross, place, end, rate, .. } in self.pending.remove(&look).unwrap_or_default() {
            let life = self.changing.borrow().cross(cross).life;
            if life.begins_at(look) {
                beginning.entry((cross, place)).or_default().push((end, rate));
                continue;
            }
            let entering = self.enter((cross, place), look, rate, give);
            give(look.minus(1), SeriesOutput::Entering(((cross, place), look.minus(1), entering)));
        }
        for (of, mut rates) in beginning {
            rates.sort_unstable();
            self.begin(of, look, rates, give);
        }
    }
}
