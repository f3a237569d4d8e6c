//! How a client is made: the user's properties, the program's own, and what this build has not.

use super::{ErrorListener, MAKES_TOPICS};
use crate::config::KafkaClient;
use crate::exit::{Exit, Failure};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

/// Makes a client: the user's properties, then those that are the program's own. `defaults` hold where the
/// user says nothing else.
pub fn client<T>(
    kafka: &KafkaClient,
    listener: &ErrorListener,
    defaults: &[(&str, &str)],
    own: &[(&str, &str)],
) -> Result<T, Failure>
where
    T: FromClientConfigAndContext<ErrorListener>,
{
    refuse_what_is_not_built_in(kafka)?;
    let mut config = ClientConfig::new();
    // What is logged says more of a link that failed than errors do; the listener tells it where it is
    // wanted.
    config.set_log_level(RDKafkaLogLevel::Info);
    let common = [
        ("client.id", "crossrate"),
        // A broker that comes back is found soon; the pause still grows while it stays away.
        ("reconnect.backoff.ms", "20"),
        ("reconnect.backoff.max.ms", "1000"),
        // The first look at a topic would else wait for a timer of 100 ms.
        ("topic.metadata.refresh.fast.interval.ms", "10"),
    ];
    for (key, value) in common.iter().chain(defaults) {
        config.set(*key, *value);
    }
    if cfg!(feature = "tls-vendored") {
        look_for_authorities(&mut config, kafka);
    }
    for (key, value) in &kafka.properties {
        config.set(key, value);
    }
    config.set("bootstrap.servers", &kafka.brokers);
    // A client that writes would make a topic by asking for it, with settings that nobody has chosen.
    config.set(MAKES_TOPICS, "false");
    for (key, value) in own {
        config.set(*key, *value);
    }
    config.create_with_context(listener.clone()).map_err(|error| match error {
        // Not the value: it may be a secret.
        KafkaError::ClientConfig(_, words, key, _) => {
            Failure::new(Exit::Usage, format!("the Kafka property {key} does not do: {words}"))
                .hint("librdkafka's CONFIGURATION.md lists all properties and their values")
        }
        error => Failure::new(Exit::Usage, "these Kafka properties do not do")
            .hint("librdkafka's CONFIGURATION.md lists all properties and their values")
            .because(error),
    })
}

/// An OpenSSL that is built along looks for authorities where no system has them. Librdkafka knows where
/// systems have them, and is told to look there.
fn look_for_authorities(config: &mut ClientConfig, kafka: &KafkaClient) {
    config.set("ssl.ca.location", "probe");
    // Librdkafka takes one of the two.
    if !kafka.properties.contains_key("https.ca.pem") {
        config.set("https.ca.location", "probe");
    }
}

/// What a property says, in capitals: librdkafka does not tell cases apart.
fn property(kafka: &KafkaClient, key: &str) -> Option<String> {
    kafka.properties.get(key).map(|value| value.to_ascii_uppercase())
}

/// How a user is proven.
pub(super) fn mechanism(kafka: &KafkaClient) -> Option<String> {
    property(kafka, "sasl.mechanism").or(property(kafka, "sasl.mechanisms"))
}

/// Encryption is a feature of the build; librdkafka would only say that it has no OpenSSL. And without a
/// provider of tokens it would wait for one for ever.
fn refuse_what_is_not_built_in(kafka: &KafkaClient) -> Result<(), Failure> {
    let protocol = property(kafka, "security.protocol").filter(|protocol| protocol.contains("SSL"));
    let mechanism = mechanism(kafka);
    let bearer = mechanism.as_deref() == Some("OAUTHBEARER");
    let encrypted = mechanism.filter(|mechanism| mechanism.starts_with("SCRAM") || bearer);
    if let (Some(asked), false) =
        (protocol.or(encrypted), cfg!(any(feature = "tls", feature = "tls-vendored")))
    {
        return Err(Failure::new(Exit::Usage, format!("this crossrate was built without {asked}"))
            .hint("build it with the feature: cargo build --release --features tls"));
    }
    let is_set = |key: &str, to: &str| property(kafka, key).as_deref() == Some(to);
    let oidc = is_set("sasl.oauthbearer.method", "OIDC");
    if oidc && !built_in("oidc") {
        return Err(Failure::new(Exit::Usage, "this crossrate was built without OIDC, which needs libcurl")
            .hint("build it where libcurl's headers are (libcurl4-openssl-dev), with --features tls"));
    }
    if bearer && !oidc && !is_set("enable.sasl.oauthbearer.unsecure.jwt", "TRUE") {
        return Err(Failure::new(Exit::Usage, "sasl.mechanism=OAUTHBEARER without a provider of tokens")
            .hint("-X sasl.oauthbearer.method=oidc, with its .client.id, .client.secret and .token.endpoint.url"));
    }
    Ok(())
}

/// Whether this librdkafka has it.
fn built_in(feature: &str) -> bool {
    let features =
        ClientConfig::new().create_native_config().and_then(|config| config.get("builtin.features"));
    features.is_ok_and(|features| features.split(',').any(|built_in| built_in == feature))
}
