//! Workflow files: `{name, description, graph}`, or only the graph.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;

/// A workflow in a file.
#[derive(Debug, Deserialize)]
pub(crate) struct WorkflowFile {
    /// Its name; the file's name when it says none.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Nodes, edges and settings.
    pub graph: Value,
}

impl WorkflowFile {
    /// Reads the text of a file; `place` is where it lies.
    ///
    /// # Errors
    /// When it holds neither a workflow nor a graph.
    pub(crate) fn parse(place: &str, text: &[u8]) -> Result<Self, Failure> {
        let value: Value = serde_json::from_slice(text).map_err(Failure::during(format!("{place} is not JSON")))?;
        let whole = if value.get("graph").is_some() { value } else { serde_json::json!({ "graph": value }) };
        let mut file: Self = serde_json::from_value(whole).map_err(Failure::during(format!("{place} is not a workflow file")))?;
        if file.name.is_empty() {
            let stem = Path::new(place).file_stem().unwrap_or_default();
            file.name = stem.to_string_lossy().into_owned();
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str)>) {
        let file = WorkflowFile::parse("dir/hello.json", text.as_bytes()).ok();
        let read = file.map(|file| (file.name, file.graph.to_string()));
        assert_eq!(read, expected.map(|(name, graph)| (name.to_owned(), graph.to_owned())), "{text}");
    }

    #[test]
    fn a_workflow_or_a_bare_graph_is_read() {
        check(r#"{"name": "Hello", "graph": {"nodes": []}}"#, Some(("Hello", r#"{"nodes":[]}"#)));
        check(r#"{"nodes": []}"#, Some(("hello", r#"{"nodes":[]}"#)));
        check("{", None);
    }
}
