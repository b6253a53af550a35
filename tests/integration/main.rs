//! Integration tests: the embedded cloud over HTTP and the real AWS SDK, a file for each behaviour.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is its purpose")]

mod harness;

mod admin;
mod auth_sessions;
mod bad_input;
mod bucket_contract;
mod call_interrupted;
mod catch_up;
mod command;
mod control;
mod correlation;
mod cost;
mod cursors;
mod deliveries;
mod delivery_records;
mod deployment;
mod entity_tags;
mod events;
mod extensions;
mod function_targets;
mod generations;
mod idempotency;
mod idempotency_cut_off;
mod idempotency_namesakes;
mod job_runs;
mod jobs;
mod key_use;
mod large;
mod lifecycle;
mod live_limit;
mod openapi;
mod outbound_answers;
mod outbound_calls;
// Only Linux has more loopback addresses than one, without being asked.
#[cfg(target_os = "linux")]
mod outbound_names;
mod outbound_saved;
mod overlap;
mod own_role_sinks;
mod payload_pages;
mod payload_pages_beside;
mod payload_pages_refused;
mod published_clients;
mod redeliveries;
mod request_ids;
mod restart;
mod results;
mod retries;
mod run_bounds;
mod schedules;
mod secrets;
mod secrets_leak;
mod secrets_sweep;
mod session_runs;
mod set_aside;
mod signing_secrets;
mod single_runs;
mod table_contract;
mod table_readiness;
mod tenancy;
mod upgrades;
mod usage;
