//! Clients over a cloud that runs in this process or another: all that differs from AWS is where.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sundial_outbound::{FunctionCaller, ResultsBucket, TargetFunctions};
use sundial_runtime::EventBus;
use sundial_runtime::clients::timeouts;
use sundial_runtime::http_client;
use sundial_runtime::{Clients, SdkClients, Settings, SinkBuckets};
use sundial_store::{RETENTION_DEFAULT, Store, Table};

use crate::data_folder::DevDescription;
use crate::external_dynamodb::ExternalDynamoDb;
use crate::usage::UsageCounter;
use crate::usage_interceptor::UsageInterceptor;

/// This machine, as its own servers see it.
pub fn loopback_ranges() -> Vec<IpNet> {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    let v6 = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
    vec![v4.into(), v6.into()]
}

/// Functions that may be targets: there is no Lambda in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachableFunctions {
    /// Where they are invoked: an emulator such as `cargo lambda watch` or `sam local start-lambda`.
    pub url: String,
    /// Which ones may be invoked.
    pub allowed: TargetFunctions,
}

impl Default for ReachableFunctions {
    /// None, at the port that `cargo lambda watch` has.
    fn default() -> Self {
        Self { url: "http://127.0.0.1:9000".to_owned(), allowed: TargetFunctions::default() }
    }
}

/// The clients of the functions, and those below them.
#[derive(Clone, Debug)]
pub struct Connection {
    /// As the functions have them.
    pub clients: Clients,
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    lambda: aws_sdk_lambda::Client,
    http_client: SharedHttpClient,
}

impl Connection {
    /// Clients over what `description` describes, whose workers have leases of this length, and may call
    /// this machine.
    pub fn open(description: &DevDescription, lease: Duration) -> Self {
        Self::allowing(
            description,
            lease,
            loopback_ranges(),
            SinkBuckets::default(),
            ReachableFunctions::default(),
            None,
        )
    }

    /// The same, where other ranges may be called than the public ones and these, the own role may write to
    /// these buckets, these functions may be invoked, and DynamoDB may be an external one.
    pub fn allowing(
        description: &DevDescription,
        lease: Duration,
        allowed_cidrs: Vec<IpNet>,
        sink_buckets: SinkBuckets,
        functions: ReachableFunctions,
        external_dynamodb: Option<&ExternalDynamoDb>,
    ) -> Self {
        let settings = Settings {
            table: description.table_name.clone(),
            bus: description.bus_name.clone(),
            results_bucket: description.results_bucket.clone(),
            retention: RETENTION_DEFAULT,
            lease,
            allowed_cidrs,
            sink_buckets,
            target_functions: functions.allowed,
        };
        let credentials =
            Credentials::new(&description.access_key_id, &description.secret_access_key, None, None, "dev.json");
        let http_client = http_client();
        let at = |url: &str| {
            SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(description.region.clone()))
                .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
                .http_client(http_client.clone())
                .timeout_config(timeouts())
                .endpoint_url(url)
                .build()
        };
        let s3 = aws_sdk_s3::config::Builder::from(&at(&description.s3_url)).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let dynamodb = match external_dynamodb {
            Some(external) => external.client(),
            None => aws_sdk_dynamodb::Client::new(&at(&description.dynamodb_url)),
        };
        let eventbridge = aws_sdk_eventbridge::Client::new(&at(&description.events_url));
        let lambda = aws_sdk_lambda::Client::new(&at(&functions.url));
        let (functions, http) = (lambda.clone(), http_client.clone());
        let sdk = SdkClients { dynamodb: dynamodb.clone(), s3: s3.clone(), eventbridge: eventbridge.clone(), lambda };
        let clients = Clients::assemble(settings, sdk, http_client);
        Self { clients, dynamodb, s3, eventbridge, lambda: functions, http_client: http }
    }

    /// Clients for a function whose calls are counted.
    pub(crate) fn counted(&self, counter: &UsageCounter, function: &'static str) -> Clients {
        let counted = || UsageInterceptor { counter: counter.clone(), function };
        let dynamodb = self.dynamodb.config().to_builder().interceptor(counted()).build();
        let s3 = self.s3.config().to_builder().interceptor(counted()).build();
        let eventbridge = self.eventbridge.config().to_builder().interceptor(counted()).build();
        let lambda =
            aws_sdk_lambda::Client::from_conf(self.lambda.config().to_builder().interceptor(counted()).build());
        let settings = &self.clients.settings;
        let functions = FunctionCaller::new(lambda, self.http_client.clone(), settings.target_functions.clone());
        let table = Table::new(aws_sdk_dynamodb::Client::from_conf(dynamodb), &settings.table);
        Clients {
            store: Store::new(table, settings.retention),
            bus: EventBus::new(aws_sdk_eventbridge::Client::from_conf(eventbridge), &settings.bus),
            outbound: self.clients.outbound.clone().invoking(functions),
            results: ResultsBucket::new(aws_sdk_s3::Client::from_conf(s3), &settings.results_bucket),
            ..self.clients.clone()
        }
    }
}
