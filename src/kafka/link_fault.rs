//! What is wrong with a link to a broker, by what librdkafka says of it: a client and a listener that do not
//! speak the same protocol, or a certificate that does not do. Each has a way out of its own, and without
//! these words they look like a broker that is away.

mod certificate;

use crate::config::KafkaClient;
use crate::exit::{Exit, Failure};
use certificate::CertificateFault;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a listener may take to show what it speaks.
const PROBE: Duration = Duration::from_secs(2);

/// What is wrong, as far as librdkafka's words go.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) enum LinkFault {
    /// The client speaks in clear, and the listener hangs up as one of TLS does.
    InClear,
    /// The client speaks TLS, and the listener does not.
    Encrypted,
    /// The listener's certificate does not do.
    Certificate,
    /// The listener wants a certificate of the client.
    NoCertificate,
    /// The listener hangs up on the first request after the greetings, as one does that asks for a user.
    NoUser,
}

/// What is wrong, with the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkDiagnosis {
    pub(super) words: String,
    hint: String,
    /// librdkafka's words.
    reason: String,
    /// Waiting helps nothing: the listener itself has shown what it speaks.
    pub(super) is_certain: bool,
}

impl LinkDiagnosis {
    /// The failure of a run.
    pub(super) fn failure(self) -> Failure {
        Failure::new(Exit::Unreachable, self.words).hint(self.hint).because(anyhow::Error::msg(self.reason))
    }
}

impl LinkFault {
    /// By librdkafka's words; none where the link is merely gone.
    pub(super) fn of(reason: &str) -> Option<LinkFault> {
        let says = |words: &[&str]| words.iter().any(|words| reason.contains(words));
        if says(&["client SSL authentication might be required", "certificate required", "bad certificate"]) {
            return Some(LinkFault::NoCertificate);
        }
        if says(&["SSL handshake failed"]) {
            return if says(&[
                "PLAINTEXT broker listener",
                "wrong version number",
                "packet length too long",
                "unexpected eof",
            ]) {
                Some(LinkFault::Encrypted)
            } else if says(&["certificate verify failed", "certificate could not be verified"]) {
                Some(LinkFault::Certificate)
            } else {
                None
            };
        }
        // The first request is the one about versions. The name of a broker that is spoken to in TLS says so.
        if says(&["Disconnected"]) && says(&["in state APIVERSION_QUERY"]) && !says(&["ssl://"]) {
            return Some(LinkFault::InClear);
        }
        (says(&["Disconnected", "Send failed"]) && says(&["in state UP"])).then_some(LinkFault::NoUser)
    }

    /// What is wrong and what to do about it; none where the listener does not show that it is so.
    pub(super) fn diagnosed(self, kafka: &KafkaClient, reason: &str) -> Option<LinkDiagnosis> {
        let broker = broker_in(reason).unwrap_or_else(|| first(&kafka.brokers));
        let property = |key: &str| kafka.properties.get(key).map(String::as_str);
        let has_user =
            property("security.protocol").is_some_and(|p| p.to_ascii_uppercase().starts_with("SASL"));
        let (words, hint) = match self {
            LinkFault::InClear if speaks_tls(broker) == Some(true) => (
                format!("the broker at {broker} speaks TLS on that port, and this client speaks in clear"),
                "-X security.protocol=SSL, or SASL_SSL with a user; or the port of a listener in clear".to_owned(),
            ),
            LinkFault::Encrypted if speaks_tls(broker) == Some(false) => (
                format!("the broker at {broker} does not speak TLS on that port"),
                "the port of its TLS listener, or -X security.protocol=PLAINTEXT (SASL_PLAINTEXT with a user)"
                    .to_owned(),
            ),
            LinkFault::InClear | LinkFault::Encrypted => return None,
            LinkFault::Certificate => {
                let fault = CertificateFault::of(broker, property("ssl.ca.location"), property("ssl.ca.pem"));
                (fault.words(broker), fault.hint(broker))
            }
            LinkFault::NoCertificate => (
                format!("the broker at {broker} wants a certificate of its client, and takes none or not this one"),
                "-X ssl.certificate.location=FILE and -X ssl.key.location=FILE, of an authority that it trusts"
                    .to_owned(),
            ),
            LinkFault::NoUser if has_user => return None,
            LinkFault::NoUser => (
                format!("the broker at {broker} hangs up, as a listener does that asks for a user"),
                "-X security.protocol=SASL_PLAINTEXT (SASL_SSL over TLS), -X sasl.mechanism=PLAIN or SCRAM-SHA-512, \
                 -X sasl.username=NAME and -X sasl.password=PASSWORD"
                    .to_owned(),
            ),
        };
        let is_certain = self != LinkFault::NoUser;
        Some(LinkDiagnosis { words, hint, reason: reason.to_owned(), is_certain })
    }
}

/// The broker that librdkafka speaks of: `ssl://host:9093/bootstrap: ..`, or its number in place of the word.
fn broker_in(reason: &str) -> Option<&str> {
    let named = |word: &str| {
        let (broker, id) = word.strip_suffix(':')?.rsplit_once('/')?;
        let is_id = id == "bootstrap" || (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
        let address = broker.rsplit_once('/').map_or(broker, |(_, address)| address);
        (is_id && address.contains(':')).then_some(address.len())
    };
    reason.split_whitespace().find_map(|word| {
        let end = word.rfind('/')?;
        named(word).map(|length| &word[end - length..end])
    })
}

fn first(brokers: &str) -> &str {
    brokers.split(',').next().unwrap_or_default().trim()
}

/// A connection to a broker, to see what it says. None where nobody answers.
fn connection(broker: &str) -> Option<TcpStream> {
    let address = broker.to_socket_addrs().ok()?.next()?;
    let stream = TcpStream::connect_timeout(&address, PROBE).ok()?;
    stream.set_read_timeout(Some(PROBE)).ok()?;
    stream.set_write_timeout(Some(PROBE)).ok()?;
    Some(stream)
}

/// Whether a broker answers the beginning of a TLS handshake with a record of TLS; none where nobody answers.
/// So what else hangs up, such as a balancer whose brokers are away, is told from a listener of TLS.
fn speaks_tls(broker: &str) -> Option<bool> {
    let mut stream = connection(broker)?;
    let mut begin = [0; 2];
    let answered = stream.write_all(&client_hello()).and_then(|()| stream.read_exact(&mut begin)).is_ok();
    // A handshake or an alert, of any version 3.x.
    Some(answered && matches!(begin, [0x15 | 0x16, 0x03]))
}

/// The least greeting of TLS 1.2 that a listener answers, if only by an alert.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, 0x01, 0x00, 47, 0x01, 0x00, 0x00, 43, 0x03, 0x03];
    hello.extend([0x5c; 32]);
    // No session, two ciphers, no compression.
    hello.extend([0x00, 0x00, 0x04, 0xc0, 0x2f, 0x00, 0x2f, 0x01, 0x00]);
    hello
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_from_a_link_that_is_gone() {
        for (reason, fault) in [
            (
                "localhost:9093/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN \
                 (after 47ms in state APIVERSION_QUERY)",
                Some(LinkFault::InClear),
            ),
            ("ssl://localhost:9093/bootstrap: Disconnected (after 47ms in state APIVERSION_QUERY)", None),
            (
                "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener? (after 3ms)",
                Some(LinkFault::Encrypted),
            ),
            (
                "SSL handshake failed: error:0A00010B:SSL routines::wrong version number (after 3ms)",
                Some(LinkFault::Encrypted),
            ),
            (
                "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
                 certificate could not be verified, verify that ssl.ca.location is correctly configured",
                Some(LinkFault::Certificate),
            ),
            (
                "SSL handshake failed: unexpected message: client SSL authentication might be required",
                Some(LinkFault::NoCertificate),
            ),
            ("Connect to ipv4#127.0.0.1:9092 failed: Connection refused", None),
            (
                "SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading (after 27ms in \
                 state SSL_HANDSHAKE)",
                Some(LinkFault::Encrypted),
            ),
            (
                "Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42",
                Some(LinkFault::NoCertificate),
            ),
            (
                "Disconnected: verify that security.protocol is correctly configured, broker might require SASL \
                 authentication (after 11ms in state UP)",
                Some(LinkFault::NoUser),
            ),
            ("localhost:9092/1: Send failed: Broken pipe (after 100ms in state UP)", Some(LinkFault::NoUser)),
            ("SASL authentication error: Authentication failed: Invalid username or password", None),
        ] {
            assert_eq!(LinkFault::of(reason), fault, "{reason}");
        }
    }

    #[test]
    fn the_broker_of_a_reason_is_found() {
        for (reason, broker) in [
            ("[thrd:ssl://a:9093/bootstrap]: ssl://a:9093/bootstrap: SSL handshake failed", Some("a:9093")),
            ("sasl_ssl://[::1]:9093/17: Disconnected", Some("[::1]:9093")),
            ("b.example.com:9092/bootstrap: Disconnected", Some("b.example.com:9092")),
            ("1/2 brokers are down", None),
            ("/: no", None),
        ] {
            assert_eq!(broker_in(reason), broker, "{reason}");
        }
    }
}
