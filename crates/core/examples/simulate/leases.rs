//! Nodes that share one quota through a keeper of texts, as `nexus-cluster` does it: each looks ten times a second at what
//! it needs, writes over the text it knows, and tries again where another was faster.

use nexus_core::{
    id::{KeyId, RequestId, Uuid},
    lease::{Leases, NodeId},
    quota::{Amounts, Book, Measure, Mode, Owner, Quota, Subject, WhenAlone, Window},
};

/// Calls a second that each node serves.
pub const RATE: u64 = 20;
const SECONDS: u64 = 120;
/// Between two looks of a node.
const TICK_US: u64 = 100_000;
/// From a node's ask to its answer.
const ROUND_TRIP_US: u64 = 1_000;
/// A node that asks nothing greets the keeper so often.
const GREETING_US: u64 = 1_000_000;

/// What it comes to.
pub struct Figures {
    pub messages_per_s: f64,
    /// The part of them that was in vain because another node was faster.
    pub in_vain: f64,
    pub bytes_per_s: f64,
    /// The part of the calls that waited for an answer.
    pub waited: f64,
    /// The calls that were let through, what was leased for them at the end, and the limit.
    pub used: u64,
    pub leased: u64,
    pub limit: u64,
}

impl Figures {
    /// The part of the limit that is leased and not used.
    pub fn unused(&self) -> f64 {
        self.leased.saturating_sub(self.used) as f64 / self.limit as f64
    }
}

struct Node {
    book: Book,
    id: NodeId,
    /// Which of the texts that were written it knows.
    knows: u64,
    heard_us: u64,
    /// Calls that wait for the answer.
    waiting: u64,
    used: u64,
}

/// The text, and what was sent to have it changed.
#[derive(Default)]
struct Keeper {
    leases: Leases,
    written: u64,
    written_us: Option<u64>,
    messages: u64,
    in_vain: u64,
    bytes: u64,
}

/// So many nodes for two minutes, in which they use half of the limit.
pub fn run(nodes: u64) -> Figures {
    let limit = 2 * nodes * RATE * SECONDS;
    run_on(nodes, limit)
}

fn run_on(nodes: u64, limit: u64) -> Figures {
    let quota = Quota {
        id: Uuid::from_u128(1),
        name: "shared".into(),
        subject: Subject::Platform,
        measure: Measure::Requests,
        window: Window::Total,
        limit,
        mode: Mode::Hard,
        when_alone: WhenAlone::Node,
    };
    let mut fleet: Vec<Node> = (1..=nodes).map(Node::new).collect();
    let (mut keeper, mut waited) = (Keeper::default(), 0);
    for tick in 0..SECONDS * (1_000_000 / TICK_US) {
        for (number, node) in fleet.iter_mut().enumerate() {
            // they do not look all at once
            let now_us = tick * TICK_US + number as u64 * TICK_US / nodes;
            let calls = RATE * TICK_US / 1_000_000;
            waited += node.serve(&quota, calls, now_us);
            node.turn(&mut keeper, now_us);
            node.serve_waiting(&quota, now_us);
        }
    }
    let used: u64 = fleet.iter().map(|node| node.used).sum();
    let leased: u64 = fleet.iter().map(|node| node.has(&mut keeper)).sum();
    Figures {
        messages_per_s: keeper.messages as f64 / SECONDS as f64,
        in_vain: keeper.in_vain as f64 / keeper.messages.max(1) as f64,
        bytes_per_s: keeper.bytes as f64 / SECONDS as f64,
        waited: waited as f64 / (nodes * RATE * SECONDS) as f64,
        used,
        leased,
        limit,
    }
}

impl Node {
    fn new(number: u64) -> Self {
        let (id, mut book) = (NodeId(number), Book::default());
        book.share_as(id, false);
        Self { book, id, knows: 0, heard_us: 0, waiting: 0, used: 0 }
    }

    /// How many of the calls have to wait.
    fn serve(&mut self, quota: &Quota, calls: u64, now_us: u64) -> u64 {
        self.book.tick(now_us);
        let mut waiting = 0;
        for _ in 0..calls {
            let owner = Owner {
                request: RequestId(Uuid::from_u128(u128::from(self.id.0))),
                key: KeyId(Uuid::from_u128(1)),
                until_ms: i64::MAX,
            };
            match self.book.reserve([quota].into_iter(), Amounts::default(), owner, ms(now_us)) {
                Ok(id) => {
                    self.book.release(id);
                    self.used += 1;
                }
                Err(exhausted) => waiting += u64::from(exhausted.round.is_some()),
            }
        }
        self.waiting += waiting;
        waiting
    }

    /// Calls that waited go on once, and are refused where it was for nothing.
    fn serve_waiting(&mut self, quota: &Quota, now_us: u64) {
        let waiting = std::mem::take(&mut self.waiting);
        self.serve(quota, waiting, now_us + ROUND_TRIP_US);
        self.waiting = 0;
    }

    fn turn(&mut self, keeper: &mut Keeper, now_us: u64) {
        let (_, asks) = self.book.asks(ms(now_us));
        if asks.is_empty() {
            if now_us.saturating_sub(self.heard_us) >= GREETING_US {
                keeper.messages += 1;
                self.heard_us = now_us;
            }
            return;
        }
        self.heard_us = now_us;
        // a text that is not the last one is answered with the last one
        keeper.send(self.knows == keeper.written);
        // and who writes while another's answer is on its way has to try once more
        if keeper.written_us.is_some_and(|at_us| now_us.saturating_sub(at_us) < ROUND_TRIP_US) {
            keeper.send(false);
        }
        if self.knows != keeper.written {
            keeper.send(true);
        }
        for asked in asks {
            let answer = keeper.leases.ask(&asked.ask, ms(now_us));
            self.book.answered(&asked, answer, now_us);
        }
        keeper.written += 1;
        (self.knows, keeper.written_us) = (keeper.written, Some(now_us));
    }

    /// What it has leased: what it would be left with if it asked for nothing else.
    fn has(&self, keeper: &mut Keeper) -> u64 {
        keeper.leases.amount_of(self.id)
    }
}

impl Keeper {
    fn send(&mut self, is_done: bool) {
        self.messages += 1;
        self.in_vain += u64::from(!is_done);
        self.bytes += self.leases.to_string().len() as u64;
    }
}

fn ms(us: u64) -> i64 {
    i64::try_from(us / 1_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_never_use_more_than_there_is_and_nearly_all_of_it() {
        for nodes in [1, 3, 12] {
            let limit = nodes * RATE * SECONDS / 2;
            let Figures { used, .. } = run_on(nodes, limit);
            assert!(used <= limit, "{used} of {limit} with {nodes} nodes");
            assert!(used >= limit * 99 / 100, "{used} of {limit} with {nodes} nodes");
        }
    }

    #[test]
    fn where_there_is_plenty_no_call_is_refused_and_few_wait() {
        let Figures { used, limit, waited, .. } = run(10);
        assert_eq!(used, limit / 2);
        assert!(waited < 0.02, "{waited}");
    }
}
