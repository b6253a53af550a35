//! Starting the embedded cloud, part by part.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use ipnet::IpNet;
use sundial_model::WorkspaceId;
use sundial_model::secret::{SecretText, SecretValues};
use sundial_model::sink::BucketName;
use sundial_model::target::FunctionArn;
use sundial_outbound::ResultsBucket;
use sundial_outbound::signature::new_secret;
use sundial_runtime::{Clients, SinkBuckets, clock};
use sundial_store::{DynamoDb, SigningSecrets};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::connection::{Connection, ReachableFunctions};
use crate::data_folder::{DataFolder, DevDescription};
use crate::demo_services::{self, Seen, TARGET_PATH};
use crate::event_bus::Receiver;
use crate::external_dynamodb::ExternalDynamoDb;
use crate::function_host::FunctionHost;
use crate::{DevError, api_gateway, event_bus, storage, usage};

/// What of the cloud runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All of it; the bus appends what no function takes to `events.jsonl`.
    Whole,
    /// DynamoDB, S3, and a bus that appends all of it there: no timer and no functions.
    StorageOnly,
}

/// How to start the embedded cloud.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// The API's port; the next three are those of DynamoDB, S3 and the bus. 0 takes any four.
    pub port: u16,
    /// Where everything is kept.
    pub data_folder: PathBuf,
    /// What of it runs.
    pub mode: Mode,
    /// How long a worker's lease lasts.
    pub lease: Duration,
    /// Ranges that may be called though they are not public; as a rule, [`loopback_ranges`](crate::loopback_ranges).
    pub allowed_cidrs: Vec<IpNet>,
    /// Buckets that Sundial's own role may write as sinks of the workspace that is made here; they are made, too.
    pub own_sink_buckets: Vec<BucketName>,
    /// The same for other workspaces.
    pub sink_buckets: SinkBuckets,
    /// Functions that may be targets of the workspace that is made here.
    pub own_target_functions: Vec<FunctionArn>,
    /// The same for other workspaces, and where all of them are.
    pub target_functions: ReachableFunctions,
    /// Another DynamoDB than the embedded one, whose port is then silent.
    pub external_dynamodb: Option<ExternalDynamoDb>,
}

/// The embedded cloud, running until the process ends.
pub struct DevCloud {
    description: DevDescription,
    connection: Connection,
    seen: Seen,
    _folder: DataFolder,
}

const REGION: &str = "us-east-1";
const TABLE: &str = "sundial";
const BUS: &str = "sundial";
const RESULTS_BUCKET: &str = "sundial-results";
const PROJECT: &str = "demo";

impl DevCloud {
    /// Starts it, and answers when it is ready.
    ///
    /// # Errors
    /// When the folder is in use, a port is taken, or something on the disk cannot be read.
    pub async fn start(options: DevOptions) -> Result<Self, DevError> {
        let folder = DataFolder::take(&options.data_folder)?;
        let ports = Ports::bind(options.port).await?;
        let mut description = ports.describe(folder.description())?;
        let external = options.external_dynamodb.as_ref();
        match external {
            Some(external) => {
                description.dynamodb_url.clone_from(&external.url);
                description.table_name.clone_from(&external.table);
            }
            None => storage::serve_dynamodb(ports.dynamodb, &folder.join("dynamodb.sqlite"))?,
        }
        let (key_id, secret) = (description.access_key_id.as_str(), description.secret_access_key.as_str());
        storage::serve_s3(ports.s3, &folder.join("s3"), key_id, secret)?;
        let mut sink_buckets = options.sink_buckets;
        for bucket in &options.own_sink_buckets {
            sink_buckets.allow(description.workspace_id, bucket);
        }
        let mut functions = options.target_functions;
        for function in options.own_target_functions {
            functions.allowed.allow(description.workspace_id, function);
        }
        let (lease, allowed_cidrs) = (options.lease, options.allowed_cidrs);
        let connection = Connection::allowing(&description, lease, allowed_cidrs, sink_buckets, functions, external);
        let clients = connection.clients.clone();
        let table = DynamoDb::new(connection.dynamodb.clone(), &description.table_name);
        table.create_if_missing().await.map_err(|error| DevError::while_doing("making the table", error))?;
        prepare(&clients, &mut description).await?;
        for bucket in &options.own_sink_buckets {
            let made = ResultsBucket::new(connection.s3.clone(), bucket.as_str()).create_if_missing().await;
            made.map_err(|error| DevError::while_doing("making a bucket", error))?;
        }
        let seen = Seen::default();
        let file = folder.join("events.jsonl");
        match options.mode {
            Mode::StorageOnly => event_bus::serve(ports.events, Receiver { functions: None, file }, REGION),
            Mode::Whole => {
                let host = FunctionHost::new(&connection);
                let functions = Some(Box::new(host.clone()));
                event_bus::serve(ports.events, Receiver { functions, file }, REGION);
                let app = demo_services::router(seen.clone());
                let app = app.merge(usage::router(host.usage.clone())).merge(api_gateway::router(host.clone()));
                tokio::spawn(async move { axum::serve(ports.api, app).await });
                event_bus::start_timer(host, REGION);
            }
        }
        folder.describe(&description)?;
        Ok(Self { description, connection, seen, _folder: folder })
    }

    /// Where everything is.
    pub fn description(&self) -> &DevDescription {
        &self.description
    }

    /// Clients over it, as the functions have them.
    pub fn clients(&self) -> &Clients {
        &self.connection.clients
    }

    /// A client of its DynamoDB.
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        &self.connection.dynamodb
    }

    /// Makes a bucket to deliver to.
    ///
    /// # Errors
    /// When S3 refuses it.
    pub async fn make_bucket(&self, name: &str) -> Result<(), DevError> {
        let made = self.connection.s3.create_bucket().bucket(name).send().await;
        made.map(drop).map_err(|error| DevError::while_doing("making a bucket", DisplayErrorContext(error)))
    }

    /// The keys of a bucket's objects.
    ///
    /// # Errors
    /// When S3 refuses it.
    pub async fn objects(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, DevError> {
        let mut pages = self.connection.s3.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| DevError::while_doing("listing a bucket", DisplayErrorContext(error)))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }

    /// What the target and the receiver have seen that are there to try things out with.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// The listeners of all parts.
struct Ports {
    api: TcpListener,
    dynamodb: TcpListener,
    s3: TcpListener,
    events: TcpListener,
}

impl Ports {
    async fn bind(first: u16) -> Result<Self, DevError> {
        let bind = async |offset: u16| {
            let port = if first == 0 { 0 } else { first.saturating_add(offset) };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            TcpListener::bind(address)
                .await
                .map_err(|error| DevError::while_doing(format!("listening on {address}"), error))
        };
        Ok(Self { api: bind(0).await?, dynamodb: bind(1).await?, s3: bind(2).await?, events: bind(3).await? })
    }

    /// Keys stay the same from start to start.
    fn describe(&self, before: Option<DevDescription>) -> Result<DevDescription, DevError> {
        let url = |listener: &TcpListener| {
            let address = listener.local_addr().map_err(|error| DevError::while_doing("reading a port", error))?;
            Ok(format!("http://{address}"))
        };
        let (workspace_id, api_key, secret_access_key) = match before {
            Some(before) => (before.workspace_id, before.api_key, before.secret_access_key),
            None => (WorkspaceId::new(), String::new(), Uuid::new_v4().simple().to_string()),
        };
        Ok(DevDescription {
            api_url: url(&self.api)?,
            workspace_id,
            project_name: PROJECT.to_owned(),
            api_key,
            dynamodb_url: url(&self.dynamodb)?,
            s3_url: url(&self.s3)?,
            events_url: url(&self.events)?,
            table_name: TABLE.to_owned(),
            bus_name: BUS.to_owned(),
            results_bucket: RESULTS_BUCKET.to_owned(),
            access_key_id: "sundial-dev".to_owned(),
            secret_access_key,
            region: REGION.to_owned(),
        })
    }
}

/// Makes bucket, workspace and project, as far as they are missing.
async fn prepare(clients: &Clients, description: &mut DevDescription) -> Result<(), DevError> {
    let doing = |what: &'static str| move |error: sundial_store::StoreError| DevError::while_doing(what, error);
    let made = clients.results.create_if_missing().await;
    made.map_err(|error| DevError::while_doing("making the bucket", error))?;
    let known = clients.store.verify_api_key(&description.api_key).await.map_err(doing("looking at the API key"))?;
    if known.is_none() {
        let created = clients.store.create_api_key(description.workspace_id, None, clock::now()).await;
        description.api_key = created.map_err(doing("making an API key"))?.api_key;
    }
    prepare_project(clients, description).await
}

async fn prepare_project(clients: &Clients, description: &DevDescription) -> Result<(), DevError> {
    let doing = |error: sundial_store::StoreError| DevError::while_doing("making the project", error);
    let bad = |error: String| DevError::while_doing("making the project", error);
    let name = description.project_name.parse().map_err(bad)?;
    let base_url = format!("{}{TARGET_PATH}", description.api_url);
    let target = serde_json::json!({ "type": "http", "baseUrl": base_url });
    let target = serde_json::from_value(target).map_err(|error| bad(error.to_string()))?;
    let store = &clients.store;
    match store.project(description.workspace_id, &name).await.map_err(doing)? {
        Some(project) if project.target == target || !is_ours(&project.target) => Ok(()),
        Some(project) => {
            // The port has changed since the last start.
            let secrets = store.secret_values(Some(project.secrets)).await.map_err(doing)?;
            store.update_project(&project, target, &secrets, clock::now()).await.map_err(doing).map(drop)
        }
        None => {
            let secrets = SecretValues::default();
            let signing = SigningSecrets::new(SecretText::new(new_secret()), SecretText::new(new_secret()));
            let workspace = description.workspace_id;
            let created = store.create_project(workspace, name, target, &secrets, &signing, clock::now()).await;
            created.map_err(doing).map(drop)
        }
    }
}

/// Whether the target is the one that was made for the user, at whatever port.
fn is_ours(target: &sundial_model::target::Target) -> bool {
    let sundial_model::target::Target::Http { base_url, .. } = target else { return false };
    base_url.as_str().starts_with("http://127.0.0.1:") && base_url.as_str().ends_with(TARGET_PATH)
}
