//! `cargo xtask outage`: three nodes under load lose Redis, PostgreSQL or both, in every way a server can be lost, and one
//! of their own. No request may fail and no usage may be lost or doubled; how long things took is told.

use std::process::Child;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::fleet::{Fleet, Load, ended};
use crate::instance::{Binaries, Profile};
use crate::relay::{Relay, Way};
use crate::workspace::Workspace;

const NODES: usize = 3;
/// Between the begin of a load and what is done meanwhile.
const MARGIN: Duration = Duration::from_millis(500);
/// How late slow answers come.
const LATE: Duration = Duration::from_secs(20);
/// How long catching up may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds of each phase: before, during and after
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Requests a second over all nodes
    #[arg(long, default_value_t = 150)]
    pub rate: u32,
    /// What is taken away; all of it where none is named
    #[arg(long, value_enum)]
    pub only: Vec<What>,
    /// How; every way where none is named
    #[arg(long, value_enum)]
    pub how: Vec<How>,
    /// With programs that were not optimised
    #[arg(long)]
    pub debug: bool,
}

impl Options {
    /// Among the tests.
    pub(crate) fn short() -> Self {
        let how = vec![How::Killed, How::Stopped, How::Cut];
        Self { seconds: 2, rate: 30, only: Vec::new(), how, debug: true }
    }
}

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    Redis,
    Postgres,
    Both,
    Node,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// `kill -9`, and started again.
    Killed,
    /// It stands still: its sockets are open and nobody answers.
    Stopped,
    /// Bytes vanish on the way.
    Cut,
    /// Answers come twenty seconds late.
    Slow,
}

const CASES: &[(What, &[How])] = &[
    (What::Redis, &[How::Killed, How::Stopped, How::Cut, How::Slow]),
    (What::Postgres, &[How::Killed, How::Stopped, How::Cut, How::Slow]),
    (What::Both, &[How::Killed, How::Stopped, How::Cut]),
    (What::Node, &[How::Stopped]),
];

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let profile = if options.debug { Profile::Debug } else { Profile::Release };
    let binaries = Binaries::build(workspace, profile)?;
    check(workspace, &binaries, options)
}

/// Every case that is wanted; whether nothing failed and nothing was lost.
pub(crate) fn check(workspace: &Workspace, binaries: &Binaries, options: &Options) -> Result<bool> {
    let mut fleet = Fleet::start(workspace, binaries, NODES)?;
    // what is leased ahead follows what is used
    ended(fleet.load(options.rate, Duration::from_secs(3))?)?;
    println!("away       how        failed  of requests   p99 before / during / after, ms   caught up in");
    let mut is_good = true;
    for (what, ways) in
        CASES.iter().filter(|(what, _)| options.only.is_empty() || options.only.contains(what))
    {
        for how in ways.iter().filter(|how| options.how.is_empty() || options.how.contains(how)) {
            is_good &= case(&mut fleet, (*what, *how), options)?;
        }
    }
    let usage = fleet.usage(PATIENCE)?;
    println!("usage: {} served, {} lost, {} doubled", usage.served, usage.lost, usage.doubled);
    Ok(is_good && usage.served > 0 && usage.lost == 0 && usage.doubled == 0)
}

fn case(fleet: &mut Fleet, (what, how): (What, How), options: &Options) -> Result<bool> {
    let (time, rate) = (Duration::from_secs(options.seconds), options.rate);
    let before = ended(fleet.load(rate, time)?)?;
    let during = fleet.load(rate, time.saturating_add(MARGIN))?;
    std::thread::sleep(MARGIN);
    fleet.begin(what, how)?;
    let (during, held) = if what == What::Node { others(during)? } else { (ended(during)?, Vec::new()) };
    let after = fleet.load(rate, time.saturating_add(MARGIN))?;
    std::thread::sleep(MARGIN);
    fleet.end(what, how)?;
    // what was under way at a node that stood still is answered now, late as it is, and booked
    ended(held)?;
    let took = fleet.catch_up(PATIENCE)?;
    let after = ended(after)?;
    ensure!(fleet.is_whole()?, "the mock provider ended");
    let all = [before, during, after];
    let failed: u64 = all.iter().map(|load| load.errors).sum();
    let requests: u64 = all.iter().map(|load| load.requests).sum::<u64>().saturating_add(failed);
    let [before, during, after] = all.map(|load: Load| load.p99_us as f64 / 1000.0);
    println!(
        "{:<10} {:<10} {failed:>6}  {requests:>11}   {before:>9.1} / {during:>8.1} / {after:>8.1}       {:>6.1} s",
        format!("{what:?}").to_lowercase(),
        format!("{how:?}").to_lowercase(),
        took.as_secs_f64(),
    );
    Ok(failed == 0)
}

/// What the loads at all nodes but the first came to, and that one, which stands still until its node goes on.
fn others(mut loads: Vec<Child>) -> Result<(Load, Vec<Child>)> {
    let of_others = loads.split_off(1);
    Ok((ended(of_others)?, loads))
}

impl Fleet {
    fn begin(&mut self, what: What, how: How) -> Result<()> {
        if what == What::Node {
            self.signal_first("STOP");
            return Ok(());
        }
        let (is_redis, is_postgres) = (what != What::Postgres, what != What::Redis);
        match how {
            How::Killed => {
                if is_redis {
                    self.redis.service.kill_all()?;
                }
                if is_postgres {
                    self.postgres.service.kill_all()?;
                }
            }
            How::Stopped => self.signal(is_redis, is_postgres, "STOP"),
            How::Cut => self.be(is_redis, is_postgres, Way::Cut),
            How::Slow => self.be(is_redis, is_postgres, Way::Slow(LATE)),
        }
        Ok(())
    }

    fn end(&mut self, what: What, how: How) -> Result<()> {
        if what == What::Node {
            self.signal_first("CONT");
            return Ok(());
        }
        let (is_redis, is_postgres) = (what != What::Postgres, what != What::Redis);
        match how {
            How::Killed => {
                if is_redis {
                    self.redis.start_again()?;
                }
                if is_postgres {
                    self.postgres.start_again()?;
                }
            }
            How::Stopped => self.signal(is_redis, is_postgres, "CONT"),
            How::Cut | How::Slow => self.be(is_redis, is_postgres, Way::Open),
        }
        Ok(())
    }

    fn signal_first(&self, name: &str) {
        if let Some(node) = self.nodes.first() {
            node.service.signal_all(name);
        }
    }

    fn signal(&self, is_redis: bool, is_postgres: bool, name: &str) {
        if is_redis {
            self.redis.service.signal_all(name);
        }
        if is_postgres {
            self.postgres.service.signal_all(name);
        }
    }

    fn be(&self, is_redis: bool, is_postgres: bool, way: Way) {
        let relays = [(is_redis, &self.to_redis), (is_postgres, &self.to_postgres)];
        let wanted = relays.into_iter().filter(|(is_wanted, _)| *is_wanted);
        wanted.for_each(|(_, relay): (bool, &Relay)| relay.be(way));
    }
}
