//! Links to a broker that speaks TLS and asks for a user: each way in, and each way to be kept out, with the
//! words that it has.

mod authority;
mod provider;

use super::rig::{self, Broker, Kafka, Record, end, rows};
use super::{run, short, trade};
use authority::Authority;
use provider::Provider;
use std::path::Path;

const SYMBOLS: &str = "-e --symbols A --window 10s --delay 1s --rows symbol";
const USER: &str = "-X sasl.username=crossrate -X sasl.password=secret";

/// A file with a text, by its path.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
#[ignore = "needs Java"]
fn every_way_in_reads_and_writes_and_every_way_to_be_kept_out_is_named() {
    rig::needed();
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let provider = Provider::start();
    for (name, names, days) in [
        ("broker", "127.0.0.1", (-2, 2)),
        ("expired", "127.0.0.1", (-9, -1)),
        ("other", "kafka.example", (-2, 2)),
    ] {
        file(folder.path(), &format!("{name}.pem"), &authority.signed(names, days));
    }
    let trusted = file(folder.path(), "authority.pem", &authority.certificate());
    let stranger = file(folder.path(), "stranger.pem", &Authority::new().certificate());
    let client = file(folder.path(), "client.pem", &authority.signed("client.example", (-2, 2)));
    file(folder.path(), "jwks.json", &provider.keys());

    let broker = Broker::start_with(None, None, &["--tls", folder.path().to_str().expect("UTF-8")]);
    let at = |places: u16| Kafka { brokers: format!("127.0.0.1:{}", broker.port_after(places)) };
    let [clear, user, tls, tls_user, expired, other, mutual] = [0, 2, 3, 4, 5, 6, 7].map(at);
    let topic = clear.topic("linked", 1);
    clear.produce(&topic, &[Record::new(0, trade("A", 1, 1.0)), Record::new(0, trade("A", 2, 15.0))]);

    let trusting = format!("-X ssl.ca.location={trusted}");
    let by_tls = format!("{SYMBOLS} -X security.protocol=ssl {trusting}");
    let by_sasl = |mechanism: &str| {
        format!("{SYMBOLS} -X security.protocol=sasl_ssl {trusting} -X sasl.mechanism={mechanism}")
    };
    let bearer = |secret: &str| {
        by_sasl("OAUTHBEARER")
            + &format!(
                " -X sasl.oauthbearer.method=oidc -X sasl.oauthbearer.client.id=crossrate -X \
                 sasl.oauthbearer.client.secret={secret} -X sasl.oauthbearer.scope=kafka -X \
                 sasl.oauthbearer.token.endpoint.url={}",
                provider.address
            )
    };
    let shown = format!("{by_tls} -X ssl.certificate.location={client} -X ssl.key.location={client}");

    // Each way reads the topic and writes, in transactions, where the job's rows and checkpoint are.
    let expected = ["A 0 1 event", "A 10 1 eof"];
    for (name, kafka, flags) in [
        ("tls", &tls, by_tls.clone()),
        ("plain", &tls_user, format!("{} {USER}", by_sasl("PLAIN"))),
        ("scram", &tls_user, format!("{} {USER}", by_sasl("SCRAM-SHA-512"))),
        ("bearer", &tls_user, bearer("hush")),
        ("mutual", &mutual, shown),
    ] {
        let out = rig::unique(&format!("linked-{name}"));
        assert_eq!(rows(run(kafka, &topic, &format!("{flags} --to kafka:{out} --name {out}"))), "", "{name}");
        assert_eq!(short(&clear.lines(&out)), expected, "{name}");
    }
    assert!(provider.has_given() > 0, "tokens come of the provider");

    let distrusting = format!("{SYMBOLS} -X security.protocol=ssl -X ssl.ca.location={stranger}");
    let wrong = by_sasl("SCRAM-SHA-512") + " -X sasl.username=crossrate -X sasl.password=wrong";
    let known = format!("{SYMBOLS} -X security.protocol=sasl_plaintext -X sasl.mechanism=PLAIN {USER}");
    let no_oidc = by_sasl("OAUTHBEARER");
    for (kafka, flags, code, words, way_out) in [
        (
            &tls,
            SYMBOLS,
            3,
            "speaks TLS on that port, and this client speaks in clear",
            "security.protocol=SSL",
        ),
        (&tls_user, &known, 3, "speaks TLS on that port, and this client speaks in clear", "SASL_SSL"),
        (&clear, &by_tls, 3, "does not speak TLS on that port", "security.protocol=PLAINTEXT"),
        (&tls, &distrusting, 3, "is signed by no authority that is trusted here", "ssl.ca.location"),
        (&expired, &by_tls, 3, "has expired: it was valid until 20", "clock"),
        (&other, &by_tls, 3, "is one of another host: of kafka.example", "say by -b the name"),
        (&mutual, &by_tls, 3, "wants a certificate of its client", "ssl.certificate.location"),
        (&tls_user, &wrong, 3, "does not let us in", "sasl.password"),
        (&tls_user, &bearer("wrong"), 3, "does not let us in", "sasl.oauthbearer.client.id"),
        (&tls_user, &no_oidc, 2, "without a provider of tokens", "sasl.oauthbearer.method=oidc"),
        (&user, SYMBOLS, 3, "hangs up, as a listener does that asks for a user", "sasl.username"),
    ] {
        let (ended, _, said) = end(run(kafka, &topic, flags));
        assert!(said.contains(words) && said.contains(way_out), "{words}: {said}");
        assert_eq!(ended, code, "{said}");
        assert!(!said.contains("wrong") && !said.contains("secret=") && !said.contains("hush"), "{said}");
    }
    broker.stop();
}
