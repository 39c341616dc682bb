//! Which certificates of upstreams are trusted.
//!
//! The roots come from the operating system (`rustls-native-certs`, which also reads `SSL_CERT_FILE` and `SSL_CERT_DIR`
//! as OpenSSL does), because operators add the authorities of their own networks there. An image without any roots
//! falls back to Mozilla's list (`webpki-roots`), so that public services still work. The cryptography provider is
//! handed over explicitly: no process-wide default is read or set.

use crate::error::{Label, ProviderError};
use crate::options::TlsVerification;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// The TLS settings for one way of verification.
pub(super) fn client_config(verification: &TlsVerification) -> Result<ClientConfig, ProviderError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let mut config = match verification {
        TlsVerification::System => builder.with_root_certificates(system_roots()).with_no_client_auth(),
        TlsVerification::CaFile(path) => {
            builder.with_root_certificates(file_roots(path)?).with_no_client_auth()
        }
        TlsVerification::Off => {
            tracing::warn!(
                "AIOHTTP_CLIENT_SESSION_SSL is off: certificates of model services are not verified, so keys and \
                 chats can be read on the way. Set it to the file of your own authority instead."
            );
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth()
        }
    };
    // Each streamed reply has a connection of its own; closing it is how a reply is stopped.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(
            errors = ?found.errors,
            ignored,
            "This system has no root certificates; Mozilla's list is used for model services. Install the package \
             ca-certificates, or set SSL_CERT_FILE or AIOHTTP_CLIENT_SESSION_SSL to use your own."
        );
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn file_roots(path: &Path) -> Result<RootCertStore, ProviderError> {
    let shown = path.display();
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| unusable(format!("{shown}: {error}")))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(format!("{shown}: {error}")))?;
        roots.add(certificate).map_err(|error| unusable(format!("{shown}: {error}")))?;
    }
    if roots.is_empty() {
        return Err(unusable(format!("{shown} holds no certificate")));
    }
    Ok(roots)
}

fn unusable(problem: String) -> ProviderError {
    ProviderError::Configuration {
        connection: Label::new("AIOHTTP_CLIENT_SESSION_SSL"),
        problem,
        remedy: "Set it to true, to false, or to the path of a file with PEM certificates".into(),
    }
}

/// Accepts every certificate; signatures of the handshake are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_names_the_variable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path(), Path::new("/does/not/exist.pem")] {
            let error = client_config(&TlsVerification::CaFile(path.to_owned())).unwrap_err();
            assert!(error.operator_message().contains("AIOHTTP_CLIENT_SESSION_SSL"), "{error}");
        }
    }
}
