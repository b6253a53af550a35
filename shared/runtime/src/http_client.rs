//! What the SDK's HTTP goes through: HTTP/1, and TLS by rustls with `ring`.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// The roots that AWS's own services are certified by: <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// Regions of partitions whose services are certified by others.
const OTHER_PARTITIONS: [&str; 3] = ["cn-", "us-iso", "eu-isoe"];

/// A client that trusts whom the machine trusts.
pub fn http_client() -> SharedHttpClient {
    trusting(TrustStore::default())
}

/// The client of a function that was deployed: it talks to nobody but AWS. To read the hundred and fifty roots of
/// the machine takes longer than all the rest of its start.
pub(crate) fn http_client_of_function() -> SharedHttpClient {
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let is_elsewhere = |(name, value): (String, std::ffi::OsString)| {
        let is_other_region = |region: &str| OTHER_PARTITIONS.iter().any(|prefix| region.starts_with(prefix));
        name.starts_with("AWS_ENDPOINT_URL") || (name == "AWS_REGION" && value.to_str().is_some_and(is_other_region))
    };
    if std::env::var_os("AWS_LAMBDA_FUNCTION_NAME").is_none() || variables.into_iter().any(is_elsewhere) {
        return http_client();
    }
    trusting(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS))
}

fn trusting(roots: TrustStore) -> SharedHttpClient {
    // Fails for no trust store at all, of which there is none here.
    let tls = TlsContext::builder().with_trust_store(roots).build().unwrap_or_default();
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
    SharedHttpClient::new(WhenNeeded(client))
}

/// Reads the roots when there is a first request. The client that it wraps does so for every client of the SDK that
/// is made over it, each time anew.
#[derive(Clone, Debug)]
struct WhenNeeded(SharedHttpClient);

impl HttpClient for WhenNeeded {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_http_client::Connector;

    #[test]
    fn the_roots_of_aws_can_be_read() {
        assert_eq!(AMAZON_ROOTS.windows(10).filter(|window| window == b"-----BEGIN").count(), 5);
        let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
        let tls = TlsContext::builder().with_trust_store(roots).build().expect("a configuration");
        // Panics when one of them is none.
        let _ = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build();
    }
}
