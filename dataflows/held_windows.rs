//! What can a cross reach back to that is added later?
//!
//! With `--back-fill` the final windows of all symbols stay among the legs of crosses for so long, and as
//! much longer as one of them may stand in for a later one. A cross that is added is joined to them. They are
//! in the checkpoint.

use crate::market::cross::LegState;
use crate::market::definition::{Definition, MissingLeg};
use crate::market::event_time::EventTime;
use crate::market::resume::{LastingChange, Resume};
use crate::market::trade::Symbol;
use crate::market::windows::{Window, WindowKey, WindowPlace};
use crate::operators::at_looks::{AtLooks, LookLogic};
use crate::operators::emission::Emission;
use crate::operators::given_once::given_once;
use crate::symbol_windows::LegCollection;
use differential_dataflow::VecCollection;
use differential_dataflow::hashable::Hashable;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::{Concat, Exchange, Map, OkErr};

/// The legs of crosses with the final windows among them for longer, and the state of these for the next run.
pub fn held_windows<'scope>(
    legs: LegCollection<'scope>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> (LegCollection<'scope>, StreamVec<'scope, EventTime, Emission>) {
    let scope = legs.inner.scope();
    let grace = definition.grace;
    let known = given_once(scope, known_of(definition, resume));
    let again = known.clone().map(move |held| {
        let date = held.1.0.1.plus(grace).minus(1);
        (held, date, 1isize)
    });
    // Of what a run that is taken up repeats in silence, final windows are known as they were.
    let resumed_at = resume.at;
    let is_final = move |((_, ((_, end), _)), date, diff): &HeldUpdate| {
        *diff < 0 && *date == end.plus(grace) && *date > resumed_at
    };
    let (open, finals) = legs.inner.ok_err(move |update| match is_final(&update) {
        true => Err(update.0),
        false => Ok(update),
    });
    // As panes are arranged.
    let known = known.exchange(|(symbol, _): &HeldWindow| symbol.hashed());
    let released = finals.concat(known).at_looks(Pipeline, "HeldWindows", HeldWindows::of(definition));
    let (gone, lasting) = released.ok_err(|output| match output {
        HeldOutput::Gone(window, date) => Ok((window, date, -1)),
        HeldOutput::Lasting(look, lasting) => Err(Emission::Lasting(look, lasting)),
    });
    (VecCollection::new(open.concat(again).concat(gone)), lasting)
}

type HeldWindow = (Symbol, (WindowKey, LegState));
type HeldUpdate = (HeldWindow, EventTime, isize);

/// The restored windows, in order of time.
fn known_of(definition: &Definition, resume: &Resume) -> Vec<HeldWindow> {
    let mut known = Vec::new();
    for ((symbol, window), held) in &resume.held {
        let Some((place, _)) = definition.windows.named(window) else { continue };
        known.extend(held.iter().map(|(end, leg)| (symbol.clone(), ((place, *end), *leg))));
    }
    known
}

/// Releases windows.
struct HeldWindows {
    definition: Arc<Definition>,
    releases: BTreeMap<EventTime, Vec<HeldWindow>>,
    /// The latest window of those definitions whose windows have one start and no last end: the next one has
    /// grown from it.
    latest: HashMap<(Symbol, WindowPlace), HeldWindow>,
}

#[derive(Debug, Clone)]
enum HeldOutput {
    Gone(HeldWindow, EventTime),
    Lasting(EventTime, LastingChange),
}

impl HeldWindows {
    fn of(definition: &Arc<Definition>) -> HeldWindows {
        HeldWindows { definition: Arc::clone(definition), releases: BTreeMap::new(), latest: HashMap::new() }
    }

    /// How long windows of a definition are held.
    fn length(&self, window: &Window) -> u64 {
        let back_fill = self.definition.back_fill;
        match self.definition.missing_leg {
            // The longest window may carry the longest.
            MissingLeg::Carry => {
                back_fill + self.definition.most_carry(window.span().max(window.slot_length()))
            }
            MissingLeg::Null | MissingLeg::Withhold => back_fill,
        }
    }
}

impl LookLogic for HeldWindows {
    type Input = HeldWindow;
    type Output = HeldOutput;

    fn absorb(&mut self, held: HeldWindow) {
        let (place, end) = held.1.0;
        let window = self.definition.windows.at(place);
        let release = end.plus(self.definition.grace).plus(self.length(window));
        let released = match window.is_endless() {
            false => Some(held),
            true => {
                let of = (held.0.clone(), place);
                match self.latest.get(&of) {
                    // It is given again by a run that was taken up.
                    Some(latest) if latest.1.0.1 >= end => None,
                    _ => self.latest.insert(of, held),
                }
            }
        };
        if let Some(released) = released {
            self.releases.entry(release).or_default().push(released);
        }
    }

    fn next_look(&self) -> Option<EventTime> {
        self.releases.keys().next().copied()
    }

    fn look(&mut self, look: EventTime, give: &mut dyn FnMut(EventTime, HeldOutput)) {
        for held in self.releases.remove(&look).unwrap_or_default() {
            let (place, end) = held.1.0;
            let of = (held.0.clone(), self.definition.windows.at(place).name_owned());
            give(look.minus(1), HeldOutput::Lasting(look, LastingChange::Released(of, end)));
            give(look, HeldOutput::Gone(held, look));
        }
    }
}
