//! Secrets: what workflows know by name. A value goes in and never comes out.

use axum::{Json, extract::State, http::StatusCode};
use flowforge_core::secret::{HostPattern, SecretValue};
use flowforge_engine::{NewSecret, SecretChange, SecretRecord, SecretUse};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{IntoParams, ToSchema};

use super::List;
use crate::{
    app::App,
    auth::principal::{Editor, Principal},
    error::{ProblemBody, Result},
    extract::{Body, Ids, Params},
    time::iso,
};

/// A secret, without its value.
#[derive(Serialize, ToSchema)]
pub(crate) struct Secret {
    /// What workflows call it: `{{ secrets.NAME }}`.
    name: String,
    /// The hosts that its value may be sent to, like `api.example.org` or `*.example.org`; any when empty.
    hosts: Vec<String>,
    /// When it was saved first.
    created_at: String,
    /// When it was changed last.
    updated_at: String,
    /// The workflows whose newest version names it, by their names; archived ones are left out.
    used_by: Vec<UsedBy>,
}

/// A workflow that names a secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsedBy {
    /// The workflow.
    id: String,
    /// Its name.
    name: String,
}

/// A secret to be saved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveSecret {
    /// A letter or `_`, then letters, digits and `_`; 64 characters at most.
    name: String,
    /// The value, 8 characters to 64 KiB.
    #[schema(value_type = String, format = Password, write_only)]
    value: Hidden,
    /// The hosts that it may be sent to; any when empty.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    hosts: Vec<HostPattern>,
}

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeSecret {
    /// A new value, 8 characters to 64 KiB. It is needed when `hosts` has further ones.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    value: Option<Hidden>,
    /// A new list of hosts.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    hosts: Option<Vec<HostPattern>>,
}

/// What has become of a secret that was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct SecretDeleted {
    /// What will fail now; null when nothing does.
    #[schema(required = true)]
    warning: Option<String>,
    /// The workflows whose newest or published version still names it.
    used_by: Vec<UsedBy>,
}

/// A value that no error message repeats.
struct Hidden(SecretValue);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(value) => Ok(Self(SecretValue::new(value))),
            _ => Err(de::Error::custom("`value` must be a text")),
        }
    }
}

/// The workspace's secrets, in the order of their names, without their values.
#[utoipa::path(get, path = "/secrets", operation_id = "list_secrets", tag = "secrets", responses((status = 200, body = List<Secret>)))]
pub(crate) async fn list(State(app): State<App>, who: Principal) -> Result<Json<List<Secret>>> {
    let mut uses = app.engine.secret_uses(who.workspace).await?;
    let secrets = app.engine.secrets(who.workspace).await?;
    let items = secrets.into_iter().map(|record| {
        let uses = uses.remove(&record.name).unwrap_or_default();
        shown(record, uses)
    });
    Ok(Json(List { items: items.collect(), next_cursor: None }))
}

/// Saves a new secret. Its value is encrypted, used when a step needs it, and never shown again.
#[utoipa::path(post, path = "/secrets", operation_id = "create_secret", tag = "secrets", request_body = SaveSecret, responses(
    (status = 201, body = Secret),
    (status = 400, description = "a name, value or host that cannot be", body = ProblemBody<'_>),
    (status = 403, description = "not an editor", body = ProblemBody<'_>),
    (status = 409, description = "the name is taken, or the server has no master key", body = ProblemBody<'_>),
))]
pub(crate) async fn create(
    State(app): State<App>,
    Editor(who): Editor,
    Body(ask): Body<SaveSecret>,
) -> Result<(StatusCode, Json<Secret>)> {
    let SaveSecret { name, value: Hidden(value), hosts } = ask;
    let new = NewSecret { name, value, hosts, created_by: Some(who.user) };
    let record = app.engine.create_secret(who.workspace, new).await?;
    tracing::info!(workspace = %who.workspace, user = %who.user, secret = record.name, "a secret was saved");
    Ok((StatusCode::CREATED, Json(with_uses(&app, &who, record).await?)))
}

/// Changes the value of a secret, the hosts that it may be sent to, or both. Whatever begins afterwards uses the new ones.
#[utoipa::path(put, path = "/secrets/{name}", operation_id = "change_secret", tag = "secrets", params(("name" = String, Path)), request_body = ChangeSecret, responses(
    (status = 200, body = Secret),
    (status = 400, description = "a value or host that cannot be, or further hosts without the value", body = ProblemBody<'_>),
    (status = 403, description = "not an editor", body = ProblemBody<'_>),
    (status = 404, body = ProblemBody<'_>),
    (status = 409, description = "somebody else has changed it meanwhile", body = ProblemBody<'_>),
))]
pub(crate) async fn change(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(name): Ids<String>,
    Body(ask): Body<ChangeSecret>,
) -> Result<Json<Secret>> {
    let change = SecretChange { value: ask.value.map(|Hidden(value)| value), hosts: ask.hosts };
    let has_value = change.value.is_some();
    let record = app.engine.change_secret(who.workspace, &name, change).await?;
    tracing::info!(workspace = %who.workspace, user = %who.user, secret = name, has_value, "a secret was changed");
    Ok(Json(with_uses(&app, &who, record).await?))
}

/// What is meant by deleting a secret.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// Whether steps may use the operator's secret of the same name from then on, if there is one.
    #[serde(default)]
    fall_back: bool,
}

/// Deletes a secret. Steps that name it fail from now on; the answer says which workflows have some.
#[utoipa::path(delete, path = "/secrets/{name}", operation_id = "delete_secret", tag = "secrets", params(("name" = String, Path), DeleteQuery), responses(
    (status = 200, body = SecretDeleted),
    (status = 403, description = "not an editor", body = ProblemBody<'_>),
    (status = 404, body = ProblemBody<'_>),
    (status = 409, description = "the operator has a secret of that name, and `fall_back` was not given", body = ProblemBody<'_>),
))]
pub(crate) async fn delete(
    State(app): State<App>,
    Editor(who): Editor,
    Ids(name): Ids<String>,
    Params(query): Params<DeleteQuery>,
) -> Result<Json<SecretDeleted>> {
    let uses = app.engine.secret_uses(who.workspace).await?.remove(&name).unwrap_or_default();
    app.engine.delete_secret(who.workspace, &name, query.fall_back).await?;
    tracing::info!(workspace = %who.workspace, user = %who.user, secret = name, "a secret was deleted");
    let published: Vec<_> = uses.iter().filter(|it| it.published).map(|it| format!("`{}`", it.workflow_name)).collect();
    let warning = format!("published workflows name it, and their steps that do will fail: {}", published.join(", "));
    let used_by = uses.into_iter().map(used_by).collect();
    Ok(Json(SecretDeleted { warning: Some(warning).filter(|_| !published.is_empty()), used_by }))
}

async fn with_uses(app: &App, who: &Principal, record: SecretRecord) -> Result<Secret> {
    let uses = app.engine.secret_uses(who.workspace).await?.remove(&record.name).unwrap_or_default();
    Ok(shown(record, uses))
}

fn shown(record: SecretRecord, uses: Vec<SecretUse>) -> Secret {
    Secret {
        name: record.name,
        hosts: record.hosts.iter().map(ToString::to_string).collect(),
        created_at: iso(record.created_at),
        updated_at: iso(record.updated_at),
        used_by: uses.into_iter().filter(|it| it.newest).map(used_by).collect(),
    }
}

fn used_by(it: SecretUse) -> UsedBy {
    UsedBy { id: it.workflow.to_string(), name: it.workflow_name }
}
