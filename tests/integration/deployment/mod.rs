//! The deployment and the code, compared both ways: what `template.yaml` says, the code does, and what the code needs,
//! `template.yaml` says. Neither is copied into a test.

mod documentation;
mod environment;
mod events;
mod functions;
mod journey;
mod metrics;
mod monitoring;
mod resolve;
mod roles;
mod table;
mod template;
