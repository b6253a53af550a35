//! The clients of a function: built once, at cold start, and lent to each call.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{SharedCredentialsProvider, SharedHttpClient};
use sundial_outbound::{AnswerMemory, FunctionCaller, OutboundClient, OwnRole, ResultsBucket};
use sundial_store::{RETENTION_DEFAULT, Store, Table};

use crate::bus::EventBus;
use crate::clock::Clock;
use crate::http_client::{http_client, http_client_of_function};
use crate::settings::Settings;

/// Everything that a function reaches the world through.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The settings they were made from.
    pub settings: Settings,
    /// What time it is.
    pub clock: Clock,
    /// The table.
    pub store: Store,
    /// The bus.
    pub bus: EventBus,
    /// The results bucket.
    pub results: ResultsBucket,
    /// Targets and sinks.
    pub outbound: OutboundClient,
    /// Sundial's own role, for sinks without keys; a simulation has none.
    pub own_role: Option<OwnRole>,
}

/// Clients of the SDK.
#[derive(Clone, Debug)]
pub struct SdkClients {
    /// The table.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The results bucket, and sinks that Sundial's own role writes.
    pub s3: aws_sdk_s3::Client,
    /// The bus.
    pub eventbridge: aws_sdk_eventbridge::Client,
    /// Targets that are functions.
    pub lambda: aws_sdk_lambda::Client,
}

/// The store over the table `name` in AWS, for a command that needs nothing else; `None` when
/// neither the environment nor a profile names a region.
pub async fn store_in_aws(name: &str) -> Option<Store> {
    let defaults = aws_config::defaults(BehaviorVersion::latest());
    let configuration = defaults.http_client(http_client()).timeout_config(timeouts()).load().await;
    configuration.region()?;
    let client = aws_sdk_dynamodb::Client::new(&configuration);
    Some(Store::new(Table::new(client, name), RETENTION_DEFAULT))
}

/// How long a call of the SDK may take: well below a worker's lease, tries included.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(8))
        .operation_timeout(Duration::from_secs(25))
        .build()
}

impl Clients {
    /// The clients of a function, as its environment says: its role's keys and its region, which Lambda gives it, and
    /// the endpoints of an emulator, if there is one. What the SDK would look through besides, such as profiles and the
    /// metadata of a machine, is no part of a function.
    pub fn of_function(settings: Settings) -> Self {
        let http_client = http_client_of_function();
        let at = |endpoint: Option<String>| {
            let mut configuration = SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(std::env::var("AWS_REGION").ok().map(Region::new))
                .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
                .http_client(http_client.clone())
                .use_fips(is_set("AWS_USE_FIPS_ENDPOINT"))
                .use_dual_stack(is_set("AWS_USE_DUALSTACK_ENDPOINT"))
                .timeout_config(timeouts());
            configuration.set_endpoint_url(endpoint);
            configuration.build()
        };
        let s3_endpoint = endpoint_of("S3");
        // An own endpoint is an emulator's, which has its buckets in the path.
        let has_own_s3 = s3_endpoint.is_some();
        let s3 = aws_sdk_s3::config::Builder::from(&at(s3_endpoint)).force_path_style(has_own_s3).build();
        let clients = SdkClients {
            dynamodb: aws_sdk_dynamodb::Client::new(&at(endpoint_of("DYNAMODB"))),
            s3: aws_sdk_s3::Client::from_conf(s3),
            eventbridge: aws_sdk_eventbridge::Client::new(&at(endpoint_of("EVENTBRIDGE"))),
            lambda: aws_sdk_lambda::Client::new(&at(endpoint_of("LAMBDA"))),
        };
        Self::assemble(settings, clients, http_client)
    }

    /// The clients over given clients of the SDK, and what their HTTP goes through.
    pub fn assemble(
        settings: Settings,
        SdkClients { dynamodb, s3, eventbridge, lambda }: SdkClients,
        http_client: SharedHttpClient,
    ) -> Self {
        let functions = FunctionCaller::new(lambda, http_client, settings.target_functions.clone());
        let outbound = OutboundClient::new(settings.address_guard(), AnswerMemory::default());
        Self {
            clock: Clock::default(),
            store: Store::new(Table::new(dynamodb, &settings.table), settings.retention),
            bus: EventBus::new(eventbridge, &settings.bus),
            own_role: Some(OwnRole::new(s3.clone())),
            results: ResultsBucket::new(s3, &settings.results_bucket),
            outbound: outbound.invoking(functions),
            settings,
        }
    }
}

/// Whether a variable of the SDK's says so, by its rules.
fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Where a service is, if not at AWS: the variables that all SDKs have for it.
fn endpoint_of(service: &str) -> Option<String> {
    let of_service = std::env::var(format!("AWS_ENDPOINT_URL_{service}"));
    of_service.or_else(|_| std::env::var("AWS_ENDPOINT_URL")).ok().filter(|url| !url.is_empty())
}
