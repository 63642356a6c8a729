//! Models: how they are reached, what they cost, and the proxy through which a sandboxed agent asks them.
//!
//! Every turn goes through a [`Meter`]: money is set aside before it and settled after it, by what the answer says that it has
//! used. The real key stays in this process.

pub(crate) mod cli;
mod config;
mod faults;
mod heard;
mod messages;
mod meter;
mod prices;
mod proxy;
mod quota;
mod random;
pub(crate) mod seat;
pub(crate) mod session;
pub(crate) mod transcript;

pub(crate) use self::proxy::{HostList, Proxy, ProxyConfig, ProxyReport};
pub use self::{
    config::{InvalidModels, ModelsConfig},
    prices::{InvalidPrices, Prices},
};
pub(crate) use self::{
    config::{Models, Upstream},
    faults::{Unanswered, waited_ms},
    messages::{Answer, Messages, Question},
    meter::Meter,
    quota::Quota,
};

/// The version of the Messages API that is spoken.
const VERSION: &str = "2023-06-01";
