//! Whether a Redis can be used, for those who ask before a server does.

use redis::{AsyncConnectionConfig, Client, RedisError, Script};

use super::link::ANSWER;

/// The version of the Redis that answers and runs scripts, as queues are read with one.
pub(in crate::queue) async fn check(url: &str) -> Result<String, RedisError> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(Some(ANSWER));
    let mut connection = Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await?;
    let _: i64 = Script::new("return 1").invoke_async(&mut connection).await?;
    let told: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let version = told.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(version.unwrap_or("of an unknown version").trim().to_owned())
}
