//! Properties of librdkafka: read from flags and files, checked against those that would break a law.

use super::usage::{InvalidValue, UsageError};
use super::values;
use std::path::Path;

/// One property, and where it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    /// Its name.
    pub key: String,
    /// Its value; perhaps a secret.
    pub value: String,
    /// The flag, the variable, or the line.
    pub place: String,
}

/// Properties that are the program's own: the value that it sets itself, which may be given too, and why no
/// other.
const OURS: &[(&str, &[&str], &str)] = &[
    ("isolation.level", &["read_committed", "2"], "records of aborted transactions would be counted"),
    ("enable.auto.commit", &["false"], "offsets belong to the checkpoint and are committed with the rows"),
    ("auto.commit.enable", &["false"], "offsets belong to the checkpoint and are committed with the rows"),
    ("auto.commit.interval.ms", &[], "offsets belong to the checkpoint and are committed with the rows"),
    (
        "enable.auto.offset.store",
        &["false"],
        "offsets belong to the checkpoint and are committed with the rows",
    ),
    ("offset.store.method", &[], "offsets belong to the checkpoint and are committed with the rows"),
    ("offset.store.path", &[], "offsets belong to the checkpoint and are committed with the rows"),
    (
        "allow.auto.create.topics",
        &["false"],
        "topics that are written to are made with the settings that they need, and a topic that is read must be there",
    ),
    (
        "auto.offset.reset",
        &["error"],
        "a reset would skip or repeat records without a word; -o says where to begin",
    ),
    (
        "group.id",
        &[],
        "a job assigns its partitions itself and is in no consumer group; --name names the job",
    ),
    ("group.instance.id", &[], "a job assigns its partitions itself and is in no consumer group"),
    ("group.protocol", &[], "a job assigns its partitions itself and is in no consumer group"),
    ("partition.assignment.strategy", &[], "partition p belongs to worker p mod workers"),
    ("enable.partition.eof", &["true"], "-e and idleness go by it"),
    ("check.crcs", &["true"], "a damaged record would be decoded"),
    ("enable.idempotence", &["true"], "a retry would write rows twice or out of order"),
    ("transactional.id", &[], "it fences older instances of the job and is made from --name"),
    ("acks", &["all", "-1"], "a row that one broker has would count as written"),
    ("request.required.acks", &["all", "-1"], "a row that one broker has would count as written"),
    ("retries", &[], "a row would be given up"),
    ("message.send.max.retries", &[], "a row would be given up"),
    ("queuing.strategy", &["fifo"], "rows would change their order"),
    ("max.in.flight", &["1", "2", "3", "4", "5"], "rows could change their order when one is sent again"),
    (
        "max.in.flight.requests.per.connection",
        &["1", "2", "3", "4", "5"],
        "rows could change their order when one is sent again",
    ),
    (
        "message.timestamp.type",
        &[],
        "it is a setting of the topic; a row's timestamp is the end of its window",
    ),
];

/// Names of Java's clients, and what to write instead.
const JAVA: &[(&str, &str)] = &[
    ("sasl.jaas.config", "librdkafka takes sasl.username and sasl.password"),
    ("ssl.truststore.location", "librdkafka takes ssl.ca.location, a PEM file"),
    ("ssl.truststore.password", "librdkafka takes ssl.ca.location, a PEM file"),
    ("ssl.truststore.type", "librdkafka takes ssl.ca.location, a PEM file"),
    ("key.deserializer", "Java's clients need it; leave it out"),
    ("value.deserializer", "Java's clients need it; leave it out"),
    ("key.serializer", "Java's clients need it; leave it out"),
    ("value.serializer", "Java's clients need it; leave it out"),
];

/// Names of the property that says where the brokers are.
const BROKERS: [&str; 2] = ["bootstrap.servers", "metadata.broker.list"];

/// Whether the property's value is never to be shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("sasl.")
        || key.starts_with("ssl.key")
        || ["password", "secret", "token", "credential", ".pem"].iter().any(|word| key.contains(word))
}

/// The property as it may be shown.
pub(super) fn shown(key: &str, value: &str) -> String {
    if is_secret(key) { format!("{key}=(hidden)") } else { format!("{key}={value}") }
}

/// A text `KEY=VALUE` as it may be shown.
pub(super) fn shown_text(text: &str) -> String {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => shown(key.trim(), value),
        // Perhaps only the value of something.
        _ => "(hidden)".to_owned(),
    }
}

/// One `KEY=VALUE`.
pub(super) fn property(text: &str, place: &str) -> Result<Property, UsageError> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok(Property {
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
            place: place.to_owned(),
        }),
        // What has no name may be a secret.
        _ => Err(InvalidValue::told("no key and =", "KEY=VALUE, such as client.id=crossrate").at(place)),
    }
}

/// The properties of a file: lines of `key=value`; blank ones and those that begin with `#` or `!` are none.
pub(super) fn file(path: &Path, what: &str) -> Result<Vec<Property>, UsageError> {
    let shown = path.display();
    let text = values::text_of(path).map_err(|wrong| wrong.at(what))?;
    let mut properties = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (line, place) = (line.trim(), format!("{shown}:{}", number + 1));
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        if line.ends_with('\\') {
            return Err(
                InvalidValue::told("a line that goes on in the next", "each property in one line").at(place)
            );
        }
        properties.push(property(line, &place)?);
    }
    Ok(properties)
}

/// What holds of properties that may repeat, nearest first: the first of each name. Checked, and without
/// those that are the program's own. The brokers, where a property gives them, come apart.
pub(super) fn merge(properties: Vec<Property>) -> Result<(Vec<Property>, Option<Property>), UsageError> {
    let mut merged: Vec<Property> = Vec::new();
    let mut brokers = None;
    for property in properties {
        if merged.iter().any(|earlier| earlier.key == property.key) {
            continue;
        }
        if BROKERS.contains(&property.key.as_str()) {
            brokers.get_or_insert(property);
        } else if !is_ours(&property)? {
            merged.push(property);
        }
    }
    merged.sort_by(|a, b| a.key.cmp(&b.key));
    Ok((merged, brokers))
}

/// Whether the program sets this property to this very value anyway.
fn is_ours(property: &Property) -> Result<bool, UsageError> {
    let Property { key, value, place } = property;
    let got = shown(key, value);
    if let Some((_, instead)) = JAVA.iter().find(|(name, _)| name == key) {
        return Err(InvalidValue::told(got, "properties of librdkafka").hint(*instead).at(place));
    }
    let Some((_, same, reason)) = OURS.iter().find(|(name, ..)| name == key) else {
        return Ok(false);
    };
    if same.contains(&value.as_str()) {
        return Ok(true);
    }
    let expected = match same.first() {
        Some(value) => format!("{key}={value} or nothing"),
        None => format!("{key} left to the program"),
    };
    Err(InvalidValue::told(got, expected).hint(*reason).at(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(texts: &[&str]) -> Vec<Property> {
        texts.iter().map(|text| property(text, "-X").unwrap()).collect()
    }

    #[test]
    fn the_nearest_of_a_name_holds() {
        let (merged, brokers) =
            merge(given(&["b=2", "a=1", "b=3", "bootstrap.servers=x:1", "a==", "acks=all"])).unwrap();
        let pairs: Vec<_> = merged.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "2")]);
        assert_eq!(brokers.map(|p| p.value).as_deref(), Some("x:1"));
    }

    #[test]
    fn what_would_break_a_law_is_refused_with_the_reason() {
        for (key, same, reason) in OURS {
            let error = merge(given(&[&format!("{key}=nonsense")])).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(key), "{error}");
            for value in *same {
                assert_eq!(merge(given(&[&format!("{key}={value}")])).unwrap().0, []);
            }
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let secrets = [
            "sasl.password=hunter2",
            "ssl.key.password=hunter2",
            "ssl.keystore.password=hunter2",
            "sasl.oauthbearer.client.secret=hunter2",
            "ssl.key.pem=hunter2",
            "SASL.Password=hunter2",
            "ssl.truststore.password=hunter2",
            "sasl.jaas.config=password=hunter2",
            "hunter2",
            "=hunter2",
        ];
        for text in secrets {
            assert!(!shown_text(text).contains("hunter2"), "{text}");
            let error = property(text, "-X").and_then(|property| merge(vec![property]));
            if let Err(error) = error {
                assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
            }
        }
        assert_eq!(shown_text("client.id=me"), "client.id=me");
    }
}
