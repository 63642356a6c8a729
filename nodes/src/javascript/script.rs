//! One evaluation, in a context of its own.

use boa_engine::{
    Context, JsError, JsNativeError, JsObject, JsResult, JsValue, Source,
    builtins::promise::PromiseState,
    error::{EngineError, RuntimeLimitError},
    js_string,
};
use flowforge_core::expression::references_in_script;
use serde_json::{Value, json};

use super::{
    position,
    wire::{Fault, Mode, Request},
};

/// What a script may call its names; those that are not given are `undefined`.
const NAMES: [&str; 8] = ["input", "steps", "trigger", "run", "workflow", "item", "items", "index"];
const ITEM: usize = 5;
const INDEX: usize = 7;
/// A loop that turns more often is taken for endless: half a second of doing nothing else.
const LOOPS: u64 = 10_000_000;
/// Deep enough for real code and far from the end of the native stack.
const RECURSION: usize = 400;

/// The value as JSON text.
pub(super) fn evaluate(request: &Request) -> Result<String, Fault> {
    let mut context = Context::default();
    context.runtime_limits_mut().set_loop_iteration_limit(LOOPS);
    context.runtime_limits_mut().set_recursion_limit(RECURSION);
    context.runtime_limits_mut().set_backtrace_limit(8);
    let faulty = |fault: JsError| explain(&fault);
    // Taken before the script runs, so that a script that replaces it cannot choose what is sent.
    let stringify = stringify(&mut context).map_err(faulty)?;
    let function = function(request, &mut context).map_err(faulty)?;
    let mut names = names(request, &mut context).map_err(faulty)?;
    if request.mode == Mode::Filter {
        return filter(request, &function, &mut names, &mut context);
    }
    let value = call(&function, &names, &mut context)?.map_err(faulty)?;
    let text = stringify.call(&JsValue::undefined(), &[value], &mut context).map_err(faulty)?;
    Ok(text.as_string().map_or_else(|| "null".to_owned(), |text| text.to_std_string_lossy()))
}

fn stringify(context: &mut Context) -> JsResult<JsObject> {
    let json = context.intrinsics().objects().json();
    let function = json.get(js_string!("stringify"), context)?;
    function.as_callable().ok_or_else(|| JsNativeError::typ().with_message("JSON.stringify is missing").into())
}

/// The code as a function of its names, on the second line of a source of its own, so that a brace too many is a fault.
fn function(request: &Request, context: &mut Context) -> JsResult<JsObject> {
    let (code, names) = (&request.code, NAMES.join(", "));
    let source = match request.mode {
        Mode::Body => format!("(async function ({names}) {{\n{code}\n}})"),
        Mode::Expression | Mode::Filter => format!("(function ({names}) {{ return (\n{code}\n); }})"),
    };
    let made = context.eval(Source::from_bytes(&source))?;
    made.as_callable().ok_or_else(|| JsNativeError::syntax().with_message("the code closes more than it opens").into())
}

fn names(request: &Request, context: &mut Context) -> JsResult<Vec<JsValue>> {
    let mut given = request.names.clone();
    // A step that was skipped has no output; naming it gives null instead of a fault.
    if let Some(steps) = given["steps"].as_object_mut() {
        for id in references_in_script(&request.code).unwrap_or_default() {
            steps.entry(id.as_str()).or_insert_with(|| json!({ "output": null }));
        }
    }
    let value = |name: &&str| match given.get_mut(*name).map(Value::take) {
        Some(value) => JsValue::from_json(&value, context),
        None => Ok(JsValue::undefined()),
    };
    NAMES.iter().map(value).collect()
}

fn filter(request: &Request, function: &JsObject, names: &mut [JsValue], context: &mut Context) -> Result<String, Fault> {
    let items = request.names["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut kept = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let faulty = |fault: JsError| {
            let fault = explain(&fault);
            Fault { message: format!("item {index}: {}", fault.message), ..fault }
        };
        names[ITEM] = JsValue::from_json(item, context).map_err(faulty)?;
        names[INDEX] = JsValue::from(u32::try_from(index).unwrap_or(u32::MAX));
        kept.push(call(function, names, context)?.map_err(faulty)?.to_boolean());
    }
    Ok(json!(kept).to_string())
}

/// Calls a function and waits for the promise that it may return. The outer fault is a promise that nothing will ever settle.
fn call(function: &JsObject, names: &[JsValue], context: &mut Context) -> Result<JsResult<JsValue>, Fault> {
    let value = match function.call(&JsValue::undefined(), names, context) {
        Ok(value) => value,
        Err(fault) => return Ok(Err(fault)),
    };
    let Some(promise) = value.as_promise() else {
        return Ok(Ok(value));
    };
    if let Err(fault) = context.run_jobs() {
        return Ok(Err(fault));
    }
    match promise.state() {
        PromiseState::Fulfilled(value) => Ok(Ok(value)),
        PromiseState::Rejected(reason) => Ok(Err(JsError::from_opaque(reason))),
        PromiseState::Pending => {
            Err(Fault::new("SCRIPT_ERROR", "the script waits for a promise that nothing will settle; there are no timers here"))
        }
    }
}

/// What went wrong, for a person: the message and the line in their own code.
fn explain(fault: &JsError) -> Fault {
    match fault.as_engine() {
        Some(EngineError::RuntimeLimit(RuntimeLimitError::LoopIteration)) => {
            return Fault::new("SCRIPT_TIMEOUT", format!("a loop turned {LOOPS} times and was stopped; make the script do less"));
        }
        Some(EngineError::RuntimeLimit(_)) => {
            return Fault::new("SCRIPT_ERROR", format!("functions called each other more than {RECURSION} deep"));
        }
        _ => {}
    }
    let (message, line) = position::of(&fault.to_string());
    Fault { line, ..Fault::new("SCRIPT_ERROR", message) }
}
