//! Puts a configuration file's providers into the database: idempotently, in one transaction with its row in the
//! trail. What it says is the administration's to plan; here is only where it is done without a request.

use nexus_config::settings;
use nexus_core::role::ActorId;
use nexus_engine::{
    identity,
    port::{Clock, Dice},
};
use nexus_store::Store;

use crate::{
    admin::{
        config::{Differences, Fate, Offer, Planner},
        credentials::Sealer,
    },
    command::change::{self, Deed},
    start::StartError,
};

/// What applying needs beside the providers.
pub struct Workshop<'a> {
    pub store: &'a Store,
    pub sealer: Sealer<'a>,
    pub clock: &'a dyn Clock,
    pub dice: &'a dyn Dice,
}

/// Whether it is to be done or only told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    Real,
    Dry,
}

impl Workshop<'_> {
    /// Applies the providers of a file. `action` is the trail's word for it.
    pub fn apply(
        &self,
        providers: Vec<settings::Provider>,
        run: Run,
        actor: ActorId,
        action: &'static str,
    ) -> Result<Differences, StartError> {
        let offers = providers.into_iter().map(Offer::of_file).collect::<Result<Vec<_>, _>>()?;
        let now_ms = self.clock.unix_ms();
        let fresh_id = || identity::mint(self.clock, self.dice);
        let planner = Planner { sealer: self.sealer, fresh_id: &fresh_id, now_ms };
        change::change(self.store, now_ms, |conn| {
            let plan = planner.plan(conn, offers)?;
            if run == Run::Dry || plan.is_empty() {
                return Ok((plan.differences, None));
            }
            let after = plan.carry_out(conn, now_ms)?;
            let deed = Deed::of(action, "config", "providers").by(actor).from(&plan.before).to(&after);
            Ok((plan.differences, Some(deed)))
        })
    }

    /// At the start of a node.
    pub fn start(&self, providers: Vec<settings::Provider>) -> Result<(), StartError> {
        let differences = self.apply(providers, Run::Real, ActorId::System, "config.start")?;
        for provider in differences.providers {
            if provider.change != Fate::Unchanged {
                let (name, change) = (provider.name, provider.change);
                tracing::info!(provider = name, ?change, "a provider was applied from the configuration");
            }
        }
        Ok(())
    }
}
