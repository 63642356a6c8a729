//! Facts and commands in the words of the scripts.

use flowforge_core::{Command, Event, Run, RunStatus, StepIx, event::RunError};

/// One line for a fact and the effect that it demands.
pub(crate) fn fact(run: &Run, fact: &Event) -> String {
    let demand = fact.command().map(|demand| format!("  => {}", command(run, &demand))).unwrap_or_default();
    format!("  {}{demand}\n", said(run, fact))
}

/// An effect.
pub(crate) fn command(run: &Run, command: &Command) -> String {
    let id = |step: &StepIx| run.graph().step(*step).id.to_string();
    match command {
        Command::Execute { step, attempt } => format!("execute {} {attempt}, given {}", id(step), given(run, *step)),
        Command::WakeAt(at) => format!("wake at {}", at.0),
        Command::Abort { step, attempt } => format!("abort {} {attempt}", id(step)),
        Command::Announce => "announce".to_owned(),
    }
}

/// Where the run stands after an input, when its facts do not say so.
pub(crate) fn rest(run: &Run) -> String {
    match run.status() {
        RunStatus::Waiting => format!("  run waits until {}\n", run.next_wake().expect("someone to wake").0),
        _ => String::new(),
    }
}

fn said(run: &Run, fact: &Event) -> String {
    let spec = fact.step().map(|step| run.graph().step(step));
    let id = spec.map(|spec| spec.id.to_string()).unwrap_or_default();
    match fact {
        Event::RunStarted { trigger: None } => "run began".to_owned(),
        Event::RunStarted { trigger: Some(trigger) } => format!("run began by {}", run.graph().step(*trigger).id),
        Event::StepStarted { .. } => format!("{id} began"),
        Event::StepWaiting { until, .. } => format!("{id} sleeps until {}", until.0),
        Event::StepResumed { .. } => format!("{id} resumed"),
        Event::StepCompleted { output, port, .. } if port == "out" => format!("{id} completed with {output}"),
        Event::StepCompleted { output, port, .. } => format!("{id} completed by {port} with {output}"),
        Event::StepFailed { error, retry_at: Some(at), .. } => format!("{id} failed, again at {}: {}", at.0, error.code),
        Event::StepFailed { error, retry_at: None, .. } => format!("{id} failed for good: {}", error.code),
        Event::StepSkipped { .. } => format!("{id} skipped"),
        Event::StepCancelled { .. } => format!("{id} cancelled"),
        Event::CancelRequested => "cancel requested".to_owned(),
        Event::RunFinished { status, output, error: None } => format!("run {status} with {output}"),
        Event::RunFinished { status, error: Some(error), .. } => format!("run {status}: {}", blame(error)),
    }
}

fn blame(error: &RunError) -> String {
    match &error.node_id {
        Some(node) => format!("{} in {node}", error.code),
        None => format!("{}, {}", error.code, error.message),
    }
}

fn given(run: &Run, step: StepIx) -> String {
    run.input(step).map_or_else(|| "the run's input".to_owned(), |value| value.to_string())
}
