//! The engine's ledger over the store's journal.

use std::sync::Arc;

use nexus_config::settings::WhenJournalFails;
use nexus_core::usage::UsageRecord;
use nexus_engine::port::{Ledger, Unbooked};
use nexus_store::journal::Journal;
use nexus_telemetry::meters::Meters;

/// Books into the journal; a record it cannot take is counted and logged, never called booked.
pub struct JournalLedger {
    pub journal: Arc<Journal>,
    pub when_failing: WhenJournalFails,
    pub meters: Arc<Meters>,
}

impl Ledger for JournalLedger {
    fn book(&self, record: &UsageRecord) -> Result<(), Unbooked> {
        self.journal.append(record).map_err(|error| {
            self.meters.booking_failed();
            tracing::error!(attempt = %record.attempt, %error, "the usage journal did not take a record");
            Unbooked
        })
    }

    fn takes_calls(&self) -> bool {
        self.gives_unbooked() || !self.journal.is_failing()
    }

    fn gives_unbooked(&self) -> bool {
        self.when_failing == WhenJournalFails::Degrade
    }
}
