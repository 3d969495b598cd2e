//! A root that only the test trusts, and certificates signed by it.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A root and the directory its files are in.
pub struct Root {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Root {
    /// Makes a root. Its certificate is `NAME.pem`.
    pub fn make(directory: &Path, name: &str) -> Root {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("Test root {name}"));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        Root { directory: directory.to_owned(), issuer: Issuer::new(params, key) }
    }

    /// Signs a certificate for names or addresses; returns the files of certificate and key.
    pub fn sign(&self, names: &[&str]) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Test origin");
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let stem = names[0].replace('*', "any");
        let files = (self.directory.join(format!("{stem}.crt")), self.directory.join(format!("{stem}.key")));
        fs::write(&files.0, certificate.pem()).unwrap();
        fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }
}
