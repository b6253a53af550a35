//! sundial-runtime
