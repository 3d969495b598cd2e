//! The organisation's own certificate authority, and the leaf certificates interception mints from it.
//!
//! One leaf key serves all names of a process; a leaf is minted per name on first use (tens of microseconds) and kept in
//! a bounded cache. Leaves are short-lived and backdated by an hour against clocks that run behind.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Minted leaves kept at once.
const CACHED_LEAVES: usize = 4096;
/// Validity of a leaf.
const LEAF_DAYS: u64 = 30;
/// Validity of a CA made here.
const CA_DAYS: u64 = 3650;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes a CA: a self-signed P-256 certificate for ten years, and its key with mode 0600.
///
/// # Errors
/// Either file exists already, or cannot be written.
pub fn create(certificate: &Path, key: &Path, name: &str) -> io::Result<()> {
    let pair = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    validity(&mut params, CA_DAYS);
    let authority = params.self_signed(&pair).map_err(io::Error::other)?;
    write_new(key, pair.serialize_pem().as_bytes(), 0o600)?;
    write_new(certificate, authority.pem().as_bytes(), 0o644)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn validity(params: &mut CertificateParams, days: u64) {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + DAY * u32::try_from(days).unwrap_or(1)).into();
}

/// Mints leaf certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    chain: CertificateDer<'static>,
    leaf_key: KeyPair,
    leaves: Mutex<lru::LruCache<String, Arc<CertifiedKey>>>,
}

/// Whether two PEM files are a CA.
///
/// # Errors
/// One of them cannot be read, or is something else; the error names it.
pub fn check(certificate: &Path, key: &Path) -> io::Result<()> {
    Authority::load(certificate, key).map(drop)
}

impl Authority {
    /// The CA of two PEM files.
    pub(super) fn load(certificate: &Path, key: &Path) -> io::Result<Authority> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        };
        let wrong = |path: &Path, what: &str, error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: not {what}: {error}", path.display()))
        };
        let certificate_pem = read(certificate)?;
        let pair = KeyPair::from_pem(&read(key)?).map_err(|error| wrong(key, "a private key in PEM", &error))?;
        let chain = rustls::pki_types::pem::PemObject::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| wrong(certificate, "a certificate in PEM", &format!("{error:?}")))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, pair)
            .map_err(|error| wrong(certificate, "a CA certificate", &error))?;
        let leaf_key = KeyPair::generate().map_err(io::Error::other)?;
        let capacity = NonZeroUsize::new(CACHED_LEAVES).unwrap_or(NonZeroUsize::MIN);
        Ok(Authority { issuer, chain, leaf_key, leaves: Mutex::new(lru::LruCache::new(capacity)) })
    }

    /// The TLS configuration of an intercepted connection; `fallback` names the leaf when the client sends no SNI.
    pub(super) fn server_config(self: &Arc<Self>, fallback: Option<Arc<str>>) -> Result<Arc<ServerConfig>, String> {
        let minter = Minter { authority: Arc::clone(self), fallback };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(minter));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The leaf of a name, from the cache or new.
    fn leaf(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let cached = self.leaves.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if cached.is_some() {
            return cached;
        }
        let leaf = Arc::new(self.mint(name).ok()?);
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        leaves.put(name.to_owned(), Arc::clone(&leaf));
        Some(leaf)
    }

    fn mint(&self, name: &str) -> Result<CertifiedKey, rcgen::Error> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        // X.520 bounds the common name; the subject alternative name is what clients check.
        params.distinguished_name.push(DnType::CommonName, name.chars().take(64).collect::<String>());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, LEAF_DAYS);
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let signer = rustls::crypto::ring::sign::any_ecdsa_type(&key).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(CertifiedKey::new(vec![leaf.der().clone(), self.chain.clone()], signer))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

#[derive(Debug)]
struct Minter {
    authority: Arc<Authority>,
    fallback: Option<Arc<str>>,
}

impl ResolvesServerCert for Minter {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        self.authority.leaf(name.as_deref().or(self.fallback.as_deref())?)
    }
}
