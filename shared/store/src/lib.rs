//! sundial-store
