//! Which server is to be connected to: the one that is named, the one sentinels know, or the one of a cluster that has
//! our names.

use redis::{AsyncConnectionConfig, Client, RedisError, cmd};

use crate::keeper::KeeperError;

/// What sentinels listen at where nothing else is said.
const SENTINEL_PORT: u16 = 26_379;

/// What the URL says.
pub(super) struct Place {
    kind: Kind,
    /// `redis` or `rediss`.
    scheme: &'static str,
    /// A name and password with the `@` behind them, or nothing.
    credentials: String,
    /// With the `/` before it, or nothing.
    database: String,
    /// Where a cluster's server has sent us.
    moved: Option<String>,
}

enum Kind {
    /// A host and a port.
    Server(String),
    Sentinels {
        hosts: Vec<String>,
        name: String,
    },
}

impl Place {
    /// Of `redis://user:password@host:6379/0` or `redis+sentinel://user:password@host1,host2/name/0`, each with
    /// `rediss` for TLS. The name and password are the server's; sentinels are asked without.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (credentials, rest) = match rest.rfind('@') {
            Some(at) => rest.split_at(at.saturating_add(1)),
            None => ("", rest),
        };
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_for_server = !scheme.ends_with("+sentinel");
        let scheme = match scheme {
            "redis" | "redis+sentinel" => "redis",
            "rediss" | "rediss+sentinel" => "rediss",
            _ => return None,
        };
        let (kind, database) =
            if is_for_server { (Kind::Server(hosts.to_owned()), path) } else { sentinels(hosts, path)? };
        let (credentials, database) = (credentials.to_owned(), database.to_owned());
        let place = Self { kind, scheme, credentials, database, moved: None };
        // what cannot be read is told before anything is connected to
        place.client("localhost:6379").ok()?;
        if let Kind::Server(host) = &place.kind {
            place.client(host).ok()?;
        }
        Some(place)
    }

    fn client(&self, host: &str) -> Result<Client, RedisError> {
        let Self { scheme, credentials, database, .. } = self;
        Client::open(format!("{scheme}://{credentials}{host}{database}"))
    }

    /// Finds the server.
    pub(super) async fn find(&self, config: &AsyncConnectionConfig) -> Result<Client, KeeperError> {
        let host = match (&self.moved, &self.kind) {
            (Some(moved), _) => moved.clone(),
            (None, Kind::Server(host)) => host.clone(),
            (None, Kind::Sentinels { hosts, name }) => self.ask(hosts, name, config).await?,
        };
        self.client(&host).map_err(|_| KeeperError::Failed("the server's address is not one".to_owned()))
    }

    /// Asks one sentinel after the other which server it is.
    async fn ask(
        &self,
        hosts: &[String],
        name: &str,
        config: &AsyncConnectionConfig,
    ) -> Result<String, KeeperError> {
        for host in hosts {
            let asked = async {
                let client = Client::open(format!("{}://{host}", self.scheme))?;
                let mut sentinel = client.get_multiplexed_async_connection_with_config(config).await?;
                let mut question = cmd("SENTINEL");
                question.arg("get-master-addr-by-name").arg(name);
                question.query_async::<Option<(String, u16)>>(&mut sentinel).await
            };
            match asked.await {
                Ok(Some((host, port))) if host.contains(':') => return Ok(format!("[{host}]:{port}")),
                Ok(Some((host, port))) => return Ok(format!("{host}:{port}")),
                // another may know it
                Ok(None) | Err(_) => {}
            }
        }
        Err(KeeperError::Failed("no sentinel knows the server".to_owned()))
    }

    /// What was asked failed with this. A cluster's server may have told where to go instead.
    pub(super) fn follow(&mut self, error: &RedisError) {
        self.moved = error.redirect_node().map(|(host, _)| host.to_owned()).or(self.moved.take());
    }

    /// There is no connecting to where we were sent.
    pub(super) fn look_anew(&mut self) {
        self.moved = None;
    }
}

/// The sentinels at these hosts and what they know the server by, and the path's rest: the database.
fn sentinels<'a>(hosts: &str, path: &'a str) -> Option<(Kind, &'a str)> {
    let named = path.strip_prefix('/')?;
    let (name, database) = named.split_at(named.find('/').unwrap_or(named.len()));
    let hosts: Vec<String> = hosts.split(',').map(with_port).collect();
    let is_sound = !name.is_empty() && hosts.iter().all(|host| !host.starts_with(':'));
    is_sound.then(|| (Kind::Sentinels { hosts, name: name.to_owned() }, database))
}

fn with_port(host: &str) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    if has_port { host.to_owned() } else { format!("{host}:{SENTINEL_PORT}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_a_server_or_sentinels_that_know_it() {
        for (url, expected) in [
            ("redis://cache:6379", Some("redis://cache:6379")),
            ("rediss://u:p@cache/2", Some("rediss://u:p@cache/2")),
            ("redis+sentinel://u:p@a,b:7,[::1]/main/2", Some("redis://u:p@[a:26379 b:7 [::1]:26379]main/2")),
            ("rediss+sentinel://a/main", Some("rediss://[a:26379]main")),
            ("redis+sentinel://a", None),
            ("redis+sentinel://a/", None),
            ("redis+sentinel:///main", None),
            ("redis://cache:port", None),
            ("redis://cache/x", None),
            ("http://cache", None),
        ] {
            let read =
                Place::parse(url).map(|Place { kind, scheme, credentials, database, .. }| match kind {
                    Kind::Server(host) => format!("{scheme}://{credentials}{host}{database}"),
                    Kind::Sentinels { hosts, name } => {
                        format!("{scheme}://{credentials}[{}]{name}{database}", hosts.join(" "))
                    }
                });
            assert_eq!(read.as_deref(), expected, "{url}");
        }
    }
}
