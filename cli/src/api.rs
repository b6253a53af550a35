//! The HTTP API, as any of its users would call it.

use serde_json::Value;
use sundial_devstack::DevDescription;

/// The API below one project.
pub(crate) struct Api {
    client: reqwest::Client,
    base: String,
    key: String,
}

impl Api {
    /// Below the project that the embedded cloud begins with.
    pub(crate) fn new(description: &DevDescription) -> Self {
        Self::of_project(description, &description.project_name)
    }

    /// Below the project `name`, which need not be there yet.
    pub(crate) fn of_project(description: &DevDescription, name: &str) -> Self {
        sundial_outbound::client::install_tls_provider();
        let DevDescription { api_url, workspace_id, api_key, .. } = description;
        Self {
            client: reqwest::Client::new(),
            base: format!("{api_url}/v1/workspaces/{workspace_id}/projects/{name}"),
            key: api_key.clone(),
        }
    }

    /// Makes the project, or changes it.
    pub(crate) async fn put_project(&self, body: &Value) -> Result<Value, String> {
        self.send(self.client.put(&self.base).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        self.send(self.client.get(format!("{}/{path}", self.base))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.send(self.client.post(format!("{}/{path}", self.base)).json(body)).await
    }

    /// Posts JSON Lines.
    pub(crate) async fn post_lines(&self, path: &str, lines: String) -> Result<Value, String> {
        let request = self.client.post(format!("{}/{path}", self.base));
        self.send(request.header("content-type", "application/x-ndjson").body(lines)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let answer = request.header("x-api-key", &self.key).send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(body) } else { Err(format!("the API answered {status}: {body}")) }
    }
}
