//! TLS towards providers: rustls on ring, the public roots, and what the operator adds.
//!
//! HTTP/1.1 is the only protocol offered, so no peer can talk us into another.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Why extra root certificates are not usable.
#[derive(Debug, thiserror::Error)]
pub enum BadRoots {
    #[error(
        "the extra root certificates are no PEM text; concatenate files that begin with `-----BEGIN CERTIFICATE-----`"
    )]
    NotPem,
    #[error(
        "the extra root certificates contain no certificate; concatenate files that begin with `-----BEGIN CERTIFICATE-----`"
    )]
    None,
    #[error("extra root certificate number {number} is not usable: {source}")]
    Unusable { number: usize, source: rustls::Error },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The settings of every TLS connection out: made once, shared by all workers.
#[derive(Clone, Debug)]
pub struct Tls(pub(crate) Arc<ClientConfig>);

impl Tls {
    /// The public roots, and those of `extra_roots_pem` beside them.
    ///
    /// # Errors
    /// If the extra roots are not usable.
    pub fn new(extra_roots_pem: Option<&[u8]>) -> Result<Self, BadRoots> {
        config(extra_roots_pem).map(Self)
    }
}

fn config(extra_roots_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, BadRoots> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_roots_pem {
        let public = roots.len();
        for (at, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let certificate = certificate.map_err(|_| BadRoots::NotPem)?;
            roots.add(certificate).map_err(|source| BadRoots::Unusable { number: at + 1, source })?;
        }
        if roots.len() == public {
            return Err(BadRoots::None);
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_roots_are_taken_or_refused_with_the_reason() {
        let good = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap().cert.pem();
        let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (pem, expected) in [
            (Some(good.clone()), None),
            (Some(format!("{good}{good}")), None),
            (None, None),
            (Some("no pem".to_owned()), Some("contain no certificate")),
            (Some("-----BEGIN CERTIFICATE-----\n!".to_owned()), Some("no PEM text")),
            (Some(format!("{good}{hollow}")), Some("number 2 is not usable")),
        ] {
            let seen = config(pem.as_deref().map(str::as_bytes));
            match (seen, expected) {
                (Ok(config), None) => assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]),
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
                (seen, expected) => panic!("{expected:?} was expected, {:?} came", seen.map(|_| ())),
            }
        }
    }
}
