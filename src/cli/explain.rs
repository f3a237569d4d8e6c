//! `crossrate explain`: which window is asked for, and the run that makes its rows again.

use super::check::{kafka, leaves_nothing};
use super::computed::definition;
use super::layers::SettingValues;
use super::places;
use super::settings as s;
use super::source::source;
use super::usage::{InvalidValue, UsageError};
use crate::config::define::DefinitionPart;
use crate::config::explain::Explain;
use crate::config::log::LoggedChange;
use crate::config::{Config, STDIN, Source, Verbosity};
use crate::nearest::nearest;
use crossrate_dataflows::market::changes::Change;
use crossrate_dataflows::market::definition::{Definition, Selection};
use crossrate_dataflows::market::event_time::EventTime;
use crossrate_dataflows::market::schema::RowKind;
use crossrate_dataflows::market::trade::Symbol;
use std::collections::BTreeSet;

/// The window of a cross or a symbol, `NAME@MOMENT`.
pub(super) fn explain(
    given: &mut SettingValues,
    kind: DefinitionPart,
    row: &str,
    json: bool,
) -> Result<Explain, UsageError> {
    const EXPECTED: &str = "NAME@MOMENT, such as XVGUSDT@2018-04-29T17:13:50Z";
    let (name, moment) =
        row.rsplit_once('@').ok_or_else(|| InvalidValue::new(row, EXPECTED).at("NAME@MOMENT"))?;
    let moment = places::time(moment).map_err(|wrong| wrong.at("NAME@MOMENT"))?;
    let mut definition = definition(given)?;
    let (client, _) = kafka(given)?;
    let mut source = source(given, &client, false)?;
    if let Source::Kafka(source) = &mut source {
        source.exit_at_end = true;
    }
    if let Source::Files(files) = &source
        && files.paths.iter().any(|path| path.as_os_str() == STDIN)
    {
        let expected = "files or a topic: what is explained is read twice";
        return Err(InvalidValue::told("standard input", expected).at(given.what(&s::FROM.about)));
    }
    let kind = match kind {
        DefinitionPart::Cross => RowKind::Cross,
        DefinitionPart::Symbol => RowKind::Symbol,
    };
    // Rows of other kinds are not looked at.
    definition.rows = std::iter::once(kind).collect();
    let name = Symbol::new(name);
    let end = definition.windows.at(0).next_end(moment.minus(1));
    let config = leaves_nothing(given, "explain", (definition, source, client))?;
    is_known(&config.definition, &config.changes, kind, &name)?;
    // What was read is no answer to what was asked.
    let verbosity = match config.verbosity {
        Verbosity::Normal => Verbosity::Quiet,
        other => other,
    };
    let config = Config { max_drift: given.get(&s::MAX_DRIFT)?, verbosity, ..config };
    Ok(Explain { config, kind, name, end: end.max(EventTime::EARLIEST), json })
}

/// Fails where the job never has a row of that name.
fn is_known(
    definition: &Definition,
    changes: &[LoggedChange],
    kind: RowKind,
    name: &Symbol,
) -> Result<(), UsageError> {
    let mut names: BTreeSet<&Symbol> = BTreeSet::new();
    let added = changes.iter().map(|logged| &logged.change.change);
    let is_any = match kind {
        RowKind::Cross => {
            names.extend(definition.crosses.iter().map(|cross| &cross.name));
            names.extend(added.filter_map(|change| match change {
                Change::AddCross(cross) => Some(&cross.name),
                _ => None,
            }));
            definition.quotes.as_ref().is_some_and(|quotes| quotes.names(name))
        }
        _ => {
            names.extend(added.filter_map(|change| match change {
                Change::AddSymbol(name) => Some(name),
                _ => None,
            }));
            match &definition.symbols {
                Selection::All => true,
                Selection::Only(symbols) => {
                    names.extend(symbols);
                    false
                }
            }
        }
    };
    if is_any || names.contains(name) {
        return Ok(());
    }
    let texts = || names.iter().map(|name| name.as_str());
    let known = texts().take(20).collect::<Vec<_>>().join(", ");
    let expected = match names.len() {
        0 => format!("a {} of the job; there is none", kind.as_str()),
        1..=20 => format!("a {} of the job: {known}", kind.as_str()),
        more => format!("a {} of the job: {known} and {} more", kind.as_str(), more - 20),
    };
    let hint = nearest(name.as_str(), texts());
    Err(InvalidValue::new(name.as_str(), expected).perhaps(hint).at("NAME@MOMENT"))
}
