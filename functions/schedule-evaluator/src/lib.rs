//! sundial-schedule-evaluator
