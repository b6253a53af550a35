//! sundial-engine
