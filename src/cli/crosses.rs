//! The grammar of crosses, `NAME=A*B/C`, on the command line and in a file; and of the other settings of what
//! is computed: bases, assets, the log of changes.

use super::usage::{InvalidValue, UsageError, line_of};
use super::values;
use crate::config::log::{self, LoggedChange};
use crate::nearest::nearest;
use crossrate_dataflows::market::assets::{Asset, asset};
use crossrate_dataflows::market::definition::{Basis, Cross};
use crossrate_dataflows::market::trade::{Symbol, is_name};
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::{DeTable, DeValue};

const EXPECTED: &str = "NAME=LEG*LEG or NAME=LEG/LEG with two legs or more, such as XVGUSDT=XVGBTC*BTCUSDT";

/// One cross, such as `XVGUSDT=XVGBTC*BTCUSDT`.
pub(super) fn cross(text: &str) -> Result<Cross, InvalidValue> {
    match text.split_once('=') {
        Some((name, legs)) => parse(text, name, legs),
        None => Err(InvalidValue::new(text, EXPECTED).hint("there is no =")),
    }
}

/// All crosses of the command line. The same one twice is one; one name for two different things is an error.
pub(super) fn crosses(texts: &[String]) -> Result<Vec<Cross>, InvalidValue> {
    let mut all = Crosses::default();
    for text in texts {
        all.add(cross(text)?, text)?;
    }
    Ok(all.into_vec())
}

fn parse(text: &str, name: &str, legs: &str) -> Result<Cross, InvalidValue> {
    Cross::parse(name, legs).map_err(|wrong| InvalidValue::new(text, EXPECTED).hint(wrong.to_string()))
}

/// Crosses by name, without contradictions.
#[derive(Debug, Default)]
pub(super) struct Crosses(BTreeMap<Symbol, Cross>);

impl Crosses {
    /// One more, written as in `text`.
    pub(super) fn add(&mut self, cross: Cross, text: &str) -> Result<(), InvalidValue> {
        match self.0.get(&cross.name) {
            Some(earlier) if *earlier != cross => Err(InvalidValue::new(
                text,
                format!("one meaning for {}, which is {} already", cross.name, earlier),
            )),
            Some(_) => Ok(()),
            None => {
                self.0.insert(cross.name.clone(), cross);
                Ok(())
            }
        }
    }

    /// In order of their names.
    pub(super) fn into_vec(self) -> Vec<Cross> {
        self.0.into_values().collect()
    }
}

/// The crosses of a file: a table `[crosses]` whose keys are names and whose values are legs.
/// Each with its place in the file; errors of opening it point at `what`.
pub(super) fn file(path: &Path, what: &str) -> Result<Vec<(String, Cross)>, UsageError> {
    const FORM: &str = "a table [crosses] of lines such as XVGUSDT = \"XVGBTC*BTCUSDT\"";
    let place = path.display();
    let text = values::text_of(path).map_err(|wrong| wrong.at(what))?;
    let at = |offset: usize| format!("{place}:{}", line_of(&text, offset));
    let document = DeTable::parse(&text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        InvalidValue::told(error.message().to_owned(), "TOML").at(at(offset))
    })?;
    let mut crosses = Vec::new();
    for (key, value) in document.get_ref() {
        let name = key.get_ref();
        let DeValue::Table(table) = value.get_ref() else {
            return Err(InvalidValue::new(name, FORM).at(at(key.span().start)));
        };
        if name != "crosses" {
            let meant = nearest(name, ["crosses"]);
            return Err(InvalidValue::told(format!("table [{name}]"), FORM)
                .perhaps(meant)
                .at(at(key.span().start)));
        }
        for (name, legs) in table {
            let place = at(name.span().start);
            let DeValue::String(legs) = legs.get_ref() else {
                return Err(InvalidValue::told("no text", FORM).at(format!("{place}: {}", name.get_ref())));
            };
            let text = format!("{}={legs}", name.get_ref());
            let cross = parse(&text, name.get_ref(), legs).map_err(|wrong| wrong.at(&place))?;
            crosses.push((place, cross));
        }
    }
    if crosses.is_empty() {
        return Err(InvalidValue::told("no cross", FORM).at(place.to_string()));
    }
    Ok(crosses)
}

/// `NAME` or `NAME=SYMBOL`, once a name.
pub(super) fn bases(texts: &[String]) -> Result<Vec<Basis>, InvalidValue> {
    let mut bases: Vec<Basis> = Vec::new();
    for text in texts {
        let (cross, direct) = text.split_once('=').unwrap_or((text, text));
        let (cross, direct) = (cross.trim(), direct.trim());
        if cross.is_empty() || direct.is_empty() || direct.contains(['=', '*', '/', ',']) {
            return Err(InvalidValue::new(text, "NAME or NAME=SYMBOL, such as XVGUSDT or XVGUSDT=XVGUSDC"));
        }
        let basis = Basis { cross: Symbol::new(cross), direct: Symbol::new(direct) };
        match bases.iter().find(|known| known.cross == basis.cross) {
            Some(known) if *known != basis => {
                let expected = format!("one pair for {cross}, which is {} already", known.direct);
                return Err(InvalidValue::new(text, expected));
            }
            Some(_) => {}
            None => bases.push(basis),
        }
    }
    bases.sort_by(|a, b| a.cross.cmp(&b.cross));
    Ok(bases)
}

/// Assets joined by commas, in any case.
pub(super) fn assets(texts: &[String]) -> Result<Vec<Asset>, InvalidValue> {
    const EXPECTED: &str = "assets joined by commas, such as USDT,BTC";
    let mut assets: Vec<Asset> = Vec::new();
    for name in texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
        if !is_asset(name) {
            return Err(InvalidValue::new(name, EXPECTED));
        }
        let asset = asset(name);
        if !assets.contains(&asset) {
            assets.push(asset);
        }
    }
    Ok(assets)
}

pub(super) fn is_asset(name: &str) -> bool {
    is_name(name.as_bytes()) && !name.contains(['-', ':'])
}

/// The definition log in a file.
pub(super) fn changes(path: &str) -> Result<Vec<LoggedChange>, InvalidValue> {
    let text = values::text_of(Path::new(path))?;
    log::read(&text).map_err(|wrong| {
        InvalidValue::told(
            format!("{path:?}: {wrong}"),
            "an object with the log that crossrate define list --json tells",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in ["XVGUSDT=XVGBTC*BTCUSDT", "EURBTC=EURUSDT/BTCUSDT", "A=B*B", "ÄX=Ä*X/Y*Z"] {
            assert_eq!(cross(text).unwrap().to_string(), text);
        }
        assert_eq!(cross(" A = B / C ").unwrap().to_string(), "A=B/C");
    }

    #[test]
    fn a_wrong_formula_is_refused_with_its_fault() {
        let cases = [
            ("XVGUSDT", "there is no ="),
            ("=A*B", "the name is empty"),
            ("A*B=C*D", "a name has 1 to 64 bytes"),
            ("A|B=C*D", "a name has 1 to 64 bytes"),
            ("A=B C*D", "leg 1: a name has 1 to 64 bytes"),
            ("A=B*C,D", "leg 2: a name has 1 to 64 bytes"),
            ("A=", "leg 1 is empty"),
            ("XVGUSDT=XVGBTC*", "leg 2 is empty"),
            ("A=*B", "leg 1 is empty"),
            ("A=/B", "leg 1 is empty"),
            ("A=B**C", "leg 2 is empty"),
            ("A=B*C=D", "there is one = only"),
            ("A=B", "there is one leg only"),
        ];
        for (text, hint) in cases {
            let wrong = cross(text).unwrap_err();
            assert!(wrong.hint.as_deref().is_some_and(|found| found.contains(hint)), "{text}: {wrong}");
        }
        let long = format!("A={}", vec!["B"; 33].join("*"));
        assert!(cross(&long).is_err());
    }

    #[test]
    fn one_name_with_two_formulas_is_refused() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(crosses(&texts(&["A=B*C", "A=B*C"])).unwrap().len(), 1);
        let wrong = crosses(&texts(&["A=B*C", "A=C*B"])).unwrap_err().to_string();
        assert!(wrong.contains("A=B*C already"), "{wrong}");
    }
}
