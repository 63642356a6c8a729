//! Whom an encrypted connection is made to.

use std::sync::{Arc, OnceLock};

use flowforge_core::node::NodeError;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::target::{Target, Tls};
use crate::params::invalid;

/// What a connection uses. A network that the operator has named is trusted with `prefer` when the author does not choose.
pub(super) fn chosen(target: &Target, is_trusted: bool) -> Tls {
    target.tls.unwrap_or(if is_trusted { Tls::Prefer } else { Tls::Require })
}

pub(super) fn mode(tls: Tls) -> SslMode {
    match tls {
        Tls::Require => SslMode::Require,
        Tls::Prefer => SslMode::Prefer,
        Tls::Disable => SslMode::Disable,
    }
}

/// Checks certificates as the HTTP client does, by the system's roots, or by the author's own alone. `prefer` without own
/// roots checks none: where no encryption at all would do, a certificate that nobody has signed does too.
pub(super) fn connector(tls: Tls, roots: Option<&str>) -> Result<MakeRustlsConnect, NodeError> {
    let provider = Arc::new(ring::default_provider());
    let unusable = |fault: Error| NodeError::fatal("POSTGRES_TLS", format!("no encrypted connection can be made: {fault}"));
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(unusable)?;
    let config = match (roots, tls) {
        (Some(pem), _) => builder.with_root_certificates(own(pem)?).with_no_client_auth(),
        (None, Tls::Require) => {
            let system = system(provider).map_err(unusable)?;
            builder.dangerous().with_custom_certificate_verifier(system).with_no_client_auth()
        }
        (None, Tls::Prefer | Tls::Disable) => {
            let anyone = Arc::new(Anyone(provider));
            builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The system's roots, read once.
fn system(provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, Error> {
    static SYSTEM: OnceLock<Arc<Verifier>> = OnceLock::new();
    match SYSTEM.get() {
        Some(known) => Ok(known.clone()),
        None => Verifier::new(provider).map(|read| SYSTEM.get_or_init(|| Arc::new(read)).clone()),
    }
}

fn own(pem: &str) -> Result<RootCertStore, NodeError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(|| invalid("`ca_certificate` holds a certificate that cannot be read"))?;
    }
    if roots.is_empty() { Err(invalid("`ca_certificate` must be a certificate in PEM form")) } else { Ok(roots) }
}

/// Takes every certificate, but still wants proof of its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
