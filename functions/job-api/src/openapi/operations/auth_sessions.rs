//! Auth sessions and the operations on them.

use sundial_model::problem::ProblemCode::Conflict;

use crate::openapi::examples;
use crate::openapi::operation::Content::{Empty, One, Page};
use crate::openapi::operation::{Body, Operation, get, post};

const SESSIONS: &str = "/projects/{project}/auth-sessions";
const SESSION: &str = "/projects/{project}/auth-sessions/{session}";

pub(super) const OPERATIONS: &[Operation] = &[
    post(
        SESSIONS,
        "createAuthSession",
        "Create an auth session: of CREDENTIALS by an operation, of RUNTIME at once",
        Body::Json("NewAuthSession", &[examples::auth_session, examples::given_session]),
        &[(202, One("AuthSessionRequested")), (201, One("AuthSessionRequested"))],
    )
    .or(&[Conflict]),
    get(SESSIONS, "listAuthSessions", "The auth sessions of a project, by id", &[(200, Page("AuthSession"))]),
    get(
        "/projects/{project}/auth-sessions/operations/{operation}",
        "getAuthSessionOperation",
        "What came of an operation on an auth session",
        &[(200, One("Operation"))],
    ),
    get(SESSION, "getAuthSession", "One auth session", &[(200, One("AuthSession"))]),
    Operation {
        method: "put",
        body: Body::Json("AuthSessionInput", &[examples::auth_session_update]),
        ..get(
            SESSION,
            "updateAuthSession",
            "Give an auth session other settings, parameters, or another state",
            &[(202, One("AuthSessionRequested"))],
        )
    },
    Operation {
        method: "delete",
        ..get(SESSION, "deleteAuthSession", "Delete an auth session that no active run uses", &[(204, Empty)])
            .or(&[Conflict])
    },
    post(
        "/projects/{project}/auth-sessions/{session}/validate",
        "validateAuthSession",
        "Check an auth session, and renew it if need be",
        Body::Optional("Nothing", &[]),
        &[(202, One("AuthSessionRequested"))],
    ),
];
