//! Crosses as a collection, which changes of the definition update.

use super::CrossLegs;
use crate::market::changes::{
    CrossNumber, DatedChange, DefinitionTimeline, DefinitionTurn, Life, LivingCross,
};
use crate::market::definition::Definition;
use crate::market::event_time::EventTime;
use crate::market::looks::Looks;
use crate::market::resume::Resume;
use crate::market::trade::Symbol;
use crate::operators::given_once::given_once;
use differential_dataflow::VecCollection;
use std::sync::Arc;
use timely::dataflow::operators::core::Concat;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::{Scope, StreamVec};

/// The crosses as a collection: those at the start, and what changes make of them. The first worker is told
/// of changes.
pub fn cross_legs<'scope>(
    scope: Scope<'scope, EventTime>,
    changes: StreamVec<'scope, EventTime, DatedChange>,
    definition: &Arc<Definition>,
    resume: &Arc<Resume>,
) -> CrossLegs<'scope> {
    let mut changing = DefinitionTimeline::of(definition).after(&resume.changes());
    let looks = Looks::of(definition);
    let gone = resume.at.minus(looks.hindsight());
    let numbers = 0..changing.crosses().len() as CrossNumber;
    let mut updates = Vec::new();
    for number in numbers.filter(|number| gone_at(changing.cross(*number).life, &looks) > gone) {
        updates.extend(leg_updates(&changing, number, 1, &looks));
        updates
            .extend(leg_updates(&changing, number, -1, &looks).filter(|(_, date, _)| *date < EventTime::MAX));
    }
    let later = changes.flat_map(move |change| match changing.apply(&change) {
        Some(DefinitionTurn::CrossBegins(number)) => leg_updates(&changing, number, 1, &looks).collect(),
        Some(DefinitionTurn::CrossEnds(number)) => leg_updates(&changing, number, -1, &looks).collect(),
        Some(DefinitionTurn::SymbolBegins(_) | DefinitionTurn::SymbolEnds(_)) | None => Vec::new(),
    });
    VecCollection::new(given_once(scope, updates).concat(later))
}

/// When the last window of a cross is final.
pub(super) fn gone_at(life: Life, looks: &Looks) -> EventTime {
    match life.ends_as_path() {
        true => looks.final_at(looks.windows.last_end_of_start_before(life.until)),
        false => looks.final_at(life.until),
    }
}

type CrossLegUpdate = ((Symbol, (CrossNumber, u32)), EventTime, isize);

/// The legs of a cross, as they come or go. A cross is seen at the firing that it begins with; its legs go
/// when its last window is final.
fn leg_updates(
    changing: &DefinitionTimeline,
    number: CrossNumber,
    diff: isize,
    looks: &Looks,
) -> impl Iterator<Item = CrossLegUpdate> + use<> {
    let LivingCross { legs, life, .. } = changing.cross(number).clone();
    let date = if diff > 0 { life.from.minus(1) } else { gone_at(life, looks) };
    legs.into_iter().zip(0u32..).map(move |(leg, at)| ((leg, (number, at)), date, diff))
}
