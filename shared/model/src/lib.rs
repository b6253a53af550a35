//! sundial-model
