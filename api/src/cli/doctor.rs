//! `flowforge doctor`: whether this machine has what workflows need, and whether the database holds what it must, a line each.

mod records;
mod secrets;

use std::{path::Path, process::ExitCode};

use clap::Args;
use flowforge_engine::{BlobConfig, Blobs, Location, QueueConfig, Store};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::process::Command;

use crate::{
    app,
    config::{Data, Queue, Work},
    failure::Failure,
};

/// The oldest git that has what the git nodes ask for.
const GIT: (u32, u32) = (2, 40);

/// Check that this machine has what workflows need, and that the database holds what it must. It may be done while servers run.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
    /// How many of the newest runs to replay.
    #[arg(long, default_value_t = 1_000)]
    runs: u64,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    queue: Queue,
    #[command(flatten)]
    work: Work,
}

/// One thing that was looked at.
#[derive(Debug, serde::Serialize)]
struct Finding {
    name: &'static str,
    level: Level,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Good,
    Warning,
    Missing,
    Broken,
}

impl Finding {
    fn new(name: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self { name, level, text: text.into() }
    }
}

pub(super) async fn doctor(ask: Doctor) -> Result<ExitCode, Failure> {
    let mut findings = vec![git().await, sandbox(&ask).await?, folder(&ask.data.data_dir)];
    findings.extend(database(&ask).await);
    findings.push(blobs(&ask.data).await);
    findings.extend(redis(&ask).await);
    let missing = findings.iter().any(|finding| matches!(finding.level, Level::Missing | Level::Broken));
    if ask.json {
        println!("{}", serde_json::to_string(&findings).map_err(Failure::during("the findings cannot be printed"))?);
    } else {
        findings.iter().for_each(print);
    }
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(finding: &Finding) {
    let mark = match finding.level {
        Level::Good => "ok     ",
        Level::Warning => "warning",
        Level::Missing => "MISSING",
        Level::Broken => "BROKEN ",
    };
    println!("{mark}  {:<12}  {}", finding.name, finding.text);
}

async fn git() -> Finding {
    let Some(text) = first_line("git").await else {
        return Finding::new("git", Level::Missing, "there is no git; install it for the git nodes");
    };
    let (major, minor) = GIT;
    match version(&text) {
        Some(found) if found >= GIT => Finding::new("git", Level::Good, text),
        _ => Finding::new("git", Level::Missing, format!("{text} is too old; the git nodes need {major}.{minor} or newer")),
    }
}

async fn sandbox(ask: &Doctor) -> Result<Finding, Failure> {
    let works = app::services(&ask.data, &ask.work, &QueueConfig::None)?.check_sandbox().await;
    Ok(match works {
        Ok(()) if ask.work.allow_plain_processes => {
            Finding::new("sandbox", Level::Good, "commands run under bubblewrap where it works, else without a sandbox")
        }
        Ok(()) => Finding::new("sandbox", Level::Good, "commands run under bubblewrap"),
        Err(fault) => Finding::new("sandbox", Level::Missing, fault.message),
    })
}

async fn first_line(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().await.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
}

/// The first two numbers of the first word that begins with one.
fn version(text: &str) -> Option<(u32, u32)> {
    let word = text.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let mut numbers = word.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// A folder that is not there yet is tried where it would be made.
fn folder(path: &Path) -> Finding {
    let place = path.display();
    let there = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    match tempfile::tempfile_in(there) {
        Ok(_) => Finding::new("data folder", Level::Good, format!("{place} can be written")),
        Err(fault) => Finding::new("data folder", Level::Missing, format!("{place} cannot be written: {fault}")),
    }
}

async fn database(ask: &Doctor) -> Vec<Finding> {
    let data = &ask.data;
    if let Ok(Location::Sqlite(path)) = data.location()
        && !path.exists()
    {
        return vec![Finding::new("database", Level::Good, format!("SQLite, to be made in {}", path.display()))];
    }
    match reach(data).await {
        Err(failure) => vec![Finding::new("database", Level::Missing, failure.to_string())],
        Ok(store) => {
            let mut findings = match store.location() {
                Location::Sqlite(path) => vec![Finding::new("database", Level::Good, format!("SQLite in {}", path.display()))],
                Location::Postgres(_) => durability(&store).await,
            };
            findings.extend(records::check(ask, &store).await);
            findings.extend(secrets::check(&ask.data, &store).await);
            findings
        }
    }
}

/// A folder that is not there yet is made by the server.
async fn blobs(data: &Data) -> Finding {
    let config = data.blobs();
    let place = match &config {
        BlobConfig::Folder(folder) if !folder.exists() => {
            return Finding::new("large values", Level::Good, format!("in a folder, to be made in {}", folder.display()));
        }
        BlobConfig::Folder(folder) => folder.display().to_string(),
        BlobConfig::S3 { url, .. } => url.clone(),
    };
    let checked = async { Blobs::open(&config)?.check().await };
    match checked.await {
        Ok(()) => Finding::new("large values", Level::Good, format!("{place} can be written and read")),
        Err(fault) => Finding::new("large values", Level::Missing, format!("{place} cannot be used: {fault}")),
    }
}

/// Nothing when none is to be used.
async fn redis(ask: &Doctor) -> Option<Finding> {
    let missing = |text: String| Some(Finding::new("redis", Level::Missing, text));
    let queue = match ask.data.location().and_then(|location| ask.queue.config(&location)) {
        Ok(queue) => queue,
        Err(text) => return missing(text),
    };
    match queue.check().await {
        Ok(version) => version.map(|version| Finding::new("redis", Level::Good, format!("Redis {version} answers"))),
        Err(fault) => missing(format!("it cannot be used, and everything takes seconds longer without it: {fault}")),
    }
}

async fn reach(data: &Data) -> Result<Store, Failure> {
    let store = app::connect(data).await?;
    store.now().await.map_err(Failure::during("the database does not answer"))?;
    Ok(store)
}

/// What PostgreSQL must be told so that what it has confirmed survives a power cut.
async fn durability(store: &Store) -> Vec<Finding> {
    let mut findings = vec![Finding::new("database", Level::Good, "PostgreSQL answers")];
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        let statement = Statement::from_string(DbBackend::Postgres, format!("SHOW {name}"));
        let value = store.connection().query_one_raw(statement).await.ok().flatten();
        let value: String = value.and_then(|row| row.try_get_by_index(0).ok()).unwrap_or_else(|| "unknown".to_owned());
        findings.push(match value.as_str() {
            "off" => Finding::new(name, Level::Warning, "off: a power cut can lose or break what was confirmed; set it to on"),
            _ => Finding::new(name, Level::Good, value),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("bubblewrap"), None);
        assert!(version("git version 2.9.0") < Some(GIT));
    }
}
