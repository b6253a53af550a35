//! A server that invokes functions as Lambda does: what a function does is up to the test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What becomes of an invocation.
pub(crate) enum Outcome {
    /// The function returns this.
    Returns(Value),
    /// The function breaks, and Lambda says this of it.
    Breaks(Value),
    /// Lambda refuses it with this status, code and message.
    Refused(u16, &'static str, &'static str),
    /// There is no answer.
    Silence,
    /// This, but only after a while.
    After(Duration, Box<Outcome>),
}

/// An invocation that was received.
#[derive(Clone, Debug)]
pub(crate) struct Invoked {
    pub(crate) function: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) client_context: Value,
    pub(crate) region: String,
    pub(crate) event: Value,
}

type Behaviour = Arc<dyn Fn(&Invoked) -> Outcome + Send + Sync>;

/// The server.
pub(crate) struct Lambda {
    pub(crate) url: String,
    invocations: Arc<Mutex<Vec<Invoked>>>,
}

impl Lambda {
    /// Starts one whose functions do what `behaviour` says.
    pub(crate) async fn start(behaviour: impl Fn(&Invoked) -> Outcome + Send + Sync + 'static) -> Self {
        let invocations = Arc::new(Mutex::default());
        let state: (Behaviour, Arc<Mutex<Vec<Invoked>>>) = (Arc::new(behaviour), Arc::clone(&invocations));
        let path = "/2015-03-31/functions/{function}/invocations";
        let app = Router::new().route(path, post(invoke)).layer(DefaultBodyLimit::disable()).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, invocations }
    }

    /// What was invoked so far.
    pub(crate) fn invocations(&self) -> Vec<Invoked> {
        self.invocations.lock().unwrap().clone()
    }
}

async fn invoke(
    State((behaviour, invocations)): State<(Behaviour, Arc<Mutex<Vec<Invoked>>>)>,
    Path(function): Path<String>,
    Query(mut query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let context = STANDARD.decode(header("x-amz-client-context")).unwrap();
    let invoked = Invoked {
        function,
        qualifier: query.remove("Qualifier"),
        client_context: serde_json::from_slice(&context).unwrap_or_default(),
        // "AWS4-HMAC-SHA256 Credential={key}/{date}/{region}/lambda/aws4_request, …"
        region: header("authorization").split('/').nth(2).unwrap_or_default().to_owned(),
        event: serde_json::from_slice(&body).unwrap(),
    };
    let mut outcome = behaviour(&invoked);
    invocations.lock().unwrap().push(invoked);
    if let Outcome::After(wait, then) = outcome {
        tokio::time::sleep(wait).await;
        outcome = *then;
    }
    match outcome {
        Outcome::After(..) => unreachable!("it waits once"),
        Outcome::Returns(value) => value.to_string().into_response(),
        Outcome::Breaks(value) => ([("x-amz-function-error", "Unhandled")], value.to_string()).into_response(),
        Outcome::Refused(status, code, message) => {
            let headers = [("x-amzn-errortype", code), ("retry-after", "1")];
            (StatusCode::from_u16(status).unwrap(), headers, json!({ "message": message }).to_string()).into_response()
        }
        Outcome::Silence => std::future::pending().await,
    }
}
