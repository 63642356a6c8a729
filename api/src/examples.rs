//! The workflows that a new workspace begins with.

use std::{borrow::Cow, fs, path::Path};

use flowforge_engine::store::{accounts::Member, workflows::NewVersion};
use rust_embed::RustEmbed;

use crate::{app::App, failure::Failure, file::WorkflowFile, graph};

#[derive(RustEmbed)]
#[folder = "../workflows"]
#[include = "*.json"]
#[allow_missing = true]
struct Embedded;

/// A file's name and text.
type File = (String, Cow<'static, [u8]>);

/// Saves the examples in a workspace. A file that cannot be used is told to the log; the others are saved.
pub(crate) async fn load(app: &App, owner: &Member) {
    let files = match &app.settings.examples {
        Some(folder) => in_folder(folder).unwrap_or_else(|fault| {
            tracing::warn!("no examples: {fault}");
            Vec::new()
        }),
        None => Embedded::iter().filter_map(|name| Some((name.to_string(), Embedded::get(&name)?.data))).collect(),
    };
    for (name, text) in files {
        if let Err(fault) = save(app, owner, &name, &text).await {
            tracing::warn!("the example {name} is left out: {fault}");
        }
    }
}

fn in_folder(folder: &Path) -> Result<Vec<File>, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::during(folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read(path).map_err(Failure::during(path.display()))?;
        Ok((path.display().to_string(), text.into()))
    };
    paths.iter().map(read).collect()
}

async fn save(app: &App, owner: &Member, name: &str, text: &[u8]) -> Result<(), Failure> {
    let file = WorkflowFile::parse(name, text)?;
    let graph = file.graph;
    let problems = graph::problems_of(app.engine.catalog(), &graph);
    if let Some(problem) = problems.first() {
        return Err(Failure(problem.message.clone()));
    }
    let first = NewVersion { graph, note: "Example".to_owned(), created_by: None, at: app.engine.clock().now() };
    app.store().create_workflow(owner.workspace, file.name, file.description, first).await?;
    Ok(())
}
