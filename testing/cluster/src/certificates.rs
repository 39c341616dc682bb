//! A certificate authority of a rig, with a certificate for its servers and one for their clients.

use crate::error::{Error, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::path::{Path, PathBuf};

/// Paths of PEM files.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate, which clients have to trust.
    pub authority: PathBuf,
    /// The servers' certificate, for the names they were made for.
    pub server: PathBuf,
    /// The key of the servers' certificate.
    pub server_key: PathBuf,
    /// A certificate for clients, of the same authority.
    pub client: PathBuf,
    /// The key of the clients' certificate.
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes new ones in a folder. `names` are the host names and addresses that the servers' certificate is good for.
    pub fn new(folder: &Path, names: &[&str]) -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "Antiphon test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let signed = |name: &str, alternatives: &[&str]| -> Result<(String, String)> {
            let mut leaf = CertificateParams::new(
                alternatives.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(),
            )?;
            leaf.distinguished_name.push(DnType::CommonName, name);
            // Servers of a topology are clients of one another, with the same certificate.
            leaf.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate()?;
            Ok((leaf.signed_by(&key, &authority)?.pem(), key.serialize_pem()))
        };
        let (server, server_key) = signed("redis", names)?;
        let (client, client_key) = signed("client", &[])?;
        let write = |name: &str, text: String| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(Error::file(&path))?;
            Ok(path)
        };
        Ok(Self {
            authority: write("authority.crt", authority.pem())?,
            server: write("server.crt", server)?,
            server_key: write("server.key", server_key)?,
            client: write("client.crt", client)?,
            client_key: write("client.key", client_key)?,
        })
    }
}
