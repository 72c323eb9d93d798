//! How this process, as an operator's client, reaches another server: by HTTP/1.1, with TLS where the URL says so.
//!
//! Rules have a client of their own, which checks every address (`vestibule_engine::http`); what an operator names is trusted.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// A client whose requests have whole bodies.
pub type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts what this machine trusts or, where they are set, only what `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
///
/// # Errors
/// None that can happen: the protocol versions are the library's own.
pub fn client() -> Result<HttpsClient, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
