//! Texts in Redis or Valkey. All names have one hash slot, so a cluster keeps them on one of its servers.
//!
//! A memory is one server's, from its start to its end: what one that starts anew read from its disk, or one that took
//! another's place was told, may lack what was written last, so it counts as another memory.

mod place;

use std::{sync::LazyLock, time::Duration};

use redis::{
    AsyncConnectionConfig, ErrorKind, FromRedisValue, RedisError, Script, ScriptInvocation, Value,
    aio::MultiplexedConnection,
};
use tokio::time::timeout;

use self::place::Place;
use crate::keeper::{Keeper, KeeperError, Memory, Outcome, Swap, Swapped};

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_millis(50);
/// How long a connection may take, which no request waits for.
const CONNECT: Duration = Duration::from_millis(1_000);

/// Changes nothing unless the memory is the expected one.
const SWAP: &str = r"
local time = redis.call('TIME')
local answer = { tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) }
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return answer end
for i = 2, #KEYS do
  local at = (i - 2) * 3 + 2
  local there = redis.pcall('GET', KEYS[i]) or ''
  if type(there) == 'table' then
    redis.call('DEL', KEYS[i])
    there = ''
  end
  if there == ARGV[at] then
    redis.call('SET', KEYS[i], ARGV[at + 1], 'PX', ARGV[at + 2])
    answer[i] = 1
  else
    answer[i] = there
  end
end
return answer
";

/// The second name has whose memory it is.
const MEMORY: &str = r"
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if run and redis.call('GET', KEYS[2]) ~= run then
  redis.call('SET', KEYS[1], ARGV[1])
  redis.call('SET', KEYS[2], run)
else
  redis.call('SET', KEYS[1], ARGV[1], 'NX')
end
local time = redis.call('TIME')
return { redis.call('GET', KEYS[1]), tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) }
";

static SWAPPING: LazyLock<Script> = LazyLock::new(|| Script::new(SWAP));
static REMEMBERING: LazyLock<Script> = LazyLock::new(|| Script::new(MEMORY));

/// The longest time the server is told to keep something.
const KEEP_MS_MAX: i64 = 400 * 86_400_000;

/// One connection, made anew when it fails.
pub struct RedisKeeper {
    place: Place,
    connection: Option<MultiplexedConnection>,
    /// In front of all names.
    prefix: String,
}

impl RedisKeeper {
    /// Of a URL such as `rediss://user:password@host:6379/0` or `redis+sentinel://host1,host2/name`; `space` sets
    /// installations on one server apart. Nothing is connected to yet.
    pub fn new(url: &str, space: &str) -> Result<Self, KeeperError> {
        // the URL may hold a password, so nothing is said of it
        let place = Place::parse(url).ok_or_else(|| KeeperError::Failed("the URL is not one".to_owned()))?;
        Ok(Self { place, connection: None, prefix: format!("{{nexus:{space}}}:") })
    }

    async fn connection(&mut self) -> Result<MultiplexedConnection, KeeperError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let made = async {
            let client = self.place.find(&config).await?;
            client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)
        };
        let made = timeout(CONNECT, made).await.unwrap_or(Err(KeeperError::Slow));
        if made.is_err() {
            self.place.look_anew();
        }
        Ok(self.connection.insert(made?).clone())
    }

    async fn run<T: FromRedisValue>(&mut self, script: &ScriptInvocation<'_>) -> Result<T, KeeperError> {
        let mut connection = self.connection().await?;
        let answer = timeout(ANSWER, script.invoke_async(&mut connection)).await;
        let answer = answer.map_err(|_| KeeperError::Slow).and_then(|answer| {
            answer.map_err(|error| {
                self.place.follow(&error);
                failed(error)
            })
        });
        if answer.is_err() {
            // an answer may still come, and would be taken for the next one's
            self.connection = None;
        }
        answer
    }

    fn memory_name(&self) -> String {
        format!("{}memory", self.prefix)
    }
}

impl Keeper for RedisKeeper {
    async fn memory(&mut self, fresh: &str) -> Result<Memory, KeeperError> {
        let mut script = REMEMBERING.prepare_invoke();
        script.key(self.memory_name()).key(format!("{}run", self.prefix)).arg(fresh);
        let (text, now_ms) = self.run(&script).await?;
        Ok(Memory { text, now_ms })
    }

    async fn swap(&mut self, memory: &str, swaps: &[Swap]) -> Result<Outcome, KeeperError> {
        let mut script = SWAPPING.prepare_invoke();
        script.key(self.memory_name()).arg(memory);
        for Swap { name, expected, text, keep_ms } in swaps {
            script.key(format!("{}{name}", self.prefix));
            script.arg(expected.as_deref().unwrap_or_default()).arg(text);
            script.arg((*keep_ms).clamp(1, KEEP_MS_MAX));
        }
        let mut values = self.run::<Vec<Value>>(&script).await?.into_iter();
        let Some(Value::Int(now_ms)) = values.next() else {
            return Err(KeeperError::Failed("its answer makes no sense".to_owned()));
        };
        let swapped: Vec<_> = values.map(swapped).collect();
        if swapped.len() == swaps.len() { Ok(Outcome { now_ms, swapped }) } else { Err(KeeperError::Forgot) }
    }
}

fn swapped(value: Value) -> Swapped {
    match value {
        Value::Int(_) => Swapped::Done,
        Value::BulkString(there) if !there.is_empty() => Swapped::Differs(Some(there)),
        _ => Swapped::Differs(None),
    }
}

/// Why, without anything the server or the URL said that may be secret.
fn failed(error: RedisError) -> KeeperError {
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            KeeperError::Failed("it does not take the name or password in `REDIS_URL`".to_owned())
        }
        _ if error.is_timeout() => KeeperError::Slow,
        _ => KeeperError::Failed(error.category().to_owned()),
    }
}
