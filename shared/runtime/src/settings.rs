//! The settings of a deployment, read from the environment in this one place.

use std::time::Duration;

use ipnet::IpNet;
use sundial_model::WorkspaceId;
use sundial_model::sink::BucketName;
use sundial_outbound::{AddressGuard, TargetFunctions};

use crate::sink_buckets::SinkBuckets;

/// The settings that all functions share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `SUNDIAL_TABLE`: the DynamoDB table.
    pub table: String,
    /// `SUNDIAL_BUS`: the EventBridge bus.
    pub bus: String,
    /// `SUNDIAL_RESULTS_BUCKET`: the S3 bucket for large results.
    pub results_bucket: String,
    /// `SUNDIAL_RETENTION_DAYS`: how long history stays, 1 to 3650, default 90.
    pub retention: Duration,
    /// `SUNDIAL_LEASE_SECONDS`: how long a worker's lease lasts, 2 to 300, default 45.
    pub lease: Duration,
    /// `SUNDIAL_ALLOWED_CIDRS`: ranges that may be called though they are not public, comma separated.
    pub allowed_cidrs: Vec<IpNet>,
    /// `SUNDIAL_SINK_BUCKETS`: which buckets Sundial's own role may write as sinks of which workspaces, pairs
    /// `workspaceId=bucket` separated by commas.
    pub sink_buckets: SinkBuckets,
    /// `SUNDIAL_TARGET_FUNCTIONS`: which Lambda functions may be targets of which workspaces, pairs
    /// `workspaceId=functionArn` separated by commas.
    pub target_functions: TargetFunctions,
}

/// A variable of the environment is missing or wrong.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct SettingsError {
    variable: &'static str,
    problem: String,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// Names the first variable that is missing or wrong.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::from_variables(|variable| std::env::var(variable).ok())
    }

    /// Reads how long a lease lasts, which a laptop may change, too.
    ///
    /// # Errors
    /// When it is out of bounds.
    pub fn lease_from_environment() -> Result<Duration, SettingsError> {
        let read = |variable: &'static str| std::env::var(variable).ok();
        Ok(Duration::from_secs(number(read, LEASE, 45, 2, 300)?))
    }

    /// Reads which ranges may be called, to which a laptop adds its own.
    ///
    /// # Errors
    /// When something in it is no range.
    pub fn allowed_cidrs_from_environment() -> Result<Vec<IpNet>, SettingsError> {
        cidrs(|variable| std::env::var(variable).ok())
    }

    /// Reads which buckets Sundial's own role may write, to which a laptop adds its own.
    ///
    /// # Errors
    /// When something in it is no pair.
    pub fn sink_buckets_from_environment() -> Result<SinkBuckets, SettingsError> {
        sink_buckets(|variable| std::env::var(variable).ok())
    }

    /// Reads which functions may be targets, to which a laptop adds its own.
    ///
    /// # Errors
    /// When something in it is no pair.
    pub fn target_functions_from_environment() -> Result<TargetFunctions, SettingsError> {
        target_functions(|variable| std::env::var(variable).ok())
    }

    /// Whether Sundial's own role may write to a bucket for a workspace; its own bucket never.
    pub fn may_write(&self, workspace: WorkspaceId, bucket: &BucketName) -> bool {
        bucket.as_str() != self.results_bucket && self.sink_buckets.allows(workspace, bucket)
    }

    /// Decides which addresses may be called: the same when they are saved and when they are called.
    pub fn address_guard(&self) -> AddressGuard {
        AddressGuard::allowing(self.allowed_cidrs.clone())
    }

    /// Reads them from somewhere else, such as a test.
    ///
    /// # Errors
    /// As [`Settings::from_environment`].
    pub fn from_variables(read: impl Fn(&'static str) -> Option<String>) -> Result<Self, SettingsError> {
        let required = |variable| {
            let value = read(variable).filter(|value| !value.is_empty());
            value.ok_or_else(|| SettingsError { variable, problem: "must be set".to_owned() })
        };
        let (results_bucket, sink_buckets) = (required("SUNDIAL_RESULTS_BUCKET")?, sink_buckets(&read)?);
        if sink_buckets.names(&results_bucket) {
            let problem = format!("must not name Sundial's own bucket, {results_bucket}");
            return Err(SettingsError { variable: SINK_BUCKETS, problem });
        }
        Ok(Self {
            table: required("SUNDIAL_TABLE")?,
            bus: required("SUNDIAL_BUS")?,
            results_bucket,
            sink_buckets,
            target_functions: target_functions(&read)?,
            retention: Duration::from_secs(number(&read, "SUNDIAL_RETENTION_DAYS", 90, 1, 3650)? * 24 * 60 * 60),
            lease: Duration::from_secs(number(&read, LEASE, 45, 2, 300)?),
            allowed_cidrs: cidrs(read)?,
        })
    }
}

const LEASE: &str = "SUNDIAL_LEASE_SECONDS";
const ALLOWED_CIDRS: &str = "SUNDIAL_ALLOWED_CIDRS";
const SINK_BUCKETS: &str = "SUNDIAL_SINK_BUCKETS";
const TARGET_FUNCTIONS: &str = "SUNDIAL_TARGET_FUNCTIONS";

fn number(
    read: impl Fn(&'static str) -> Option<String>,
    variable: &'static str,
    default: u64,
    from: u64,
    to: u64,
) -> Result<u64, SettingsError> {
    let Some(text) = read(variable).filter(|value| !value.is_empty()) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (from..=to).contains(number));
    let problem = || format!("must be a whole number from {from} to {to}, not {text:?}");
    number.ok_or_else(|| SettingsError { variable, problem: problem() })
}

fn sink_buckets(read: impl Fn(&'static str) -> Option<String>) -> Result<SinkBuckets, SettingsError> {
    let text = read(SINK_BUCKETS).unwrap_or_default();
    SinkBuckets::parse(&text).map_err(|problem| SettingsError { variable: SINK_BUCKETS, problem })
}

fn target_functions(read: impl Fn(&'static str) -> Option<String>) -> Result<TargetFunctions, SettingsError> {
    let text = read(TARGET_FUNCTIONS).unwrap_or_default();
    TargetFunctions::parse(&text).map_err(|problem| SettingsError { variable: TARGET_FUNCTIONS, problem })
}

fn cidrs(read: impl Fn(&'static str) -> Option<String>) -> Result<Vec<IpNet>, SettingsError> {
    let text = read(ALLOWED_CIDRS).unwrap_or_default();
    let ranges = text.split(',').map(str::trim).filter(|range| !range.is_empty());
    let parse = |range: &str| {
        range.parse().map_err(|_| SettingsError {
            variable: ALLOWED_CIDRS,
            problem: format!("must be ranges such as 10.0.0.0/8, separated by commas; {range:?} is none"),
        })
    };
    ranges.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changed: &'static str, value: &'static str) -> Result<Settings, SettingsError> {
        Settings::from_variables(|variable| {
            if variable == changed {
                return Some(value.to_owned());
            }
            matches!(variable, "SUNDIAL_TABLE" | "SUNDIAL_BUS" | "SUNDIAL_RESULTS_BUCKET")
                .then(|| "own-bucket".to_owned())
        })
    }

    #[test]
    fn defaults_and_values() {
        let settings = read("SUNDIAL_ALLOWED_CIDRS", "127.0.0.0/8, ::1/128").expect("settings");
        assert_eq!((settings.lease, settings.allowed_cidrs.len()), (Duration::from_secs(45), 2));
    }

    #[test]
    fn errors_name_the_variable() {
        for (variable, value) in [
            ("SUNDIAL_TABLE", ""),
            ("SUNDIAL_RETENTION_DAYS", "0"),
            ("SUNDIAL_LEASE_SECONDS", "soon"),
            ("SUNDIAL_ALLOWED_CIDRS", "10.0.0.0"),
            ("SUNDIAL_SINK_BUCKETS", "bucket"),
            ("SUNDIAL_TARGET_FUNCTIONS", "function"),
            ("SUNDIAL_SINK_BUCKETS", "0198c5a0-0000-7000-8000-000000000001=own-bucket"),
        ] {
            let error = read(variable, value).expect_err("a bad value").to_string();
            assert!(error.contains(variable) || value == "10.0.0.0", "{error}");
        }
    }
}
