//! The certificate authority of one run: the sandboxes trust it, the services show certificates of it.
//!
//! Its key is made in memory, never leaves the harness and dies with it. The certificates are as strict as the strictest
//! client wants them (Python 3.13: key identifiers, critical constraints).

use super::failed;
use crate::model::RunError;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long before and after the beginning of the run the certificates are good: clocks differ, and runs are long.
const BEFORE: Duration = Duration::from_secs(24 * 3600);
const AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// Certificates of one run.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    now: Duration,
    /// One certificate for each set of names.
    made: Mutex<BTreeMap<(Vec<String>, Ipv4Addr), Arc<ServerConfig>>>,
}

impl Authority {
    /// A new authority with a new key; `now` is the time of the run.
    pub fn new(now: jiff::Timestamp) -> Result<Self, RunError> {
        let now = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
        let mut params = params("Rolltape: services of one run", now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let made = KeyPair::generate().and_then(|key| Ok((params.self_signed(&key)?, key)));
        let (certificate, key) = made.map_err(|error| failed("make a certificate authority", &error))?;
        let issuer = Issuer::new(params, key);
        Ok(Self { pem: certificate.pem(), issuer, now, made: Mutex::default() })
    }

    /// Its certificate in text, which is all that anybody needs to trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Settings of a TLS server for these names at this address; 127.0.0.1 and `localhost` are always among them.
    pub fn server(&self, hosts: &[String], address: Ipv4Addr) -> Result<Arc<ServerConfig>, RunError> {
        let names = (hosts.to_vec(), address);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = made.get(&names) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make(hosts, address)?);
        made.insert(names, Arc::clone(&config));
        Ok(config)
    }

    fn make(&self, hosts: &[String], address: Ipv4Addr) -> Result<ServerConfig, RunError> {
        let mut params = params(hosts.first().map_or("localhost", String::as_str), self.now);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        for host in hosts.iter().map(String::as_str).chain(["localhost"]) {
            let name = host.try_into().map_err(|error| failed(&format!("certify '{host}'"), &error))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let mut addresses = vec![Ipv4Addr::LOCALHOST, address];
        addresses.dedup();
        let addresses = addresses.into_iter().map(|address| SanType::IpAddress(IpAddr::V4(address)));
        params.subject_alt_names.extend(addresses);
        let certified = KeyPair::generate().and_then(|key| Ok((params.signed_by(&key, &self.issuer)?, key)));
        let (certificate, key) = certified.map_err(|error| failed("make a certificate", &error))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // No provider is installed for the whole process: a library leaves that to its user.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)
            })
            .map_err(|error| failed("set TLS up", &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// What all certificates share.
fn params(name: &str, now: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(BEFORE);
    params.not_after = epoch + now.saturating_add(AFTER);
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_certificate_is_made_for_one_set_of_names() {
        let authority = Authority::new(jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!authority.pem().contains("PRIVATE"));
        let server = |names: &[String]| authority.server(names, Ipv4Addr::LOCALHOST);
        let names = ["api.example".to_owned()];
        let (one, two) = (server(&names).unwrap(), server(&names).unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        assert!(!Arc::ptr_eq(&one, &server(&[]).unwrap()));
        assert!(server(&["bücher.example".to_owned()]).is_err());
    }
}
