//! TLS to servers and Sentinels: own authorities, client certificates, and the relaxed checks that redis-py knows.

use std::path::Path;
use std::sync::Arc;

use antiphon_config::{CertificateCheck, RedisTls};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::endpoint::Endpoint;
use super::error::{RedisError, Result, TlsFault};

/// Reads the files that the options name and gives what TLS connections are made with.
pub(super) fn client_config(options: &RedisTls) -> Result<Arc<ClientConfig>> {
    // The provider is given explicitly, so that nothing depends on a default of the process.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match options.check {
        CertificateCheck::None => Arc::new(Relaxed { inner: None, provider: provider.clone() }),
        CertificateCheck::Required => {
            let roots = roots(options)?;
            let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| unusable("ssl_ca_certs", options.authorities.as_deref(), &error))?;
            if options.check_hostname {
                inner
            } else {
                Arc::new(Relaxed { inner: Some(inner), provider: provider.clone() })
            }
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("ssl_cert_reqs", None, &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &options.certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let chain = certificates("ssl_certfile", certificate)?;
            // As in redis-py, the key may be in the same file.
            let path = options.key.as_deref().unwrap_or(certificate);
            let key = PrivateKeyDer::from_pem_file(path)
                .map_err(|error| unusable("ssl_keyfile", Some(path), &error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable("ssl_certfile", Some(certificate), &error))?
        }
    };
    Ok(Arc::new(config))
}

fn roots(options: &RedisTls) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &options.authorities {
        for certificate in certificates("ssl_ca_certs", path)? {
            roots.add(certificate).map_err(|error| unusable("ssl_ca_certs", Some(path), &error))?;
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(unusable("ssl_ca_certs", None, &"the system has no authorities, and none are named"));
        }
    }
    Ok(roots)
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates = certificates.map_err(|error| unusable(option, Some(path), &error))?;
    if certificates.is_empty() {
        return Err(unusable(option, Some(path), &"it holds no certificate in PEM form"));
    }
    Ok(certificates)
}

fn unusable(option: &'static str, path: Option<&Path>, reason: &dyn std::fmt::Display) -> RedisError {
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    RedisError::TlsFile { option, path: path.into(), reason: reason.to_string().into() }
}

/// What a failed TLS handshake means.
pub(super) fn fault(error: &std::io::Error, endpoint: &Endpoint) -> RedisError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let fault = match inner {
        Some(Error::InvalidCertificate(problem)) => match problem {
            CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsFault::Expired,
            _ => TlsFault::Other,
        },
        Some(Error::InvalidMessage(_)) => TlsFault::PlainServer,
        Some(Error::AlertReceived(
            rustls::AlertDescription::CertificateRequired
            | rustls::AlertDescription::HandshakeFailure
            | rustls::AlertDescription::UnknownCA
            | rustls::AlertDescription::BadCertificate,
        )) => TlsFault::ClientCertificate,
        _ => TlsFault::Other,
    };
    let reason: Arc<str> = match inner {
        Some(inner) => inner.to_string().into(),
        None => error.to_string().into(),
    };
    RedisError::Tls { endpoint: endpoint.clone(), fault, reason }
}

/// A verifier that leaves out the check of the name, or every check of the certificate.
#[derive(Debug)]
struct Relaxed {
    /// Checks everything but the name; `None` checks nothing.
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Relaxed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last, so everything else is in order.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
