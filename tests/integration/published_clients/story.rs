//! Tells a story: sends what it says, and compares what is answered.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use sundial_model::{JobRunId, RunId, Timestamp};

use crate::harness::{Api, Cloud};

const PATIENCE: Duration = Duration::from_secs(60);

/// A client of some generation.
pub(super) struct Story {
    api: Api,
    headers: Vec<(String, String)>,
    /// What was noted under a name.
    noted: Mutex<BTreeMap<String, String>>,
}

impl Story {
    pub(super) fn new(cloud: &Cloud, document: &Value) -> Self {
        let headers = document["headers"].as_object().unwrap();
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        let base = cloud.api.base.replace("/v1/workspaces/", "/api/v1/workspace/");
        let description = cloud.dev.description();
        let noted = [("workspace", description.workspace_id.to_string()), ("signed", description.s3_url.clone())];
        let noted = noted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { api: Api { base, ..cloud.api.clone() }, headers, noted: Mutex::new(noted) }
    }

    /// Sends a request below the project `shop`.
    pub(super) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let path = format!("/projects/shop{path}");
        let (status, _, answer) = self.api.send_with(method, &path, &headers, body).await;
        (status, answer)
    }

    /// Waits until an answer is as it should be.
    pub(super) async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let (_, answer) = self.send("GET", path, None).await;
            if is_so(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain; {path} is {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn tell(&self, steps: &[Value]) {
        assert!(steps.len() > 10, "it is a whole story");
        for step in steps {
            let what = step["what"].as_str().unwrap();
            let (method, path) = step["send"].as_str().unwrap().split_once(' ').unwrap();
            let path = self.filled(path);
            let wanted = (&step["status"], step.get("answer"));
            let begun = Instant::now();
            loop {
                let body = step.get("body").map(|body| self.filled_in(body));
                let (status, answer) = self.send(method, &path, body).await;
                let difference = self.difference(wanted.0, wanted.1, status, &answer);
                let Some(difference) = difference else { break };
                let waits = step["eventually"] == true && begun.elapsed() < PATIENCE;
                assert!(waits, "{what}: {difference}\n{method} {path} answers {status} {answer:#}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// A text with what was noted in place of names.
    fn filled(&self, text: &str) -> String {
        let noted = self.noted.lock().unwrap();
        noted.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn filled_in(&self, value: &Value) -> Value {
        serde_json::from_str(&self.filled(&value.to_string())).unwrap()
    }

    fn difference(&self, status: &Value, answer: Option<&Value>, found: u16, body: &Value) -> Option<String> {
        if *status != found {
            return Some(format!("the status is {found}, not {status}"));
        }
        match answer {
            None if body.as_str() == Some("") => None,
            None => Some("there is a body".to_owned()),
            Some(answer) => self.compare("", answer, body).err(),
        }
    }

    /// Compares all fields: none is missing, and none is there that is not told of.
    fn compare(&self, place: &str, wanted: &Value, found: &Value) -> Result<(), String> {
        match (wanted, found) {
            (Value::Object(wanted), Value::Object(found)) => self.compare_objects(place, wanted, found),
            (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
                let mut pairs = wanted.iter().zip(found).enumerate();
                pairs.try_for_each(|(index, (wanted, found))| self.compare(&format!("{place}/{index}"), wanted, found))
            }
            (Value::String(pattern), found) if pattern.starts_with('<') => {
                let is_so = self.stands_for(pattern.trim_matches(['<', '>']), found);
                if is_so { Ok(()) } else { Err(format!("{place} is {found}, not {pattern}")) }
            }
            (Value::String(text), found) if found.as_str() == Some(&self.filled(text)) => Ok(()),
            // To their language 2.0 is 2.
            (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => Ok(()),
            (wanted, found) if wanted == found => Ok(()),
            (wanted, found) => Err(format!("{place} is {found}, not {wanted}")),
        }
    }

    fn compare_objects(
        &self,
        place: &str,
        wanted: &Map<String, Value>,
        found: &Map<String, Value>,
    ) -> Result<(), String> {
        if let Some(name) = found.keys().find(|name| !wanted.contains_key(*name)) {
            return Err(format!("{place}/{name} is there"));
        }
        for (name, wanted) in wanted {
            let found = found.get(name).ok_or_else(|| format!("{place}/{name} is missing"))?;
            self.compare(&format!("{place}/{name}"), wanted, found)?;
        }
        Ok(())
    }

    /// Whether a value is of a kind; `kind:name` notes it.
    fn stands_for(&self, pattern: &str, found: &Value) -> bool {
        let (kind, name) = pattern.split_once(':').unwrap_or((pattern, ""));
        let text = found.as_str().unwrap_or_default();
        let is_so = match kind {
            "time" => text.parse::<Timestamp>().is_ok() && text.ends_with('Z'),
            "uuid" => text.parse::<JobRunId>().is_ok(),
            "run" => text.parse::<RunId>().is_ok(),
            "text" => !text.is_empty(),
            "size" => found.as_u64().is_some_and(|size| size > 0),
            "link" => text.starts_with(&self.filled("{signed}")),
            other => panic!("say here what <{other}> stands for"),
        };
        if is_so && !name.is_empty() {
            let noted = self.noted.lock().unwrap().insert(name.to_owned(), text.to_owned());
            return noted.is_none_or(|before| before == text);
        }
        is_so
    }
}
