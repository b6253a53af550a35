//! sundial-outbound
