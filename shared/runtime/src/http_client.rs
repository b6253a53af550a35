//! What the SDK's HTTP goes through: HTTP/1, and TLS by rustls with `ring`.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// The roots that AWS's own services are certified by: <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// How regions begin whose services are certified by Amazon's own roots. Those of partitions apart are not: China, the
/// isolated ones (`us-iso…`, `eu-iso…`), and the sovereign one (`eusc-`).
const CERTIFIED_BY_AMAZON: [&str; 9] = ["af-", "ap-", "ca-", "eu-", "il-", "me-", "mx-", "sa-", "us-"];

/// A client that trusts whom the machine trusts.
pub fn http_client() -> SharedHttpClient {
    trusting(TrustStore::default())
}

/// The client of a function that was deployed: it talks to nobody but AWS. To read the hundred and fifty roots of
/// the machine takes longer than all the rest of its start.
pub(crate) fn http_client_of_function() -> SharedHttpClient {
    let is_deployed = std::env::var_os("AWS_LAMBDA_FUNCTION_NAME").is_some();
    let has_emulator = std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("AWS_ENDPOINT_URL"));
    if is_deployed && !has_emulator && std::env::var("AWS_REGION").is_ok_and(|region| is_certified_by_amazon(&region)) {
        trusting(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS))
    } else {
        http_client()
    }
}

fn is_certified_by_amazon(region: &str) -> bool {
    CERTIFIED_BY_AMAZON.iter().any(|prefix| region.starts_with(prefix)) && !region.contains("-iso")
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
    fn regions_apart_have_roots_of_their_own() {
        for region in ["us-east-1", "eu-central-1", "us-gov-west-1", "mx-central-1"] {
            assert!(is_certified_by_amazon(region), "{region}");
        }
        for region in ["cn-north-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1", ""] {
            assert!(!is_certified_by_amazon(region), "{region}");
        }
    }

    #[test]
    fn the_roots_of_aws_can_be_read() {
        assert_eq!(AMAZON_ROOTS.windows(10).filter(|window| window == b"-----BEGIN").count(), 5);
        let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
        let tls = TlsContext::builder().with_trust_store(roots).build().expect("a configuration");
        // Panics when one of them is none.
        let _ = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build();
    }
}
