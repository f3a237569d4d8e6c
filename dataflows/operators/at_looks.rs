//! Runs logic at looks: moments of event time at which everything before them is known.

use crate::market::event_time::EventTime;
use std::collections::BTreeMap;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

/// Items that an operator gives before it lets those behind it work. A frontier that leaps (over a quiet
/// night, or at the end of the input) proves any number of looks at once, and what all of them give would
/// pile up between operators.
const ENOUGH: usize = 4_096;

/// What happens at looks. It never sees the frontier: the operator calls [`LookLogic::look`] once the
/// frontier proves it.
pub trait LookLogic: 'static {
    /// What comes in; each item carries its date, at or after the time it was sent at.
    type Input: 'static;
    /// What goes out.
    type Output: Clone + 'static;

    /// Keeps an item until a look after its date.
    fn absorb(&mut self, item: Self::Input);

    /// The next look that has something to do, after the last one; later than the dates of all that it must
    /// see.
    fn next_look(&self) -> Option<EventTime>;

    /// Nothing more comes in: what waits for more can go. Called before the looks that this proves, perhaps
    /// repeatedly.
    fn input_has_ended(&mut self) {}

    /// Looks: gives every item a time not before `look` minus one.
    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, Self::Output));
}

/// Extension trait for streams of dated items.
pub trait AtLooks<'scope, D> {
    /// Feeds the items to `logic` and runs its looks in order, each as soon as the frontier has reached it.
    ///
    /// The output frontier stays just before the next look, so that whoever follows waits for it.
    ///
    /// ```
    /// use crossrate_dataflows::market::event_time::EventTime;
    /// use crossrate_dataflows::operators::at_looks::{AtLooks, LookLogic};
    /// use timely::dataflow::channels::pact::Pipeline;
    /// use timely::dataflow::operators::{Inspect, ToStream};
    ///
    /// /// Counts the items before each multiple of ten.
    /// #[derive(Default)]
    /// struct Tens(Vec<EventTime>);
    /// impl LookLogic for Tens {
    ///     type Input = EventTime;
    ///     type Output = (u64, usize);
    ///     fn absorb(&mut self, item: EventTime) { self.0.push(item) }
    ///     fn next_look(&self) -> Option<EventTime> {
    ///         self.0.iter().min().map(|t| EventTime::from_micros(t.micros() / 10 * 10 + 10))
    ///     }
    ///     fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, (u64, usize))) {
    ///         let before = self.0.len();
    ///         self.0.retain(|t| *t >= look);
    ///         give(look.minus(1), (look.micros(), before - self.0.len()));
    ///     }
    /// }
    ///
    /// timely::execute_directly(|worker| {
    ///     worker.dataflow::<EventTime, _, _>(|scope| {
    ///         [3u64, 12, 5].into_iter().map(EventTime::from_micros).to_stream(scope).container::<Vec<_>>()
    ///             .at_looks(Pipeline, "Tens", Tens::default())
    ///             .inspect(|seen| assert!(*seen == (10, 2) || *seen == (20, 1)));
    ///     });
    /// });
    /// ```
    fn at_looks<P, L>(self, pact: P, name: &str, logic: L) -> Stream<'scope, EventTime, Vec<L::Output>>
    where
        P: ParallelizationContract<EventTime, Vec<D>>,
        L: LookLogic<Input = D>;
}

impl<'scope, D: Clone + 'static> AtLooks<'scope, D> for Stream<'scope, EventTime, Vec<D>> {
    fn at_looks<P, L>(self, pact: P, name: &str, mut logic: L) -> Stream<'scope, EventTime, Vec<L::Output>>
    where
        P: ParallelizationContract<EventTime, Vec<D>>,
        L: LookLogic<Input = D>,
    {
        let scope = self.scope();
        let operator = name.to_owned();
        self.unary_frontier(pact, name, move |first, info| {
            let again = scope.activator_for(info.address);
            // Logic that resumes may have looks to come before anything comes in.
            let mut hold: Option<Capability<EventTime>> = logic.next_look().map(|_| first);
            move |(input, frontier), output| {
                // Keep what came, and the least capability it came with.
                input.for_each(|capability, items| {
                    if let Some(capability) = capability.retain_least(0)
                        && hold.as_ref().is_none_or(|held| capability.time() < held.time())
                    {
                        hold = Some(capability);
                    }
                    items.drain(..).for_each(|item| logic.absorb(item));
                });
                // Look, in order, as far as nothing earlier can come any more.
                let Some(held) = &mut hold else { return };
                let mut given: BTreeMap<EventTime, Vec<L::Output>> = BTreeMap::new();
                let mut items = 0;
                if frontier.is_empty() {
                    logic.input_has_ended();
                }
                while let Some(look) = logic.next_look().filter(|look| !frontier.less_than(look)) {
                    if items >= ENOUGH {
                        again.activate();
                        break;
                    }
                    logic.look(look, &mut |time, item| {
                        debug_assert!(
                            time >= look.minus(1),
                            "{operator} gives an item of {time:?} at {look:?}"
                        );
                        items += 1;
                        given.entry(time).or_default().push(item);
                    });
                }
                for (time, mut items) in given {
                    output.session(&held.delayed(&time)).give_container(&mut items);
                }
                // Give up what is not needed: the next output is dated just before the next look.
                match logic.next_look() {
                    Some(look) if look.minus(1) > *held.time() => held.downgrade(&look.minus(1)),
                    Some(_) => {}
                    None => hold = None,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timely::container::CapacityContainerBuilder;
    use timely::dataflow::channels::pact::Pipeline;
    use timely::dataflow::operators::ToStream;

    /// Two items at each microsecond up to the one that came in.
    #[derive(Default)]
    struct Pairs {
        last: u64,
        until: u64,
    }

    impl LookLogic for Pairs {
        type Input = u64;
        type Output = u64;

        fn absorb(&mut self, until: u64) {
            self.until = until;
        }

        fn next_look(&self) -> Option<EventTime> {
            (self.last < self.until).then(|| EventTime::from_micros(self.last + 1))
        }

        fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, u64)) {
            self.last = look.micros();
            give(look.minus(1), look.micros());
            give(look, look.micros());
        }
    }

    #[test]
    fn what_a_leap_of_the_frontier_proves_is_given_in_portions() {
        let looks = 5 * ENOUGH as u64;
        let (seen, portions) = std::sync::mpsc::channel();
        timely::execute_directly(move |worker| {
            worker.dataflow::<EventTime, _, _>(|scope| {
                [looks]
                    .to_stream(scope)
                    .container::<Vec<_>>()
                    .at_looks(Pipeline, "Pairs", Pairs::default())
                    .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Portions", move |_, _| {
                    move |input, _| {
                        let mut portion = Vec::new();
                        input.for_each(|_, items| portion.append(items));
                        seen.send(portion).expect("somebody counts");
                    }
                });
            });
        });
        let portions: Vec<Vec<u64>> = portions.iter().collect();
        assert!(portions.iter().all(|portion| portion.len() <= ENOUGH + 2), "a portion that is too large");
        let given: Vec<u64> = portions.concat();
        assert!(given.is_sorted() && given.len() as u64 == 2 * looks, "{} of {looks} looks", given.len());
    }
}
