//! sundial-payload-executor
