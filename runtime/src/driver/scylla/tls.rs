//! TLS: whom we trust, and who we are.
//!
//! The driver asks for a certificate of the node's address, also where the URL has its name, and learns the addresses
//! of most nodes from the cluster. So the names to accept are ours to choose.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use scylla::client::session::TlsContext;

use crate::driver::scylla::answer::NOT_ACCEPTED;
use crate::driver::scylla::url::{Identity, Name, Tls};
use crate::error::{Error, ErrorKind, Result};

/// What the driver needs; files are read now.
pub(crate) fn context(tls: &Tls, hosts: &[String]) -> Result<TlsContext> {
    // Another crate of the program may have chosen another one for the process.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let issuers = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(tls)?), Arc::clone(&provider));
    let issuers = issuers.build().map_err(|error| unusable("tls_ca", &error))?;
    let names = match &tls.name {
        Name::OfNode => Names::OfNode(hosts.iter().filter_map(|host| dns(host.rsplit_once(':')?.0)).collect()),
        Name::Only(name) => {
            let name = ServerName::try_from(name.clone()).map_err(|error| unusable("tls_name", &error))?;
            Names::Only(name)
        }
        Name::Any => Names::Any,
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable("tls", &error))?;
    // The name of rustls says that one may write a bad one; what this one leaves out is `Names::Any`, which was asked for.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier { issuers, names }));
    let config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            let chain = certificates("tls_cert", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("tls_key", key, &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| not_a_pair(&error))?
        }
    };
    Ok(TlsContext::from(Arc::new(config)))
}

fn roots(tls: &Tls) -> Result<RootCertStore> {
    let Some(file) = &tls.ca else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls_ca", file)? {
        roots.add(certificate).map_err(|error| unusable("tls_ca", &error))?;
    }
    Ok(roots)
}

fn certificates(option: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    match read {
        Ok(found) if found.is_empty() => Err(unreadable(option, file, &pem::Error::NoItemsFound)),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(option, file, &error)),
    }
}

fn unreadable(option: &str, file: &Path, error: &pem::Error) -> Error {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound if option == "tls_key" => "it holds no private key".to_owned(),
        pem::Error::NoItemsFound => "it holds no certificate".to_owned(),
        // It would show a line of what may be a key.
        _ => "it is not PEM".to_owned(),
    };
    let message = format!("the file {} of `{option}` in the URL cannot be read: {why}", file.display());
    Error::new(ErrorKind::Refused, message).help("name a PEM file that this process may read")
}

fn unusable(option: &str, error: &dyn std::fmt::Display) -> Error {
    let message = format!("what `{option}` in the URL names cannot be used for TLS: {error}");
    Error::new(ErrorKind::Refused, message).help("correct it")
}

fn not_a_pair(error: &TlsError) -> Error {
    let message = format!("`tls_cert` and `tls_key` in the URL cannot be used together: {error}");
    Error::new(ErrorKind::Refused, message).help("name the key that the certificate was made with")
}

fn dns(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok().filter(|name| matches!(name, ServerName::DnsName(_)))
}

/// Names of which a certificate must have one.
#[derive(Debug)]
enum Names {
    /// The node's address, or one of the names by which the URL calls nodes of this cluster.
    OfNode(Vec<ServerName<'static>>),
    Only(ServerName<'static>),
    Any,
}

/// The issuers by rustls, the names by ourselves.
#[derive(Debug)]
struct Verifier {
    issuers: Arc<WebPkiServerVerifier>,
    names: Names,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        address: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verify = |name: &ServerName<'_>| self.issuers.verify_server_cert(certificate, chain, name, ocsp, now);
        let by_address = match &self.names {
            Names::Only(name) => return verify(name),
            Names::OfNode(_) | Names::Any => verify(address),
        };
        // The name is looked at last: all else is right.
        match (&self.names, by_address) {
            (Names::Any, Err(error)) if is_name(&error) => Ok(ServerCertVerified::assertion()),
            (Names::OfNode(names), Err(error)) if is_name(&error) => {
                names.iter().find_map(|name| verify(name).ok()).ok_or(error)
            }
            (_, verified) => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.issuers.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.issuers.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issuers.supported_verify_schemes()
    }
}

fn is_name(error: &TlsError) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, TlsError::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

/// What is wrong, and what to do, where TLS itself failed.
pub(crate) fn refusal(error: &io::Error) -> Option<(&'static str, &'static str)> {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext, UnknownIssuer};
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Some(NO_TLS);
    }
    let error = error.get_ref()?.downcast_ref::<TlsError>()?;
    Some(match error {
        error if is_name(error) => (
            "the certificate of the server is for another name",
            "name the one that it has in the URL, `tls_name=NAME`, or `tls_name=*` where each certificate of this \
             authority may be a node's",
        ),
        TlsError::InvalidCertificate(UnknownIssuer) => (
            "the certificate of the server comes from nobody that we trust",
            "name the certificate of the authority that issued it in the URL: `tls_ca=/path/ca.pem`",
        ),
        TlsError::InvalidCertificate(Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }) => (
            "the certificate of the server is not valid at this time",
            "renew it, or correct the clock of this machine",
        ),
        TlsError::InvalidCertificate(_) => (
            "the certificate of the server is not valid",
            "have another one issued, for servers, by the authority that `tls_ca` in the URL names",
        ),
        TlsError::AlertReceived(_) => NOT_ACCEPTED,
        TlsError::InvalidMessage(_) => NO_TLS,
        _ => ("TLS to the server failed", "compare the settings of TLS, here and there"),
    })
}

const NO_TLS: (&str, &str) = (
    "the server does not speak TLS on this port",
    "take its port for TLS, or switch TLS on there (`client_encryption_options`); only without `tls=on` does the \
     connection do without",
);
