//! This node among others: what it shares with them, where it is told to.

use std::{sync::Arc, time::Duration};

use nexus_cluster::{
    keeper::Keeper,
    redis::RedisKeeper,
    sharing::{Bounded, Parts, Sharer},
    table::TableKeeper,
};
use nexus_config::settings::Settings;
use nexus_engine::shared::Shared;
use nexus_keystore::shared_state::SharedState;
use nexus_store::{Store, repo::node};
use tokio::time::timeout;

use crate::{
    nodes::{Presence, Speaking},
    start::StartError,
};

/// How long the database is asked about other nodes, which nobody waits for who asks for more of a limit.
const ASKED: Duration = Duration::from_secs(1);
/// What an installation's own part of a server is named after.
const SPACE: &str = "space";

/// What makes a node one of several. Dropping it gives back what it has, and says good-bye.
pub struct Company {
    pub presence: Arc<Presence>,
    /// Dropped in this order.
    _sharer: Option<Sharer>,
    _speaking: Speaking,
}

impl Company {
    /// Says that the node is there, and shares its limits: in Redis where there is one, else in a database that
    /// several nodes can have. Comes before the first quota is looked at.
    pub fn join(
        shared: &Shared,
        state: SharedState,
        store: &Store,
        settings: &Settings,
    ) -> Result<Self, StartError> {
        let presence = Arc::new(Presence::new(&settings.node, Arc::clone(&shared.clock)));
        let speaking = Speaking::start(Arc::clone(&presence), store.clone()).map_err(StartError::Thread)?;
        let (url, is_for_many) =
            (&settings.redis_url, settings.database_url.expose().starts_with("postgres"));
        let space = state.name(SPACE);
        let parts = parts(shared, state, (&presence, store), settings);
        let sharer = match url {
            Some(url) => {
                let keeper = RedisKeeper::new(url.expose(), &space).map_err(StartError::Sharing)?;
                Some(begin(keeper, parts)?)
            }
            None if is_for_many => Some(begin(TableKeeper::new(store.clone()), parts)?),
            None => None,
        };
        Ok(Self { presence, _sharer: sharer, _speaking: speaking })
    }
}

fn parts(
    shared: &Shared,
    state: SharedState,
    (presence, store): (&Arc<Presence>, &Store),
    settings: &Settings,
) -> Parts {
    let (own, known) = (presence.id().to_string(), store.clone());
    let is_first = move || -> Bounded<bool> {
        let own = own.clone();
        let another = known.clone();
        Box::pin(async move {
            let another = another.read(move |conn| node::has_another_leased(conn, &own));
            // where nobody can say, somebody may be there
            timeout(ASKED, another).await.is_ok_and(|said| said.is_ok_and(|is_there| !is_there))
        })
    };
    let (own, known) = (Arc::clone(presence), store.clone());
    let begins = move || -> Bounded<()> {
        let (own, known) = (Arc::clone(&own), known.clone());
        let told = tokio::task::spawn_blocking(move || own.leases(&known));
        Box::pin(async move {
            if timeout(ASKED, told).await.is_err() {
                tracing::warn!("the database was not told in time that this node leases parts of limits");
            }
        })
    };
    Parts {
        quotas: Arc::clone(&shared.quotas),
        sharing: Arc::clone(&shared.sharing),
        clock: Arc::clone(&shared.clock),
        meters: Arc::clone(&shared.meters),
        node: presence.node_id(),
        shared: Arc::new(state),
        allows_alone: settings.node.allows_alone,
        folder: settings.data_dir.clone(),
        is_first: Box::new(is_first),
        begins: Box::new(begins),
    }
}

fn begin(keeper: impl Keeper + Send + 'static, parts: Parts) -> Result<Sharer, StartError> {
    Sharer::start(keeper, parts).map_err(StartError::Thread)
}
