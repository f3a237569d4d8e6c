//! Why a broker's certificate does not do. OpenSSL, as librdkafka has it, only says that it does not; so the
//! certificate is fetched once more and judged by rustls, with the authorities that librdkafka was given.

use super::connection;
use jiff::Timestamp;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

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
            // Of one that is trusted itself, the only fault that is left.
            Error::Expired => {
                let words = "it is trusted and of that host, so its time has not begun or is over";
                CertificateFault::Other(words.to_owned())
            }
            Error::NotValidYetContext { not_before, .. } => CertificateFault::NotYet(time(not_before)),
            Error::NotValidForNameContext { presented, .. } => {
                CertificateFault::OtherHost(presented.iter().map(|name| plain_name(name)).collect())
            }
            Error::NotValidForName => CertificateFault::OtherHost(Vec::new()),
            // One that signs itself, says that it is an authority, and is not trusted.
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

/// The authorities that librdkafka goes by.
fn authorities(file: Option<&str>, pem: Option<&str>) -> Vec<CertificateDer<'static>> {
    if let Some(pem) = pem {
        return CertificateDer::pem_slice_iter(pem.as_bytes()).flatten().collect();
    }
    let files = file.filter(|file| *file != "probe").map_or(OF_THE_SYSTEM.to_vec(), |file| vec![file]);
    let found = files.iter().find_map(|file| CertificateDer::pem_file_iter(file).ok());
    found.map_or(Vec::new(), |found| found.flatten().collect())
}

/// Judges as rustls does, but for a certificate that is trusted itself: rustls takes none of an authority as
/// one of a host. OpenSSL takes it, where its name and its time are right.
#[derive(Debug)]
struct Verifier {
    rustls: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// Where no authority can be read, those count that browsers trust: they tell at least whether time and
    /// name are right.
    fn new(trusted: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(trusted.iter().cloned());
        if store.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let provider = Arc::new(ring::default_provider());
        let rustls = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build().ok()?;
        Some(Verifier { rustls, trusted })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.rustls.verify_server_cert(shown, others, name, ocsp, now);
        if verdict.is_err() && self.trusted.contains(shown) {
            verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rustls.verify_tls12_signature(message, shown, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rustls.verify_tls13_signature(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rustls.supported_verify_schemes()
    }
}

/// Why a handshake with a broker fails; none where it does not, or none comes about.
fn handshake(broker: &str, authorities: Vec<CertificateDer<'static>>) -> Option<Error> {
    let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(authorities)?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use std::net::TcpListener;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{ServerConfig, ServerConnection};

    /// A certificate that signs itself and says that it is an authority, as `openssl req -x509` makes them.
    fn own(host: &str, years: (i32, i32)) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let key = KeyPair::generate().expect("a key");
        (params.self_signed(&key).expect("a certificate"), key)
    }

    /// The fault of a broker that shows the certificate, for a client that trusts the PEM.
    fn fault(certificate: &rcgen::Certificate, key: &KeyPair, trusted: &str) -> CertificateFault {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let broker = listener.local_addr().expect("an address").to_string();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate and its key");
        let served = std::thread::spawn(move || {
            let mut tls = ServerConnection::new(Arc::new(config)).expect("a connection");
            let (mut stream, _) = listener.accept().expect("a client");
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        });
        let fault = CertificateFault::of(&broker, None, Some(trusted));
        served.join().expect("no panic");
        fault
    }

    #[test]
    fn a_certificate_that_is_trusted_itself_is_judged_by_its_host_and_its_time() {
        let (other, key) = own("kafka.example", (2020, 2200));
        let (stranger, _) = own("127.0.0.1", (2020, 2200));
        assert_eq!(fault(&other, &key, &stranger.pem()), CertificateFault::Untrusted);
        let named = CertificateFault::OtherHost(vec!["kafka.example".to_owned()]);
        assert_eq!(fault(&other, &key, &other.pem()), named);
        let (over, key) = own("127.0.0.1", (2020, 2021));
        let words = fault(&over, &key, &over.pem()).words("it");
        assert!(words.contains("its time has not begun or is over"), "{words}");
    }
}
