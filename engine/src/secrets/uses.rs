//! Which secrets a graph names, and which workflows name a secret.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_core::{WorkflowId, WorkspaceId, template::Template};
use serde_json::Value;

use super::Vault;
use crate::error::Result;

/// A workflow that names a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its name.
    pub workflow_name: String,
    /// Whether its newest version names the secret.
    pub newest: bool,
    /// Whether its published version does.
    pub published: bool,
}

impl Vault {
    /// The workflows that name secrets in their newest or published versions, by the name of the secret.
    pub(crate) async fn uses(&self, workspace: WorkspaceId) -> Result<BTreeMap<String, Vec<SecretUse>>> {
        let mut uses: BTreeMap<String, Vec<SecretUse>> = BTreeMap::new();
        for version in self.store.graphs_with_secrets(workspace).await? {
            let (workflow, newest, published) = (WorkflowId::new(version.id), version.is_newest, version.is_published);
            for name in names_in(&version.graph) {
                let uses = uses.entry(name).or_default();
                match uses.last_mut().filter(|last| last.workflow == workflow) {
                    Some(last) => (last.newest, last.published) = (last.newest || newest, last.published || published),
                    None => uses.push(SecretUse { workflow, workflow_name: version.name.clone(), newest, published }),
                }
            }
        }
        Ok(uses)
    }
}

/// The secrets that the templates in a document name, bodies included, and those that its triggers prove their callers by.
pub fn names_in(document: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(document, &mut names);
    let nodes = document["nodes"].as_array().into_iter().flatten();
    let triggers = nodes.filter(|node| node["type"].as_str().is_some_and(|kind| kind.starts_with("trigger.")));
    names.extend(triggers.flat_map(|trigger| proofs(&trigger["params"])));
    names
}

/// A trigger names its secrets bare: nothing is there that a template could see.
fn proofs(params: &Value) -> impl Iterator<Item = String> {
    let fields = [params, &params["auth"]].into_iter().flat_map(|owner| [&owner["secret"], &owner["previous_secret"]]);
    fields.filter_map(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.contains("secrets") => {
            // A text that cannot be read is no template, JavaScript perhaps.
            if let Ok(template) = Template::parse_text(text) {
                names.extend(template.expressions().into_iter().filter_map(|it| it.secret()).map(str::to_owned));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_found_however_deep_and_only_in_templates() {
        let document = json!({"nodes": [
            {"params": {"url": "https://x/{{ secrets.A }}?{{secrets['B']}}", "note": "secrets.NOT"}},
            {"params": {"body": {"nodes": [{"params": {"headers": {"x": ["{{ secrets.C }}"]}}}]}}},
            {"params": {"code": "`{{` + secrets.NOT"}},
            {"type": "trigger.webhook", "params": {"auth": {"scheme": "github", "secret": "D", "previous_secret": ""}}},
            {"type": "trigger.github", "params": {"secret": "E", "previous_secret": "F"}},
            {"type": "set", "params": {"secret": "NOT"}},
        ]});
        assert_eq!(names_in(&document), BTreeSet::from(["A", "B", "C", "D", "E", "F"].map(str::to_owned)));
    }
}
