//! sundial-devstack
