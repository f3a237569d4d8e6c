//! Changes of a job's definition while it runs: who asks, and what becomes of it
//! (`docs/semantics.md#changes`).
//!
//! The server puts requests on the [`ChangeQueue`]; the first worker takes them one by one, dates each, and
//! answers when the commit that holds it is there.

use crate::config::log::LoggedChange;
use crate::workers::WorkerWaker;
use crossrate_dataflows::market::changes::{Change, DatedChange, DefinitionTimeline};
use crossrate_dataflows::market::definition::{Cross, Definition};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::trade::Symbol;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What somebody wants a definition to have, or not to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// That cross.
    Cross(Cross),
    /// No cross of that name.
    NoCross(Symbol),
    /// Rows of that symbol.
    Symbol(Symbol),
    /// No rows of that symbol.
    NoSymbol(Symbol),
}

/// Why a wish is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRefusal {
    /// Why.
    pub why: ChangeRefusalKind,
    /// In words.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

/// The kinds of reasons.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ChangeRefusalKind {
    /// There is nothing of that name.
    Unknown,
    /// The definition, or the run, does not allow it.
    Conflict,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub enum ChangeAnswer {
    /// The definition has changed; nothing in it where it was so already.
    Changed {
        /// What has.
        changes: Vec<DatedChange>,
        /// Whether a checkpoint holds them.
        is_kept: bool,
        /// What is probably a slip, in words.
        warnings: Vec<String>,
    },
    /// It has not.
    Refused(ChangeRefusal),
}

/// All wishes of a request are granted at one moment, or none.
#[derive(Debug)]
pub struct ChangeRequest {
    /// What is wanted.
    pub wishes: Vec<Wish>,
    /// The channel of the answer.
    pub answer: oneshot::Sender<ChangeAnswer>,
}

/// A definition with its log.
#[derive(Debug, Clone)]
pub struct DefinitionLog {
    /// What it is now.
    pub changing: DefinitionTimeline,
    /// What has changed since the job began.
    pub log: Vec<LoggedChange>,
}

impl DefinitionLog {
    /// The changes.
    pub fn changes(&self) -> impl Iterator<Item = &DatedChange> {
        self.log.iter().map(|logged| &logged.change)
    }

    /// The offset from which on a partition's records are judged after each change.
    pub fn taken(&self, partition: u32) -> Vec<i64> {
        self.log.iter().map(|logged| logged.offsets.get(&partition).copied().unwrap_or(i64::MIN)).collect()
    }
}

#[derive(Debug, Default)]
struct QueueState {
    requests: VecDeque<ChangeRequest>,
    definition: Option<DefinitionLog>,
    listener: Option<DefinitionListener>,
    has_ended: bool,
}

/// A function that gets each new definition.
struct DefinitionListener(Box<dyn Fn(&DefinitionLog) + Send>);

impl std::fmt::Debug for DefinitionListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DefinitionListener(..)")
    }
}

/// The queue in which requests wait for the first worker.
#[derive(Debug, Clone, Default)]
pub struct ChangeQueue {
    state: Arc<Mutex<QueueState>>,
    waker: WorkerWaker,
}

impl ChangeQueue {
    /// The calling thread is the one that takes requests.
    pub fn is_here(&self) {
        self.waker.arrived();
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a change. The answer does not come where the run ends before.
    pub fn ask(&self, wishes: Vec<Wish>) -> oneshot::Receiver<ChangeAnswer> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        if state.has_ended {
            let _ = answer.send(ChangeAnswer::Refused(ended()));
        } else {
            state.requests.push_back(ChangeRequest { wishes, answer });
        }
        drop(state);
        self.waker.wake();
        answered
    }

    /// The oldest request.
    pub fn take(&self) -> Option<ChangeRequest> {
        self.lock().requests.pop_front()
    }

    /// Tells each definition from now on.
    pub fn tell(&self, listener: impl Fn(&DefinitionLog) + Send + 'static) {
        self.lock().listener = Some(DefinitionListener(Box::new(listener)));
    }

    /// The definition is that now.
    pub fn publish(&self, definition: DefinitionLog) {
        let mut state = self.lock();
        if let Some(DefinitionListener(listener)) = &state.listener {
            listener(&definition);
        }
        state.definition = Some(definition);
    }

    /// The definition as it is; `None` before the run knows it.
    pub fn definition(&self) -> Option<DefinitionLog> {
        self.lock().definition.clone()
    }

    /// The run has ended, or ends: it changes no more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.has_ended = true;
        for request in state.requests.drain(..) {
            let _ = request.answer.send(ChangeAnswer::Refused(ended()));
        }
    }
}

/// What a run that has ended answers.
pub fn ended() -> ChangeRefusal {
    ChangeRefusal {
        why: ChangeRefusalKind::Conflict,
        detail: "the run has ended".into(),
        hint: "start the job again with the flags that it is to have and --evolve".into(),
    }
}

/// What wishes make of a definition, all at one moment. `basis` names what must stay.
pub fn changes_for(
    wishes: &[Wish],
    definition: &Definition,
    mut changing: DefinitionTimeline,
    from: EventTime,
) -> Result<Vec<DatedChange>, ChangeRefusal> {
    let mut changes = Vec::new();
    for wish in wishes {
        for change in changes_of(wish, definition, &changing)? {
            let change = DatedChange { change, from };
            if changing.apply(&change).is_some() {
                changes.push(change);
            }
        }
    }
    Ok(changes)
}

fn changes_of(
    wish: &Wish,
    definition: &Definition,
    changing: &DefinitionTimeline,
) -> Result<Vec<Change>, ChangeRefusal> {
    let refusal = |why, detail, hint: &str| ChangeRefusal { why, detail, hint: hint.into() };
    let conflict = |detail: String, hint| refusal(ChangeRefusalKind::Conflict, detail, hint);
    let unknown = |detail: String, hint| refusal(ChangeRefusalKind::Unknown, detail, hint);
    let of_basis =
        |name: &Symbol| definition.basis.iter().find(|basis| basis.cross == *name || basis.direct == *name);
    let held = |name: &Symbol| match of_basis(name) {
        Some(basis) => {
            let detail = format!("{name} is needed by --basis {basis}");
            Err(conflict(detail, "start the job without that --basis under another name"))
        }
        None => Ok(()),
    };
    match wish {
        Wish::Cross(cross) => {
            if definition.quotes.as_ref().is_some_and(|quotes| quotes.names(&cross.name)) {
                let detail = format!("{} is a name of the crosses that --quote makes", cross.name);
                return Err(conflict(detail, "give it another name"));
            }
            let mut changes = Vec::new();
            match changing.named(&cross.name) {
                Some(known) if known.cross == *cross => return Ok(changes),
                Some(_) => {
                    held(&cross.name)?;
                    changes.push(Change::DropCross(cross.name.clone()));
                }
                None => {}
            }
            // Legs that are wanted already change nothing when they are taken.
            changes.extend(cross.legs.iter().map(|leg| Change::AddSymbol(leg.symbol.clone())));
            changes.push(Change::AddCross(cross.clone()));
            Ok(changes)
        }
        Wish::NoCross(name) => {
            if changing.named(name).is_none() {
                let detail = format!("there is no cross {name}");
                return Err(unknown(detail, "crossrate define list tells what there is"));
            }
            held(name)?;
            Ok(vec![Change::DropCross(name.clone())])
        }
        // One that is wanted already changes nothing when it is taken.
        Wish::Symbol(name) => Ok(vec![Change::AddSymbol(name.clone())]),
        Wish::NoSymbol(name) => {
            let Some(wanted) = changing.wanted() else {
                let detail = "all symbols have rows in this job, and none can be dropped".to_owned();
                return Err(conflict(detail, "a job with --symbols A,B can drop one of them"));
            };
            if !wanted.contains(name) {
                let detail = format!("there is no symbol {name}");
                return Err(unknown(detail, "crossrate define list tells what there is"));
            }
            let crosses =
                changing.in_force().filter(|living| living.cross.legs.iter().any(|leg| leg.symbol == *name));
            let crosses: Vec<String> = crosses.map(|living| living.cross.to_string()).collect();
            if !crosses.is_empty() {
                let detail = format!("{name} is a leg of {}", crosses.join(", "));
                return Err(conflict(detail, "drop the cross first"));
            }
            held(name)?;
            Ok(vec![Change::DropSymbol(name.clone())])
        }
    }
}

/// Warns of what changes have made: a cross and a symbol of one name, whose rows only their kind tells apart.
/// Where all symbols are wanted those are known that are legs.
pub fn warnings_of(changes: &[DatedChange], before: DefinitionTimeline) -> Vec<String> {
    let changing = before.after(changes);
    let legs: BTreeSet<&Symbol> =
        changing.in_force().flat_map(|living| &living.cross.legs).map(|leg| &leg.symbol).collect();
    let is_symbol = |name: &Symbol| match changing.wanted() {
        Some(symbols) => symbols.contains(name),
        None => legs.contains(name),
    };
    let added = changes.iter().flat_map(|DatedChange { change, .. }| match change {
        Change::AddCross(cross) => {
            std::iter::once(&cross.name).chain(cross.legs.iter().map(|leg| &leg.symbol)).collect()
        }
        Change::AddSymbol(name) => vec![name],
        _ => Vec::new(),
    });
    let shared: BTreeSet<&Symbol> =
        added.filter(|name| is_symbol(name) && changing.named(name).is_some()).collect();
    let words = |name: &Symbol| {
        let what = format!("{name} names a symbol that gets rows too");
        format!("{what}: kind=cross and kind=symbol tell the rows named {name} apart")
    };
    shared.into_iter().map(words).collect()
}

/// The wishes that make one definition of another, where nothing else differs.
pub fn wishes_between(now: &DefinitionTimeline, wanted: &Definition) -> Vec<Wish> {
    use crossrate_dataflows::market::definition::Selection;
    let mut wishes = Vec::new();
    let gone =
        now.in_force().filter(|living| wanted.crosses.iter().all(|cross| cross.name != living.cross.name));
    wishes.extend(gone.map(|living| Wish::NoCross(living.cross.name.clone())));
    let is_known = |cross: &&Cross| now.named(&cross.name).is_some_and(|living| living.cross == **cross);
    let new = wanted.crosses.iter().filter(|cross| !is_known(cross));
    wishes.extend(new.cloned().map(Wish::Cross));
    if let (Some(known), Selection::Only(wanted)) = (now.wanted(), &wanted.symbols) {
        wishes.extend(wanted.difference(known).cloned().map(Wish::Symbol));
        wishes.extend(known.difference(wanted).cloned().map(Wish::NoSymbol));
    }
    wishes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossrate_dataflows::market::definition::Selection;

    #[test]
    fn a_cross_and_a_symbol_of_one_name_are_warned_of_when_they_are_added() {
        let cross = |name: &str, formula: &str| Change::AddCross(Cross::parse(name, formula).unwrap());
        let symbol = |name: &str| Change::AddSymbol(Symbol::new(name));
        let begun = Definition {
            crosses: vec![Cross::parse("X", "A*B").unwrap()],
            symbols: Selection::Only(["A", "B"].map(Symbol::new).into()),
            ..Definition::default()
        };
        let all = Definition { symbols: Selection::All, ..begun.clone() };
        for (changes, of_some, of_all) in [
            (vec![cross("Y", "A/B")], 0, 0),
            (vec![cross("A", "B*C")], 1, 1),
            // Of all symbols one that is no leg is not known here.
            (vec![symbol("C"), cross("C", "A*B")], 1, 0),
            (vec![symbol("X")], 1, 0),
            (vec![symbol("X"), cross("Y", "X*B")], 1, 1),
            (vec![Change::DropCross(Symbol::new("X")), symbol("X")], 0, 0),
        ] {
            let from = EventTime::from_micros(1_525_022_000_000_000);
            let dated: Vec<_> = changes.into_iter().map(|change| DatedChange { change, from }).collect();
            for (definition, expected) in [(&begun, of_some), (&all, of_all)] {
                let warnings = warnings_of(&dated, DefinitionTimeline::of(definition));
                assert_eq!(warnings.len(), expected, "{dated:?}: {warnings:?}");
            }
        }
    }
}
