//! What was given, and where: flag over environment over file over default, setting by setting.
//! A list is taken whole from the nearest layer that gives it; layers are never mixed within a setting.

use super::settings::{ALL, CONFIG, CommandName, FROM, Optional, Parse, Setting, SettingText, ValueShape};
use super::usage::{InvalidValue, UsageError, line_of};
use super::values;
use crate::nearest::nearest;
use clap::ArgMatches;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The id of the files that stand on the command line without a flag; they mean the same as those of
/// `--from`.
pub(super) const FILES: &str = "files";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// A line of the configuration file.
    File {
        /// As its path was given.
        path: String,
        /// From 1.
        line: usize,
    },
    /// This variable of the environment.
    Environment(String),
    /// The command line.
    Flag,
}

impl Origin {
    /// Which of two layers is nearer to the user: the greater one.
    pub fn rank(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::File { .. } => 1,
            Origin::Environment(_) => 2,
            Origin::Flag => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag => f.write_str("flag"),
        }
    }
}

/// What was given for one setting.
#[derive(Debug, Clone)]
struct SettingValue {
    origin: Origin,
    texts: Vec<String>,
}

/// What was given for all of them.
#[derive(Debug)]
pub struct SettingValues {
    entries: BTreeMap<&'static str, SettingValue>,
    which: CommandName,
    /// What is probably a slip but no error.
    pub warnings: Vec<String>,
}

impl SettingValues {
    /// Collects the layers for a command.
    pub fn collect(
        matches: &ArgMatches,
        environment: &[(String, String)],
        which: CommandName,
    ) -> Result<SettingValues, UsageError> {
        let mut given = SettingValues { entries: BTreeMap::new(), which, warnings: Vec::new() };
        for about in ALL.iter().filter(|about| about.is_for(which)) {
            let flags = from_flags(matches, about);
            let entry = if flags.is_empty() {
                from_environment(environment, about)
            } else {
                Some(SettingValue { origin: Origin::Flag, texts: flags })
            };
            if let Some(entry) = entry {
                given.entries.insert(about.name, entry);
            }
        }
        if let Some(path) = given.find(&CONFIG)? {
            given.add_file(&path)?;
        }
        given.warn_of_slips(environment);
        Ok(given)
    }

    /// Takes what the file gives and no nearer layer does.
    fn add_file(&mut self, path: &Path) -> Result<(), UsageError> {
        let what = self.what(&CONFIG.about);
        let shown = path.display().to_string();
        let text = values::text_of(path).map_err(|wrong| wrong.at(what))?;
        let place = |offset: usize| Origin::File { path: shown.clone(), line: line_of(&text, offset) };
        let document = DeTable::parse(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            InvalidValue::told(error.message().to_owned(), "TOML").at(place(offset).to_string())
        })?;
        for (key, value) in document.get_ref() {
            let name = key.get_ref().as_ref();
            let origin = place(key.span().start);
            let Some(about) = ALL.iter().find(|about| about.name == name && name != CONFIG.about.name) else {
                let names = ALL.iter().filter(|about| !about.hidden).map(|about| about.name);
                return Err(InvalidValue::told(
                    format!("key {name:?}"),
                    "a key that is named as a flag of crossrate",
                )
                .perhaps(nearest(name, names))
                .at(origin.to_string()));
            };
            let texts = texts_of(value.get_ref(), about.shape)
                .map_err(|wrong| wrong.at(format!("{origin}: {name}")))?;
            // One file may serve several commands, so keys of another command are no error here.
            if about.is_for(self.which) {
                self.entries.entry(about.name).or_insert(SettingValue { origin, texts });
            }
        }
        Ok(())
    }

    /// A variable that is almost a setting's would be ignored without a word.
    fn warn_of_slips(&mut self, environment: &[(String, String)]) {
        let names: Vec<String> = ALL.iter().map(|about| about.environment()).collect();
        for (name, _) in environment.iter().filter(|(name, _)| name.starts_with("CROSSRATE_")) {
            if names.contains(name) {
                continue;
            }
            if let Some(meant) = nearest(name, names.iter().map(String::as_str)) {
                self.warnings.push(format!("{name} is no setting and has no effect; did you mean {meant}?"));
            }
        }
    }

    /// For which command.
    pub fn which(&self) -> CommandName {
        self.which
    }

    /// Where the setting's value came from.
    pub fn origin(&self, about: &SettingText) -> &Origin {
        self.entries.get(about.name).map_or(&Origin::Default, |entry| &entry.origin)
    }

    /// The setting's texts where somebody gave it.
    pub fn asks(&self, about: &SettingText) -> bool {
        about.is_for(self.which()) && self.texts(about).is_some()
    }

    /// Its texts.
    pub fn texts(&self, about: &SettingText) -> Option<&[String]> {
        self.entries.get(about.name).map(|entry| entry.texts.as_slice())
    }

    /// The default that holds for this command.
    pub fn default_of(&self, about: &SettingText) -> &'static str {
        about.default_for(self.which)
    }

    /// What an error about the setting should point at.
    pub fn what(&self, about: &SettingText) -> String {
        match self.origin(about) {
            Origin::Environment(name) => name.clone(),
            origin @ Origin::File { .. } => format!("{origin}: {}", about.name),
            Origin::Flag | Origin::Default => flag_of(about),
        }
    }

    /// The value that holds.
    pub fn get<T>(&self, setting: &Setting<T>) -> Result<T, UsageError> {
        let about = &setting.about;
        let default = self.default_of(about);
        let default: Vec<String> = match &setting.parse {
            Parse::One(_) => vec![default.to_owned()],
            Parse::Many(_) => default.split_whitespace().map(str::to_owned).collect(),
        };
        let texts = self.texts(about).unwrap_or(&default);
        read(&setting.parse, texts).map_err(|wrong| wrong.at(self.what(about)))
    }

    /// The value, where one was given. The demonstration gives some itself, apart by white space.
    pub fn find<T>(&self, setting: &Optional<T>) -> Result<Option<T>, UsageError> {
        let about = &setting.about;
        let own = about.demo_default.filter(|_| self.which == CommandName::Demo);
        let own: Option<Vec<String>> = own.map(|texts| texts.split_whitespace().map(str::to_owned).collect());
        match self.texts(about).or(own.as_deref()) {
            Some(texts) => read(&setting.parse, texts).map(Some).map_err(|wrong| wrong.at(self.what(about))),
            None => Ok(None),
        }
    }
}

fn read<T>(parse: &Parse<T>, texts: &[String]) -> Result<T, InvalidValue> {
    match (parse, texts) {
        (Parse::One(parse), [text]) => parse(text),
        (Parse::One(_), _) => Err(InvalidValue::told(format!("{} values", texts.len()), "one value")),
        (Parse::Many(parse), _) => parse(texts),
    }
}

/// A setting's flags, as an error or a table names them.
pub(super) fn flag_of(about: &SettingText) -> String {
    match about.short {
        Some(short) => format!("-{short}/--{}", about.name),
        None => format!("--{}", about.name),
    }
}

fn from_flags(matches: &ArgMatches, about: &SettingText) -> Vec<String> {
    if let ValueShape::Switch(off) = about.shape {
        let given = |id: &str| matches.try_get_one::<bool>(id).ok().flatten() == Some(&true);
        return match (given(about.name), given(off)) {
            (true, _) => vec!["true".to_owned()],
            (_, true) => vec!["false".to_owned()],
            _ => Vec::new(),
        };
    }
    let mut texts = Vec::new();
    // A partition's number is its place on the command line, whichever way its file was given.
    for id in [about.name, FILES].into_iter().take(if about.name == FROM.about.name { 2 } else { 1 }) {
        if let Ok(Some(values)) = matches.try_get_many::<String>(id) {
            texts.extend(matches.indices_of(id).into_iter().flatten().zip(values.cloned()));
        }
    }
    texts.sort();
    texts.into_iter().map(|(_, text)| text).collect()
}

/// An empty variable counts as none; values of a list stand apart by white space.
fn from_environment(environment: &[(String, String)], about: &SettingText) -> Option<SettingValue> {
    let wanted = about.environment();
    let (name, text) = environment.iter().find(|(name, text)| *name == wanted && !text.is_empty())?;
    let texts = match about.shape {
        ValueShape::Many(_) | ValueShape::Several(_) => text.split_whitespace().map(str::to_owned).collect(),
        ValueShape::One(_) | ValueShape::Switch(_) => vec![text.clone()],
    };
    Some(SettingValue { origin: Origin::Environment(name.clone()), texts })
}

fn texts_of(value: &DeValue<'_>, shape: ValueShape) -> Result<Vec<String>, InvalidValue> {
    let switch = matches!(shape, ValueShape::Switch(_));
    let list = matches!(shape, ValueShape::Many(_) | ValueShape::Several(_));
    let expected = match shape {
        ValueShape::Switch(_) => "true or false",
        ValueShape::One(_) => "a text or a number",
        ValueShape::Many(_) | ValueShape::Several(_) => "a text or a list of texts",
    };
    let text = |value: &DeValue<'_>| match value {
        DeValue::String(text) if !switch => Ok(text.to_string()),
        DeValue::Integer(number) if !switch => Ok(number.to_string()),
        DeValue::Float(number) if !switch => Ok(number.to_string()),
        DeValue::Boolean(on) if switch => Ok(on.to_string()),
        _ => Err(InvalidValue::told(value.type_str(), expected)),
    };
    match value {
        DeValue::Array(values) if list && !values.is_empty() => {
            values.iter().map(|value| text(value.get_ref())).collect()
        }
        DeValue::Array(values) if list && values.is_empty() => {
            Err(InvalidValue::told("an empty list", expected))
        }
        value => text(value).map(|text| vec![text]),
    }
}
