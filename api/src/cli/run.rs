//! `flowforge run FILE`: one run of a workflow file to its end, without a server.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use flowforge_core::{Problem, RunId, RunStatus, WorkspaceId};
use flowforge_engine::{Engine, NewRun, QueueConfig, RunRecord, store::workflows::NewVersion};
use futures::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{family, progress};
use crate::{
    app,
    config::{Data, MasterKeySource, Work},
    failure::Failure,
    file::WorkflowFile,
    graph,
    lock::DataLock,
};

/// How often it is looked whether the run waits for what nobody can give it.
const LOOK: Duration = Duration::from_secs(1);

/// Run one workflow file to its end.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// A workflow file: `{name, description, graph}`, or only the graph.
    file: PathBuf,
    /// What the run is given, as JSON.
    #[arg(long, default_value = "{}")]
    input: String,
    /// Print the ended run as JSON instead of its timeline.
    #[arg(long)]
    json: bool,
    /// Where the run is kept; a folder that is removed at the end, without it.
    #[arg(long, env = "FLOWFORGE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    master_key: MasterKeySource,
    #[command(flatten)]
    work: Work,
}

pub(super) async fn run(ask: Run) -> Result<ExitCode, Failure> {
    let input = serde_json::from_str(&ask.input).map_err(Failure::during("--input is not JSON"))?;
    let place = ask.file.display().to_string();
    let text = std::fs::read(&ask.file).map_err(Failure::during(format!("{place} cannot be read")))?;
    let file = WorkflowFile::parse(&place, &text)?;
    let folder = Folder::open(ask.data_dir)?;
    let _lock = DataLock::claim(folder.path())?;
    let data = Data { data_dir: folder.path().to_owned(), master_key: ask.master_key, ..Data::default() };
    let engine = app::open_engine(app::open_store(&data).await?, &data, &ask.work, true, QueueConfig::Memory).await?;
    let problems = graph::problems_of(engine.catalog(), &file.graph);
    if !problems.is_empty() {
        return Err(all_problems(&place, &problems));
    }
    let ended = to_the_end(&engine, file, input).await;
    engine.shutdown().await;
    let (record, timeline) = ended?;
    print(&record, &timeline, ask.json);
    Ok(if record.status == RunStatus::Completed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the run, tells its progress on standard error, and returns how it ended, with its timeline.
async fn to_the_end(engine: &Engine, file: WorkflowFile, input: Value) -> Result<(RunRecord, String), Failure> {
    let now = engine.clock().now();
    let workspace = engine.store().local_workspace(now).await?;
    let first = NewVersion { graph: file.graph, note: String::new(), created_by: None, at: now };
    let workflow = engine.store().create_workflow(workspace, file.name, file.description, first).await?.id;
    let new =
        NewRun { workspace, workflow, version: None, input, trigger: "manual", priority: None, dedupe: None, started_by: None };
    let run = engine.start(new).await?.record.id;
    follow(engine, workspace, run).await?;
    let timeline = progress::timeline(&family::lines(engine.store(), workspace, run, 0).await?);
    let mut record = engine.store().run(workspace, run).await?;
    // The folder that it may lie in is gone with the command.
    if let Some(output) = record.output.take() {
        record.output = Some(engine.whole(workspace, output).await?);
    }
    Ok((record, timeline))
}

/// Tells what happens until the run ends. A run that waits for what only a server can give it is stopped.
async fn follow(engine: &Engine, workspace: WorkspaceId, run: RunId) -> Result<(), Failure> {
    let mut feed = Box::pin(engine.feed(workspace, run, 0));
    let mut stopped = None;
    loop {
        let may_wait = match tokio::time::timeout(LOOK, feed.next()).await {
            Ok(None) => break,
            Ok(Some(event)) => {
                let event = event?;
                progress::line(&event).into_iter().for_each(|line| eprintln!("{line}"));
                event.kind == "step_waiting"
            }
            // Runs that were started by steps have feeds of their own.
            Err(_) => true,
        };
        if may_wait && stopped.is_none() {
            stopped = stop_if_unanswerable(engine, workspace, run).await?;
        }
    }
    stopped.map_or(Ok(()), |why| Err(Failure(why)))
}

/// Why the run was stopped, if it was.
async fn stop_if_unanswerable(engine: &Engine, workspace: WorkspaceId, run: RunId) -> Result<Option<String>, Failure> {
    let Some(why) = family::unanswerable(engine.store(), workspace, run).await? else { return Ok(None) };
    match engine.cancel(workspace, run).await {
        Ok(_) => Ok(Some(why)),
        // Another of its steps has failed meanwhile.
        Err(flowforge_engine::Error::Rejected(_)) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

fn print(record: &RunRecord, timeline: &str, as_json: bool) {
    if as_json {
        let run = json!({
            "id": record.id,
            "status": record.status,
            "output": record.output,
            "response": record.response,
            "error": record.error,
        });
        return println!("{run}");
    }
    print!("{timeline}");
    let took = record.finished_at.unwrap_or(record.created_at).ms_since(record.created_at);
    println!("\n{} after {}", record.status, progress::duration(Duration::from_millis(took)));
    if let Some(error) = &record.error {
        println!("{}: {}", error.code, error.message);
    } else if let Some(output) = &record.output {
        println!("{output:#}");
    }
}

fn all_problems(place: &str, problems: &[Problem]) -> Failure {
    let lines = problems.iter().map(|problem| {
        let node = problem.node_id.as_ref().map(|id| format!(" node {id}")).unwrap_or_default();
        let edge = problem.edge.map(|at| format!(" edge {at}")).unwrap_or_default();
        let field = problem.field.as_ref().map(|field| format!(" {field}")).unwrap_or_default();
        format!("\n  {}{node}{edge}{field}: {}", problem.code, problem.message)
    });
    Failure(format!("{place} cannot be run:{}", lines.collect::<String>()))
}

/// Where the run is kept.
enum Folder {
    Given(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn open(given: Option<PathBuf>) -> Result<Self, Failure> {
        match given {
            Some(path) => Ok(Self::Given(path)),
            None => {
                let made = tempfile::Builder::new().prefix("flowforge-run-").tempdir();
                made.map(Self::Temporary).map_err(Failure::during("a temporary folder cannot be made"))
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
