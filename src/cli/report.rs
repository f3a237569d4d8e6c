//! What `crossrate config` prints: every setting, what holds, and where it came from.

use super::layers::{Origin, SettingValues, flag_of};
use super::places;
use super::properties::{self, Property};
use super::settings::{ALL, CommandName, PROPERTY, SettingText, TO, ValueShape};
use super::usage::UsageError;
use super::{check, computed};
use crate::config::Config;
use crate::duration;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;

/// What holds, setting by setting. Secrets are hidden.
#[derive(Debug, Serialize)]
pub struct SettingsReport {
    settings: Vec<SettingLine>,
    /// The properties of librdkafka that hold, whichever of `-X` and the file gave them.
    properties: Vec<SettingLine>,
    /// What follows from several settings.
    effective: Effective,
}

#[derive(Debug, Serialize)]
struct SettingLine {
    name: String,
    /// A text, a list of texts, or null where nothing holds.
    value: Value,
    /// What holds where nothing was given, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    otherwise: Option<&'static str>,
    source: String,
}

impl SettingLine {
    /// The value for people.
    fn shown(&self) -> String {
        match (&self.value, self.otherwise) {
            (Value::String(text), _) => text.clone(),
            (Value::Array(texts), _) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            (_, Some(words)) => format!("({words})"),
            _ => String::new(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Effective {
    brokers: String,
    crosses: Vec<String>,
    symbols: String,
    windows: Vec<String>,
    max_drift: String,
}

impl SettingsReport {
    /// The report on a run that was checked.
    pub fn new(given: &SettingValues, config: &Config) -> Result<SettingsReport, UsageError> {
        let settings = ALL
            .iter()
            .filter(|about| about.is_for(CommandName::Run))
            .map(|about| line(given, about))
            .collect();
        let (client, properties) = check::kafka(given)?;
        let properties = properties
            .into_iter()
            .map(|property| SettingLine {
                value: shown_value(&property),
                otherwise: None,
                name: property.key,
                source: property.place,
            })
            .collect();
        let effective = Effective {
            brokers: client.brokers,
            crosses: config.definition.crosses.iter().map(ToString::to_string).collect(),
            symbols: computed::show_selection(&config.definition.symbols),
            windows: config.definition.windows.each().iter().map(|w| w.name().to_owned()).collect(),
            max_drift: duration::show(config.max_drift),
        };
        Ok(SettingsReport { settings, properties, effective })
    }

    /// As one JSON object.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// As a table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        table(&mut text, "settings", &self.settings);
        if !self.properties.is_empty() {
            text.push('\n');
            table(&mut text, "properties of librdkafka", &self.properties);
        }
        let effective = [
            ("brokers", self.effective.brokers.clone()),
            ("crosses", self.effective.crosses.join(" ")),
            ("symbols", self.effective.symbols.clone()),
            ("windows", self.effective.windows.join(" ")),
            ("max-drift", self.effective.max_drift.clone()),
        ];
        text.push_str("\n# in effect\n");
        for (name, value) in effective {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<20} {value}");
        }
        text
    }
}

fn shown_value(property: &Property) -> Value {
    if properties::is_secret(&property.key) { "(hidden)".into() } else { property.value.clone().into() }
}

fn table(text: &mut String, title: &str, lines: &[SettingLine]) {
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0).clamp(20, 44);
    let names = width(&mut lines.iter().map(|line| line.name.chars().count()));
    let values = width(&mut lines.iter().map(|line| line.shown().chars().count()));
    let _ = writeln!(text, "# {title}");
    for line in lines {
        let _ = writeln!(text, "{:<names$} {:<values$}  {}", line.name, line.shown(), line.source);
    }
}

fn line(given: &SettingValues, about: &SettingText) -> SettingLine {
    let texts = |texts: &[String]| match about.shape {
        ValueShape::Many(_) | ValueShape::Several(_) => {
            let shown = |text: &String| match about.name {
                name if name == PROPERTY.about.name => properties::shown_text(text),
                name if name == TO.about.name => places::shown_sink(text),
                _ => text.clone(),
            };
            Value::from(texts.iter().map(shown).collect::<Vec<_>>())
        }
        ValueShape::One(_) | ValueShape::Switch(_) => Value::from(texts.join(" ")),
    };
    let default = given.default_of(about);
    let (value, otherwise) = match given.texts(about) {
        Some(given) => (texts(given), None),
        None if about.optional => (Value::Null, Some(default)),
        None => (texts(&[default.to_owned()]), None),
    };
    let source = match given.origin(about) {
        Origin::Flag => format!("flag {}", flag_of(about)),
        origin => origin.to_string(),
    };
    SettingLine { name: about.name.to_owned(), value, otherwise, source }
}
