//! Who must have the same value of a setting. What the processes of a run refuse each other by
//! ([`crate::job_identity::Identity`]) comes from here.

use super::ALL;
use crate::config::log::ToldChange;
use crate::config::{Config, KafkaSource, SinkTarget, Source};
use crate::duration;
use std::time::Duration;

/// Who must have the same value of a setting.
#[derive(Debug, Copy, Clone)]
pub enum Agreement {
    /// Nobody: each process of a run may have its own.
    EachItsOwn,
    /// All runs of a job, and so all processes of a run: it is part of the definition, which checkpoints hold.
    AllRuns,
    /// All processes of a run: this value is sent to the others. No secrets: it is sent in the clear (to who
    /// has proven to know the cluster's secret), and nothing that may rightly differ from machine to machine.
    AllProcesses(fn(&Config) -> Option<String>),
}

/// What all processes of a run must have the same besides the definition, as pairs of a name and a value.
pub(in crate::cli) fn agreed(config: &Config) -> Vec<(&'static str, String)> {
    let agreed = ALL.iter().filter_map(|about| match about.agreement {
        Agreement::AllProcesses(value) => Some((about.name, value(config)?)),
        Agreement::EachItsOwn | Agreement::AllRuns => None,
    });
    agreed.collect()
}

/// Settings of Kafka mean nothing where files are read.
pub(super) fn kafka(config: &Config) -> Option<&KafkaSource> {
    if let Source::Kafka(kafka) = &config.source { Some(kafka) } else { None }
}

pub(super) fn idle_timeout(config: &Config) -> Option<String> {
    let shown = |timeout: Duration| duration::show(timeout.as_micros() as u64);
    Some(config.idle_timeout.map_or("off".into(), shown))
}

pub(super) fn changes(config: &Config) -> Option<String> {
    let told: Vec<ToldChange> = config.changes.iter().map(ToldChange::of).collect();
    serde_json::to_string(&told).ok().filter(|_| !told.is_empty())
}

pub(super) fn sinks(config: &Config) -> Option<String> {
    let sinks = config.sinks.iter().map(|sink| match sink {
        SinkTarget::Postgres(_) => "postgres".into(),
        other => other.to_string(),
    });
    Some(sinks.collect::<Vec<String>>().join(" "))
}
