//! Every problem code with what it means, for `/docs`: the `type` of a problem points there.

/// The codes, in the order of the alphabet.
pub(crate) const CODES: &[(&str, &str)] = &[
    ("already_set_up", "Somebody owns this installation already."),
    ("approval_changed", "What the step asks is not what was shown."),
    ("approval_decided", "Another decision came first."),
    ("blob_missing", "A large value is gone, or is too much for memory."),
    ("body_too_large", "The body is larger than the route takes: 25 MB, or 256 KiB for a signal."),
    ("body_too_slow", "The body did not come in time."),
    ("budget_exists", "There is a budget for the same period already."),
    ("busy", "Too much is waiting already; the same request may succeed later."),
    ("conflict_not_asked", "The step of the conflict does not wait for answers now."),
    ("conflict_resolved", "Another answer to the conflict came first."),
    ("cross_site_request", "A page of another site has sent the request."),
    ("delivery_conflict", "The id of a delivery came before with another body."),
    ("delivery_not_held", "The delivery is not held back, so it cannot be let go."),
    ("delivery_without_body", "What came with the delivery is not kept, so it cannot be played again."),
    ("forbidden", "The role of the caller does not allow it."),
    ("idempotency_conflict", "The idempotency key was used for another request."),
    ("internal", "Something failed in the server; its log has the cause under the request id."),
    ("invalid_body", "The body is JSON of another shape than the route takes."),
    ("invalid_character", "The body holds the character U+0000."),
    ("invalid_credentials", "The e-mail address or the password is not right."),
    ("invalid_cursor", "The cursor of an event stream is not the id of an event."),
    ("invalid_delivery", "The delivery cannot be read, or lacks what its trigger tells deliveries apart by."),
    ("invalid_description", "The description is too long."),
    ("invalid_email", "The e-mail address is none."),
    ("invalid_graph", "The graph cannot be run; `problems` says all that is wrong with it, and where."),
    ("invalid_idempotency_key", "The idempotency key is empty or too long."),
    ("invalid_input", "A value is not acceptable."),
    ("invalid_json", "The body is not JSON that can be read."),
    ("invalid_name", "A name is empty, too long or holds characters that such a name may not have."),
    ("invalid_note", "The note is too long."),
    ("invalid_parameter", "A parameter after the `?` is not acceptable."),
    ("invalid_password", "The password is too short or too long."),
    ("invalid_schedule", "The schedule or the range of time cannot be used; `detail` says why."),
    ("invalid_setup_token", "The set-up token is not the one that the server printed at its last start."),
    ("invalid_signature", "The signature or password of a delivery is missing, not right, or too old."),
    ("loop", "A workflow calls itself: too many runs stand above the request."),
    ("method_not_allowed", "The route does not know this method."),
    ("no_master_key", "The server has no master key, so it can keep no secrets."),
    ("no_run_budget", "The run has no cap of its own that could be raised."),
    ("not_an_approver", "The step names who may decide, and the caller is not among them."),
    ("not_found", "There is no such thing in this workspace."),
    ("not_published", "The workflow has no published version."),
    ("other_master_key", "The secrets in the database are encrypted under another master key than this process has."),
    ("resolution_refused", "A check refuses the answer to a conflict; `detail` says which, and why."),
    ("run_expired", "The workspace no longer keeps runs of that time."),
    ("run_finished", "The run has ended."),
    ("run_state", "The run is not where the request makes sense: not begun, not ended, or another run's."),
    ("run_unreadable", "What is kept of the run cannot be read by this version of FlowForge."),
    ("secret_changed", "Somebody else has changed the secret meanwhile."),
    ("secret_exists", "The workspace has a secret of that name."),
    ("secret_of_operator", "The operator has a secret of the same name, which workflows would use from then on."),
    ("secret_unreadable", "A secret cannot be decrypted: another master key, or a row that was changed."),
    ("too_many_budgets", "The workspace has as many budgets as it may."),
    ("too_many_held", "So much is held back at the trigger that no more is kept; let some of it go, or drop it."),
    ("too_many_requests", "The caller has asked too often; `Retry-After` says how long to wait."),
    ("too_many_secrets", "The workspace has as many secrets as it may."),
    ("too_many_signals", "The run keeps as many signals as it can until a step takes one."),
    ("trigger_kind_changed", "The trigger is of another kind now, which has nothing like the delivery."),
    ("trigger_not_active", "The trigger belongs to no published version of an active workflow."),
    ("trigger_stopped", "The trigger does not answer now: no published version of an active workflow has it."),
    ("trigger_unready", "The secret that callers of the trigger have to prove to know is missing."),
    ("unauthenticated", "There is no access token, or it is not good any more."),
    ("unreadable_body", "The body broke off before its end."),
    ("unsupported_encoding", "The body is packed in another way than once with gzip."),
    ("unsupported_media_type", "The body is not announced as JSON."),
    ("version_conflict", "Somebody has saved a version meanwhile; load it and save again."),
    ("workflow_archived", "The workflow is archived and starts no runs."),
];

/// Whether a code is explained.
pub(crate) fn is_explained(code: &str) -> bool {
    CODES.iter().any(|(known, _)| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_told_once() {
        assert!(CODES.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
