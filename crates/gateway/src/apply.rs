//! Puts a configuration file's providers, rules, prices and quotas into the database: idempotently, in one transaction with its row in the
//! trail. What it says is the administration's to plan; here is only where it is done without a request.

use nexus_config::settings::{self, Settings};
use nexus_core::role::ActorId;
use nexus_engine::{
    identity,
    port::{Clock, Dice},
};
use nexus_store::{Store, repo::setting};

use crate::{
    admin::{
        config::{Differences, Fate, Offer, OfferedQuota, Offers, Planner},
        credentials::Sealer,
        problem::Problem,
    },
    command::change::{self, Deed},
    start::StartError,
};

/// What of a configuration file goes into the database.
#[derive(Default)]
pub struct File {
    pub providers: Vec<settings::Provider>,
    pub rules: Vec<settings::Rule>,
    pub prices: Vec<settings::Price>,
    pub quotas: Vec<settings::Quota>,
    pub default_provider: Option<String>,
}

impl File {
    /// Takes it out of the settings.
    pub fn take(settings: &mut Settings) -> Self {
        Self {
            providers: std::mem::take(&mut settings.providers),
            rules: std::mem::take(&mut settings.rules),
            prices: std::mem::take(&mut settings.prices),
            quotas: std::mem::take(&mut settings.quotas),
            default_provider: settings.default_provider.take(),
        }
    }

    fn offers(self) -> Result<Offers, Problem> {
        let providers = self.providers.into_iter().map(Offer::of_file).collect::<Result<Vec<_>, _>>()?;
        Ok(Offers {
            providers,
            rules: self.rules.into_iter().map(Into::into).collect(),
            prices: self.prices.into_iter().map(Into::into).collect(),
            quotas: self.quotas.into_iter().map(OfferedQuota::of_file).collect::<Result<_, _>>()?,
        })
    }
}

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
    /// Applies what a file says. `action` is the trail's word for it.
    pub fn apply(
        &self,
        file: File,
        run: Run,
        actor: ActorId,
        action: &'static str,
    ) -> Result<Differences, StartError> {
        let offers = file.offers()?;
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
    pub fn start(&self, mut file: File) -> Result<(), StartError> {
        let default_provider = file.default_provider.take();
        let differences = self.apply(file, Run::Real, ActorId::System, "config.start")?;
        for rule in differences.rules {
            if rule.change != Fate::Unchanged {
                let (alias, change) = (rule.alias, rule.change);
                tracing::info!(alias, team = rule.team, ?change, "a rule was applied from the configuration");
            }
        }
        for price in differences.prices {
            if price.change != Fate::Unchanged {
                let (model, provider) = (price.real_name, price.provider);
                tracing::info!(model, provider, "a price was applied from the configuration");
            }
        }
        for quota in differences.quotas {
            if quota.change != Fate::Unchanged {
                let (name, change) = (quota.name, quota.change);
                tracing::info!(quota = name, ?change, "a quota was applied from the configuration");
            }
        }
        for provider in differences.providers {
            if provider.change != Fate::Unchanged {
                let (name, change) = (provider.name, provider.change);
                tracing::info!(provider = name, ?change, "a provider was applied from the configuration");
            }
        }
        match default_provider {
            Some(name) => self.take_what_names_no_model(name),
            None => Ok(()),
        }
    }

    /// Makes a provider the one that takes what names no model.
    fn take_what_names_no_model(&self, name: String) -> Result<(), StartError> {
        change::change(self.store, self.clock.unix_ms(), |conn| {
            let before = setting::find_chosen(conn, setting::DEFAULT_PROVIDER)?;
            if before.as_deref() == Some(name.as_str()) {
                return Ok(((), None));
            }
            setting::choose(conn, setting::DEFAULT_PROVIDER, &name)?;
            let deed = Deed::of("setting.update", "setting", setting::DEFAULT_PROVIDER).by(ActorId::System);
            Ok(((), Some(deed.from(&before).to(&name))))
        })
    }
}
