//! Facts and commands in the words of the scripts.

use flowforge_core::{Awaiting, Command, Event, Run, RunStatus, StepIx, event::RunError};

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
        Command::StartChild { step, attempt, index } => format!("start child {index} of {} {attempt}", id(step)),
        Command::CancelChildren { step, attempt } => {
            let open = run.children(*step).map(|progress| progress.open().map(|index| index.to_string()).collect::<Vec<_>>());
            format!("cancel children {} of {} {attempt}", open.unwrap_or_default().join(" "), id(step))
        }
        Command::Announce => "announce".to_owned(),
    }
}

/// Where the run stands after an input, when its facts do not say so.
pub(crate) fn rest(run: &Run) -> String {
    match run.status() {
        RunStatus::Waiting => match run.next_wake() {
            Some(at) => format!("  run waits until {}\n", at.0),
            None => format!("  run {}\n", if run.is_paused() { "is paused" } else { "waits" }),
        },
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
        Event::StepWaiting { until, awaiting, .. } => {
            let what = awaiting.as_deref().map_or("sleeps".to_owned(), waits);
            format!("{id} {what}{}", until.map(|at| format!(" until {}", at.0)).unwrap_or_default())
        }
        Event::StepKept { output, port, .. } if port == "out" => format!("{id} kept with {output}"),
        Event::StepKept { output, port, .. } => format!("{id} kept by {port} with {output}"),
        Event::ChildStarted { index, .. } => format!("{id} calls for child {index}"),
        Event::ChildEnded { index, failed, .. } => format!("{id} child {index} {}", if *failed { "failed" } else { "ended" }),
        Event::ChildrenCancelled { .. } => format!("{id} gives its children up"),
        Event::SignalKept { name, payload } => format!("signal {name} kept with {payload}"),
        Event::RunPaused => "run paused".to_owned(),
        Event::RunResumed => "run goes on".to_owned(),
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

fn waits(awaiting: &Awaiting) -> String {
    match awaiting {
        Awaiting::Signal { name } => format!("waits for signal {name}"),
        Awaiting::Approval(_) => "waits for a decision".to_owned(),
        Awaiting::Funds(_) => "waits for money".to_owned(),
        Awaiting::Quota { since } => format!("waits for a quota since {}", since.0),
        Awaiting::Resolutions { open } => format!("waits for {open} answers"),
        Awaiting::Children(children) => format!("waits for {} children", children.total()),
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
