//! Why a broker's certificate does not do. OpenSSL, as librdkafka has it, only says that it does not; so the
//! certificate is fetched once more and judged by rustls, with the authorities that librdkafka was given.

use super::connection;
use jiff::Timestamp;
use std::sync::Arc;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};

/// Where systems keep the authorities that they trust: OpenSSL's own places of the common distributions.
const OF_THE_SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CertificateFault {
    /// No authority that is trusted has signed it.
    Untrusted,
    /// It was valid until then.
    Expired(String),
    /// It is valid from then on.
    NotYet(String),
    /// It is of these hosts.
    OtherHost(Vec<String>),
    /// Something else, in rustls's words; or it could not be looked at.
    Other(String),
}

impl CertificateFault {
    /// Of the certificate that a broker shows, by the authorities of a file, of a text, or of the system.
    pub(super) fn of(broker: &str, file: Option<&str>, pem: Option<&str>) -> Self {
        match handshake(broker, authorities(file, pem)) {
            Some(Error::InvalidCertificate(error)) => CertificateFault::by(error),
            Some(error) => CertificateFault::Other(error.to_string()),
            None => CertificateFault::Other("librdkafka does not take it".to_owned()),
        }
    }

    fn by(error: CertificateError) -> Self {
        use CertificateError as Error;
        match error {
            Error::UnknownIssuer | Error::BadSignature => CertificateFault::Untrusted,
            Error::ExpiredContext { not_after, .. } => CertificateFault::Expired(time(not_after)),
            Error::NotValidYetContext { not_before, .. } => CertificateFault::NotYet(time(not_before)),
            Error::NotValidForNameContext { presented, .. } => {
                CertificateFault::OtherHost(presented.iter().map(|name| plain_name(name)).collect())
            }
            Error::NotValidForName => CertificateFault::OtherHost(Vec::new()),
            // One that signs itself and says that it is an authority.
            Error::Other(_) if error.to_string().contains("CaUsedAsEndEntity") => CertificateFault::Untrusted,
            error => CertificateFault::Other(error.to_string()),
        }
    }

    /// What it means.
    pub(super) fn words(&self, broker: &str) -> String {
        let whose = format!("the certificate of the broker at {broker}");
        match self {
            CertificateFault::Untrusted => format!("{whose} is signed by no authority that is trusted here"),
            CertificateFault::Expired(end) => format!("{whose} has expired: it was valid until {end}"),
            CertificateFault::NotYet(begin) => format!("{whose} is not valid yet: it begins at {begin}"),
            CertificateFault::OtherHost(names) if names.is_empty() => format!("{whose} names another host"),
            CertificateFault::OtherHost(names) => {
                format!("{whose} is one of another host: of {}", names.join(", "))
            }
            CertificateFault::Other(words) => format!("{whose} does not do: {words}"),
        }
    }

    /// What to do about it.
    pub(super) fn hint(&self, broker: &str) -> String {
        match self {
            CertificateFault::Untrusted => {
                "-X ssl.ca.location=FILE, the certificate of the authority that has \
                                            signed it, as PEM"
                    .to_owned()
            }
            CertificateFault::Expired(_) => {
                "the broker needs a new one; if its time is not over, the clock of this machine runs ahead"
                    .to_owned()
            }
            CertificateFault::NotYet(_) => {
                "look at the clocks of this machine and of the broker's".to_owned()
            }
            CertificateFault::OtherHost(_) => {
                "say by -b the name that it holds, or give the broker one that holds \
                                               this name (subjectAltName)"
                    .to_owned()
            }
            CertificateFault::Other(_) => {
                format!("openssl s_client -connect {broker} -showcerts shows it")
            }
        }
    }
}

fn time(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

/// `DnsName("a")` as `a`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').to_owned()
}

/// The authorities that librdkafka goes by. Where none can be read, those that browsers trust: they tell at
/// least whether time and name are right.
fn authorities(file: Option<&str>, pem: Option<&str>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    let mut add = |certificate: CertificateDer<'static>| {
        // One of another kind is no authority here.
        let _ = store.add(certificate);
    };
    if let Some(pem) = pem {
        CertificateDer::pem_slice_iter(pem.as_bytes()).flatten().for_each(&mut add);
    }
    let files = file.filter(|file| *file != "probe").map_or(OF_THE_SYSTEM.to_vec(), |file| vec![file]);
    if pem.is_none()
        && let Some(found) = files.iter().find_map(|file| CertificateDer::pem_file_iter(file).ok())
    {
        found.flatten().for_each(&mut add);
    }
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

/// Why a handshake with a broker fails; none where it does not, or none comes about.
fn handshake(broker: &str, authorities: RootCertStore) -> Option<Error> {
    let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider))
        .build()
        .ok()?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_webpki_verifier(verifier)
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut stream = connection(broker)?;
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut stream) {
            return error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned();
        }
    }
    None
}
