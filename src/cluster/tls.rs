//! The TLS of links between machines: version 1.3, and both sides show a key that nobody has who does not
//! know the cluster's secret.
//!
//! No certificate is made, stored or renewed: from the secret and the challenges of a connection each side
//! derives two Ed25519 keys that hold for this connection alone, one a role, and takes no other key of its
//! peer (RFC 7250, raw public keys). What encrypts comes of TLS's own exchange of keys, so a secret that
//! leaks later opens nothing that was recorded. Where the secret is empty, only this machine is reached (see
//! [`super::places`]), and whoever could read the links may join the run anyway.

use std::io::{self, Read, Write};
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_rustls::rustls::server::AlwaysResolvesServerRawPublicKeys;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName,
    Error, ServerConfig, ServerConnection, SignatureScheme, version,
};

/// The private key of one side of a connection.
pub(super) type Seed = [u8; 32];

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410).
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A stream after the proofs: of TLS between machines, as it is within one.
#[derive(Debug)]
pub(super) struct SecuredStream<S> {
    stream: S,
    tls: Option<Box<Connection>>,
}

impl<S: Read + Write> SecuredStream<S> {
    /// A stream that never leaves the machine.
    pub(super) fn in_clear(stream: S) -> Self {
        SecuredStream { stream, tls: None }
    }

    /// The side that has called.
    pub(super) fn dialer(stream: S, mine: &Seed, theirs: &Seed) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let expected = Arc::new(ExpectedKey::of(theirs, &provider).map_err(io::Error::other)?);
        let mine = AlwaysResolvesClientRawPublicKeys::new(Arc::new(key(mine).map_err(io::Error::other)?));
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(expected);
        let mut config = config.with_client_cert_resolver(Arc::new(mine));
        // The name is no one's: the key says who it is.
        (config.enable_sni, config.resumption) = (false, Resumption::disabled());
        let name = ServerName::try_from("crossrate.invalid").map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        SecuredStream::shaken(stream, connection.into())
    }

    /// The side that was called.
    pub(super) fn answerer(stream: S, mine: &Seed, theirs: &Seed) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let expected = Arc::new(ExpectedKey::of(theirs, &provider).map_err(io::Error::other)?);
        let mine = AlwaysResolvesServerRawPublicKeys::new(Arc::new(key(mine).map_err(io::Error::other)?));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(io::Error::other)?
            .with_client_cert_verifier(expected)
            .with_cert_resolver(Arc::new(mine));
        config.send_tls13_tickets = 0;
        let connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        SecuredStream::shaken(stream, connection.into())
    }

    fn shaken(mut stream: S, mut tls: Connection) -> io::Result<Self> {
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(SecuredStream { stream, tls: Some(Box::new(tls)) })
    }

    /// The stream, and what encrypts it from now on.
    pub(super) fn into_parts(self) -> (S, Option<Box<Connection>>) {
        (self.stream, self.tls)
    }
}

impl<S: Read + Write> Read for SecuredStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            while tls.wants_write() {
                tls.write_tls(&mut self.stream)?;
            }
            tls.read_tls(&mut self.stream)?;
            tls.process_new_packets().map_err(unreadable)?;
        }
    }
}

impl<S: Read + Write> Write for SecuredStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.write(bytes) };
        let taken = tls.writer().write(bytes)?;
        while tls.wants_write() {
            tls.write_tls(&mut self.stream)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What came is not what the peer has sent.
pub(super) fn unreadable(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("what came was changed on its way: {error}"))
}

/// A key of this connection, as TLS shows it.
fn key(seed: &Seed) -> Result<CertifiedKey, Error> {
    let signing = signing_key(seed)?;
    let public = CertificateDer::from(public_key(&*signing)?);
    Ok(CertifiedKey::new(vec![public], signing))
}

fn signing_key(seed: &Seed) -> Result<Arc<dyn SigningKey>, Error> {
    ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from([&PKCS8[..], seed.as_slice()].concat()))
}

fn public_key(signing: &dyn SigningKey) -> Result<Vec<u8>, Error> {
    let public = signing.public_key().ok_or(Error::General("a key without its public half".into()))?;
    Ok(public.as_ref().to_vec())
}

/// Takes the one key that the peer of this connection has.
#[derive(Debug)]
struct ExpectedKey {
    public: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ExpectedKey {
    fn of(seed: &Seed, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        Ok(ExpectedKey { public: public_key(&*signing_key(seed)?)?, provider: Arc::clone(provider) })
    }

    fn is_shown(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        let is_it = shown.as_ref() == self.public;
        is_it.then_some(()).ok_or(CertificateError::ApplicationVerificationFailure.into())
    }

    fn is_used(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let (key, schemes) =
            (SubjectPublicKeyInfoDer::from(shown.as_ref()), &self.provider.signature_verification_algorithms);
        verify_tls13_signature_with_raw_key(message, &key, signature, schemes)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Of TLS 1.2, which is never spoken.
fn never() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("a link speaks TLS 1.3".into()))
}

impl ServerCertVerifier for ExpectedKey {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.is_shown(shown).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.is_used(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for ExpectedKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.is_shown(shown).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.is_used(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
