//! Certificates that a test makes for itself.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::time::{Duration, SystemTime};

/// An authority that signs them.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = params(Vec::new(), "an authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// What trusts it.
    pub(super) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A key and the certificate of a host, valid for so many days from today: from and to. As PEM, the key
    /// first.
    pub(super) fn signed(&self, host: &str, days: (i64, i64)) -> String {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(vec![host.to_owned()], host);
        (params.not_before, params.not_after) = (day(days.0).into(), day(days.1).into());
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        key.serialize_pem() + &certificate.pem()
    }
}

fn params(names: Vec<String>, whose: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("names");
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, whose);
    params.distinguished_name = distinguished;
    params
}

fn day(days: i64) -> SystemTime {
    let length = Duration::from_secs(days.unsigned_abs() * 86_400);
    if days < 0 { SystemTime::now() - length } else { SystemTime::now() + length }
}
