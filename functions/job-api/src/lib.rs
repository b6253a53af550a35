//! sundial-job-api
