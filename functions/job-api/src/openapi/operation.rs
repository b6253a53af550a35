//! An operation of the API: what it takes, what it answers, and how it can go wrong.

use serde_json::Value;
use sundial_model::problem::ProblemCode;

/// One method of one route.
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// Below the workspace, but for the two that are open to all.
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) body: Body,
    /// Its good answers: the status and what it holds.
    pub(super) answers: &'static [(u16, Content)],
    /// How it can go wrong, beside what all of them have in common.
    pub(super) problems: &'static [ProblemCode],
    pub(super) extras: &'static [Extra],
}

/// What a request carries.
pub(super) enum Body {
    None,
    /// This schema, with examples.
    Json(&'static str, &'static [fn() -> Value]),
    /// The same, and may be left out.
    Optional(&'static str, &'static [fn() -> Value]),
    /// Payloads as an array or in lines.
    PayloadPage(&'static [fn() -> Value]),
}

/// What an answer holds.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Empty,
    Text,
    Any,
    /// This schema.
    One(&'static str),
    /// A page of it.
    Page(&'static str),
}

/// What only some operations have.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Extra {
    /// The parameter `status`, one of this schema.
    Status(&'static str),
    /// The parameter `tag`.
    Tag,
    /// The parameters `after` and `count`.
    Occurrences,
    /// The answer has an ETag.
    Tagged,
    IfMatch,
}

impl Operation {
    /// Whether it needs no key.
    pub(super) fn is_open(&self) -> bool {
        ["/healthz", "/openapi.json"].contains(&self.path)
    }

    /// Whether it has an effect that a key lets happen once.
    pub(super) fn takes_key(&self) -> bool {
        self.method == "post" && self.path != "/schedules/preview"
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.answers, [(_, Content::Page(_)), ..])
    }
}

pub(super) const fn get(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    answers: &'static [(u16, Content)],
) -> Operation {
    Operation { method: "get", path, id, summary, body: Body::None, answers, problems: &[], extras: &[] }
}

pub(super) const fn post(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    body: Body,
    answers: &'static [(u16, Content)],
) -> Operation {
    Operation { method: "post", body, ..get(path, id, summary, answers) }
}

impl Operation {
    pub(super) const fn or(self, problems: &'static [ProblemCode]) -> Self {
        Self { problems, ..self }
    }

    pub(super) const fn with(self, extras: &'static [Extra]) -> Self {
        Self { extras, ..self }
    }
}
