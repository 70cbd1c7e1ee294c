//! What an answer of the API server means to a driver.

use std::error::Error as _;
use std::time::Duration;

use kube::core::Status;
use trainyard_node::ports::ApiError;

/// How long one call may take. The node half has deadlines of its own where it must answer sooner.
const CALL: Duration = Duration::from_secs(10);

/// Makes a call, and waits ten seconds at most.
pub(crate) async fn within<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map_err(|error| meaning(&error)),
        Err(_) => {
            let seconds = CALL.as_secs();
            let text = format!("no answer from the API server within {seconds} s");
            Err(ApiError::Unavailable(text))
        }
    }
}

/// What an error means.
pub(crate) fn meaning(error: &kube::Error) -> ApiError {
    match error {
        kube::Error::Api(status) => refused(status),
        other => ApiError::Unavailable(with_causes(other)),
    }
}

/// What a status other than success means. "Not found" is said of an object alone: a server that
/// does not know the kind, or a proxy before it, answers 404 too, and claims would be taken for
/// deleted.
fn refused(status: &Status) -> ApiError {
    let named = status
        .details
        .as_ref()
        .is_some_and(|details| !details.name.is_empty());
    let text = || match status.message.as_str() {
        "" => format!("the API server answered {}", status.code),
        message => message.to_owned(),
    };
    match status.code {
        404 if named && status.reason == "NotFound" => ApiError::NotFound,
        409 => ApiError::Conflict,
        400 | 413 | 422 => ApiError::Invalid(text()),
        404 => ApiError::Unavailable(format!("{} (HTTP 404)", text())),
        _ => ApiError::Unavailable(text()),
    }
}

/// An error and what it comes from, each thing said once: the client's errors repeat their sources.
pub(crate) fn with_causes(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, reason: &str, message: &str, name: &str) -> ApiError {
        let status: Status = serde_json::from_value(serde_json::json!({
            "status": "Failure", "code": code, "reason": reason, "message": message,
            "details": {"name": name, "kind": "resourceclaims"},
        }))
        .unwrap();
        meaning(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn only_an_object_can_be_missing() {
        let missing = "resourceclaims \"c\" not found";
        assert_eq!(of(404, "NotFound", missing, "c"), ApiError::NotFound);
        let kind = "the server could not find the requested resource";
        let unserved = ApiError::Unavailable(format!("{kind} (HTTP 404)"));
        assert_eq!(of(404, "NotFound", kind, ""), unserved);
        // As the client words an answer that is no Status.
        let text = Status::failure("404 page not found", "Failed to parse error data");
        let error = kube::Error::Api(Box::new(text.with_code(404)));
        let unserved = ApiError::Unavailable("404 page not found (HTTP 404)".into());
        assert_eq!(meaning(&error), unserved);
    }

    #[test]
    fn what_asking_again_cannot_mend_is_invalid() {
        let invalid = |text: &str| ApiError::Invalid(text.into());
        assert_eq!(of(422, "Invalid", "spec.x: no", "s"), invalid("spec.x: no"));
        assert_eq!(
            of(400, "BadRequest", "unknown field", ""),
            invalid("unknown field")
        );
        assert_eq!(
            of(413, "RequestEntityTooLarge", "", ""),
            invalid("the API server answered 413")
        );
        assert_eq!(of(409, "Conflict", "changed", "s"), ApiError::Conflict);
        assert_eq!(of(409, "AlreadyExists", "exists", "s"), ApiError::Conflict);
    }

    #[test]
    fn whatever_may_pass_is_unavailable_and_says_why() {
        for (code, reason) in [
            (401, "Unauthorized"),
            (403, "Forbidden"),
            (410, "Expired"),
            (429, "TooManyRequests"),
            (500, "InternalError"),
            (503, "ServiceUnavailable"),
        ] {
            let why = format!("why {code}");
            let expected = ApiError::Unavailable(why.clone());
            assert_eq!(of(code, reason, &why, "s"), expected);
        }
    }

    #[test]
    fn causes_are_said_once() {
        let cause = std::io::Error::other("connection refused");
        let error = kube::Error::Service(Box::new(cause));
        let ApiError::Unavailable(text) = meaning(&error) else {
            panic!("it may pass");
        };
        assert_eq!(text.matches("connection refused").count(), 1, "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_not_waited_for() {
        let silent = std::future::pending::<Result<(), kube::Error>>();
        let Err(ApiError::Unavailable(text)) = within(silent).await else {
            panic!("it cannot have answered");
        };
        assert!(text.contains("within 10 s"), "{text}");
    }
}
