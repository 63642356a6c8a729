//! One question, one answer: the Messages API without tools, metered, with an answer that fits a schema if one is wanted.

mod schema;

use std::{sync::Arc, time::Duration};

use flowforge_core::{
    money::{Micros, Tokens},
    node::{Context, NodeError},
};
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use self::schema::Wanted;
use super::{
    Meter, Models, Unanswered, Upstream, VERSION,
    faults::{broken_off, refusal},
    heard::Heard,
};
use crate::egress::{Call, Egress, body};

/// How long the model may be silent. It says `ping` every few seconds while it thinks.
const IDLE: Duration = Duration::from_secs(300);
/// How long the model may take before it says anything: as long as the provider lets a request go on.
const FIRST: Duration = Duration::from_secs(600);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 16 << 20;
/// How much of an answer that does not fit is shown in the error, in characters.
const SHOWN: usize = 4000;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// The model's name.
    pub(crate) model: String,
    /// What the model is to know of its task.
    pub(crate) system: Option<String>,
    /// The messages so far, as the Messages API takes them; the last one is answered.
    pub(crate) messages: Vec<Value>,
    /// The most that it may write.
    pub(crate) max_tokens: u64,
    /// How freely it chooses its words.
    pub(crate) temperature: Option<f64>,
    /// What ends the answer.
    pub(crate) stop_sequences: Vec<String>,
    /// A JSON Schema that the answer must fit.
    pub(crate) schema: Option<Value>,
    /// The most that all turns of the step may cost.
    pub(crate) step_cap: Option<Micros>,
    /// Whether the answer is kept, and taken if it was kept before.
    pub(crate) is_kept: bool,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The text, or the JSON that fits the schema.
    pub(crate) result: Value,
    /// What the model said.
    pub(crate) text: String,
    /// Which model.
    pub(crate) model: String,
    /// Why it ended, for example `end_turn` or `max_tokens`.
    pub(crate) stop_reason: String,
    /// What this question has used; nothing when the answer was kept.
    #[serde(skip)]
    pub(crate) usage: Tokens,
    /// What it has cost.
    #[serde(skip)]
    pub(crate) cost: Micros,
    /// Whether it was answered before.
    #[serde(skip)]
    pub(crate) cached: bool,
}

/// Asks models.
#[derive(Debug, Clone)]
pub(crate) struct Messages {
    models: Arc<Models>,
    egress: Arc<Egress>,
}

impl Messages {
    pub(crate) fn new(models: Arc<Models>, egress: Arc<Egress>) -> Self {
        Self { models, egress }
    }

    /// Asks, with the given key or else the operator's. An answer that does not fit the schema is asked to be repaired once.
    ///
    /// # Errors
    /// `Short` and `Quota` are waited for (`Unanswered::outcome`). `OUTPUT_INVALID` when the answer does not fit in the end,
    /// `MODEL_REFUSED` when the model declines, and what `faults` lists.
    pub(crate) async fn ask(&self, question: &Question, api_key: Option<&str>, cx: &Context) -> Result<Answer, Unanswered> {
        let wanted = question.schema.as_ref().map(Wanted::new).transpose()?;
        let upstream = self.models.upstream(api_key, cx)?;
        let mut request = question.request(wanted.as_ref());
        let name = name_of(&upstream, &request);
        if question.is_kept
            && let Some(kept) = cx.answers.get(&name).await?
            && let Ok(answer) = serde_json::from_value::<Answer>(kept)
        {
            return Ok(Answer { cached: true, ..answer });
        }
        let meter = Meter::new(cx.purse.clone(), self.models.prices(), question.step_cap, &cx.effect_key, cx.log.clone())?;
        let mut heard = self.turn(&meter, &upstream, &request).await?;
        let mut read = read(&heard, wanted.as_ref());
        if let Err(unfit) = &read
            && unfit.may_be_repaired
        {
            add_repair(&mut request, &heard.text, &unfit.why);
            heard = self.turn(&meter, &upstream, &request).await?;
            read = self::read(&heard, wanted.as_ref());
        }
        let sum = meter.sum();
        let result = read.map_err(|unfit| unfit.told(&heard, sum.cost))?;
        let stop_reason = heard.stop_reason.unwrap_or_default();
        let answer = Answer {
            result,
            text: heard.text,
            model: heard.model,
            stop_reason,
            usage: sum.tokens,
            cost: sum.cost,
            cached: false,
        };
        if question.is_kept && answer.stop_reason != "max_tokens" {
            let kept = serde_json::to_value(&answer).map_err(|fault| NodeError::fatal("INTERNAL", fault.to_string()))?;
            cx.answers.put(&name, &kept).await?;
        }
        Ok(answer)
    }

    /// One request and its bill.
    async fn turn(&self, meter: &Arc<Meter>, upstream: &Upstream, request: &Value) -> Result<Heard, Unanswered> {
        let bytes = request.to_string();
        let call = call(upstream, upstream.url("/v1/messages"), headers(upstream)?, bytes.clone().into());
        check_plain(&self.egress, upstream).await?;
        let mut turn = meter.begin(request, bytes.len()).await?;
        let answer = match self.egress.call(call).await {
            Ok(answer) => answer,
            Err(fault) if was_unsent(&fault) => {
                turn.free().await;
                return Err(fault.into());
            }
            Err(fault) => {
                turn.settle().await;
                return Err(fault.into());
            }
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        if status != StatusCode::OK || !is_stream(&headers) {
            let read = body(answer, LARGEST, Some(IDLE)).await;
            let json = read.as_ref().ok().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok()).unwrap_or_default();
            turn.heard.read(&json);
            if status == StatusCode::OK && (turn.heard.has_begun || read.is_err()) {
                turn.settle().await;
                return read.map(|_| turn.heard.clone()).map_err(Unanswered::from);
            }
            turn.free().await;
            read?;
            return Err(if status == StatusCode::OK { odd() } else { keyless(refusal(status, &headers, &json), upstream) });
        }
        let streamed = stream(answer, &mut turn.heard).await;
        if streamed.is_ok() && !turn.heard.has_begun {
            turn.free().await;
            return Err(odd());
        }
        turn.settle().await;
        streamed?;
        Ok(turn.heard.clone())
    }
}

impl Question {
    fn request(&self, wanted: Option<&Wanted>) -> Value {
        let mut request = Map::new();
        let mut put = |name: &str, value: Value| drop(request.insert(name.to_owned(), value));
        put("model", self.model.as_str().into());
        put("max_tokens", self.max_tokens.into());
        put("messages", self.messages.clone().into());
        if let Some(system) = &self.system {
            put("system", system.as_str().into());
        }
        if let Some(temperature) = self.temperature {
            put("temperature", temperature.into());
        }
        if !self.stop_sequences.is_empty() {
            put("stop_sequences", self.stop_sequences.clone().into());
        }
        if let Some(wanted) = wanted {
            put("output_config", json!({"format": {"type": "json_schema", "schema": wanted.asked}}));
        }
        put("stream", true.into());
        Value::Object(request)
    }
}

/// What an answer is kept under: a hash of where and what was asked, without the key.
fn name_of(upstream: &Upstream, request: &Value) -> String {
    let asked = json!([upstream.base_url.as_str(), request]).to_string();
    Sha256::digest(asked).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A call of the Messages API. A redirect would give the key to somebody else, so none is followed.
pub(super) fn call(upstream: &Upstream, url: reqwest::Url, headers: HeaderMap, body: bytes::Bytes) -> Call {
    let secret_hosts = upstream.secret_hosts.clone();
    Call { headers, body, redirects: 0, idle: Some(FIRST), secret_hosts, ..Call::plain(Method::POST, url) }
}

fn headers(upstream: &Upstream) -> Result<HeaderMap, NodeError> {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", upstream.key()?);
    headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(headers)
}

/// Refuses plain http to where the operator's list names no network: everybody on the way could read the key.
pub(super) async fn check_plain(egress: &Egress, upstream: &Upstream) -> Result<(), NodeError> {
    if upstream.base_url.scheme() == "http" && !egress.destination(&upstream.base_url).await?.trusted {
        let message = "plain http shows everybody the model's key; use https, or let the operator name the network in \
                       FLOWFORGE_EGRESS_ALLOW";
        return Err(NodeError::fatal("EGRESS_DENIED", message));
    }
    Ok(())
}

/// Whether a call failed before anything was sent, so that it cannot have cost anything.
pub(super) fn was_unsent(fault: &NodeError) -> bool {
    fault.details["sent"] == false || !matches!(&*fault.code, "NETWORK_ERROR" | "HTTP_TIMEOUT")
}

pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with("text/event-stream"))
}

/// Reads a stream to the end of the message.
async fn stream(mut answer: crate::egress::Answer, heard: &mut Heard) -> Result<(), NodeError> {
    let mut size = 0;
    while !heard.is_over {
        let silent = |_| NodeError::retry("HTTP_TIMEOUT", format!("the model was silent for {} seconds", IDLE.as_secs()));
        let cut = |fault: reqwest::Error| {
            NodeError::retry("NETWORK_ERROR", format!("the model's answer was cut short: {}", fault.without_url()))
        };
        let Some(chunk) = timeout(IDLE, answer.chunk()).await.map_err(silent)?.map_err(cut)? else { break };
        size += chunk.len();
        heard.hear(&chunk);
        if let Some((kind, said)) = &heard.error {
            return Err(broken_off(kind, said));
        }
        if size > LARGEST {
            return Err(NodeError::fatal("RESPONSE_TOO_LARGE", format!("the model answered more than {LARGEST} bytes")));
        }
    }
    if heard.has_begun && !heard.is_over {
        return Err(NodeError::retry("NETWORK_ERROR", "the model's answer ends in the middle"));
    }
    Ok(())
}

fn odd() -> Unanswered {
    Unanswered::Failed(NodeError::retry("INVALID_RESPONSE", "the model's server answered what is no message"))
}

/// A refusal without the key, should the server have repeated it.
fn keyless(refused: Unanswered, upstream: &Upstream) -> Unanswered {
    match refused {
        Unanswered::Failed(fault) => Unanswered::Failed(NodeError { message: upstream.without_key(&fault.message), ..fault }),
        other => other,
    }
}

/// Why an answer is not what was wanted.
struct Unfit {
    code: &'static str,
    why: String,
    may_be_repaired: bool,
}

impl Unfit {
    fn told(self, heard: &Heard, cost: Micros) -> NodeError {
        let text: String = heard.text.chars().take(SHOWN).collect();
        let details = json!({"text": text, "stop_reason": heard.stop_reason, "cost_usd": cost.usd()});
        NodeError::fatal(self.code, self.why).with_details(details)
    }
}

/// The text, or the JSON in it.
fn read(heard: &Heard, wanted: Option<&Wanted>) -> Result<Value, Unfit> {
    let stopped = heard.stop_reason.as_deref();
    if stopped == Some("refusal") {
        let why = "the model declines to answer; ask differently".to_owned();
        return Err(Unfit { code: "MODEL_REFUSED", why, may_be_repaired: false });
    }
    let Some(wanted) = wanted else { return Ok(heard.text.as_str().into()) };
    if stopped == Some("max_tokens") {
        let why = "the answer is cut off before its JSON ends; raise `max_tokens`".to_owned();
        return Err(Unfit { code: "OUTPUT_INVALID", why, may_be_repaired: false });
    }
    wanted.read(&heard.text).map_err(|why| Unfit { code: "OUTPUT_INVALID", why, may_be_repaired: true })
}

/// Adds what the model is told of an answer that does not fit.
fn add_repair(request: &mut Value, text: &str, why: &str) {
    let said = if text.trim().is_empty() { "(nothing)" } else { text };
    let told = format!("This does not fit the schema: {why}. Answer again, with nothing but JSON that fits it.");
    let more = [json!({"role": "assistant", "content": said}), json!({"role": "user", "content": told})];
    if let Some(messages) = request["messages"].as_array_mut() {
        messages.extend(more);
    }
}
