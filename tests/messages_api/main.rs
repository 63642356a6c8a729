//! Serves a scenario of the Messages API by hand, for trying Claude Code or a workflow without a model.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use flowforge_tests::messages_api::{MessagesApi, Scenario};

/// Serves a scenario (JSON, the fields of `Scenario` in tests/src/messages_api/scenario.rs) as the Messages API would.
#[derive(Debug, Parser)]
struct Arguments {
    /// The scenario's file.
    scenario: PathBuf,
    /// Where to listen; any free port of loopback when absent.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let scenario: Scenario = serde_json::from_slice(&std::fs::read(&arguments.scenario)?)?;
    let key = scenario.api_key.clone().unwrap_or_else(|| MessagesApi::KEY.to_owned());
    let api = MessagesApi::start_at(arguments.listen, scenario).await;
    println!("ANTHROPIC_BASE_URL={} ANTHROPIC_API_KEY={key}", api.url());
    for number in 1.. {
        api.asked_times(number).await;
        if let Some(asked) = api.asked().get(number - 1) {
            println!("{} {} {}", asked.method, asked.path, asked.body);
        }
    }
    Ok(())
}
