//! Which certificates are trusted.

use crate::*;
use antiphon_provider::{TlsVerification, UnreachableCause};
use std::io::Write;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// An HTTPS server on localhost with a certificate of its own; returns the base URL and the certificate as PEM.
async fn https() -> (String, String) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                    let body = r#"{"choices":[]}"#;
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
                    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    (format!("https://localhost:{port}/v1"), own.cert.pem())
}

fn trusting(tls: TlsVerification, base: &str) -> Providers {
    with_options(ProviderOptions { tls, ..ProviderOptions::default() }, base)
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_and_the_variable_is_named() {
    let (base, _) = https().await;
    let error = chat(&trusting(TlsVerification::System, &base), "m", false).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreachable { cause: UnreachableCause::Tls, .. }), "{error:?}");
    assert!(error.operator_message().contains("AIOHTTP_CLIENT_SESSION_SSL"), "{error}");
}

#[tokio::test]
async fn the_certificates_of_a_file_are_trusted_and_no_others() {
    let ((base, certificate), (other, _)) = (https().await, https().await);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.as_bytes()).unwrap();
    let trust = TlsVerification::CaFile(file.path().to_owned());
    chat(&trusting(trust.clone(), &base), "m", false).await.unwrap();
    let error = chat(&trusting(trust, &other), "m", false).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreachable { cause: UnreachableCause::Tls, .. }), "{error:?}");
}

#[tokio::test]
async fn verification_can_be_switched_off() {
    let (base, _) = https().await;
    chat(&trusting(TlsVerification::Off, &base), "m", false).await.unwrap();
}
