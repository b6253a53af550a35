//! What to do next: every decision of Sundial as a pure function over plain data.
//!
//! There is no clock here (`now` is an argument), no environment, no I/O and nothing async.

pub mod attempt;
pub mod auth_session;
pub mod due;
pub mod overlap;
pub mod retry;
pub mod schedule;
pub mod sink_delivery;
pub mod sink_health;
