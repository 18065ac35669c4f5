//! What a fleet asks of PostgreSQL: polls, a change that everybody reads, and everybody who comes back after an outage.
//! What the server takes for each is assumed.

/// A node asks for the revision so often.
const POLL_US: u64 = 250_000;
/// What else it sends each second: usage twice, that it is there, what is due.
const OTHERS_PER_S: f64 = 4.0;
/// Assumed: the server's cores, and how long one of them takes to read a world to a node or to take a connection.
const CORES: usize = 8;
const LOAD_US: u64 = 20_000;
const CONNECT_US: u64 = 5_000;
/// How long the threads of a node pause at most between two tries while the database is away: reloading, presence,
/// upkeep, shipping.
const PAUSES_US: [u64; 4] = [2_250_000, 3_000_000, 1_000_000, 5_000_000];

/// How a change comes to all.
pub struct Change {
    pub polls_per_s: f64,
    pub half_ms: f64,
    pub all_ms: f64,
}

/// How all come back.
pub struct Storm {
    pub connects_in_a_second: usize,
    pub all_s: f64,
}

/// A change is made at 0; each node sees it at its next poll and reads the world.
pub fn change(nodes: u64) -> Change {
    let polls: Vec<u64> = (0..nodes).map(|node| spread(node, POLL_US)).collect();
    let done = served(polls, LOAD_US);
    let at = |place: usize| done.get(place).copied().unwrap_or_default() as f64 / 1_000.0;
    Change {
        polls_per_s: nodes as f64 * (1e6 / POLL_US as f64 + OTHERS_PER_S),
        half_ms: at(done.len() / 2),
        all_ms: at(done.len().saturating_sub(1)),
    }
}

/// The database is back at 0; each thread of each node comes when its pause is over.
pub fn storm(nodes: u64) -> Storm {
    let threads = (0..nodes).flat_map(|node| PAUSES_US.into_iter().enumerate().map(move |one| (node, one)));
    let arrivals: Vec<u64> =
        threads.map(|(node, (thread, pause_us))| spread(node * 4 + thread as u64, pause_us)).collect();
    let connects_in_a_second = arrivals.iter().filter(|at_us| **at_us < 1_000_000).count();
    let done = served(arrivals, CONNECT_US);
    Storm { connects_in_a_second, all_s: done.last().copied().unwrap_or_default() as f64 / 1e6 }
}

/// Evenly spread, and the same each time.
fn spread(number: u64, over_us: u64) -> u64 {
    // the golden ratio's fraction: the most even sequence there is
    let part = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    u64::try_from((u128::from(part) * u128::from(over_us)) >> 64).unwrap_or(over_us)
}

/// When each is served who comes at these times and takes a core for so long; in order.
fn served(mut arrivals: Vec<u64>, each_us: u64) -> Vec<u64> {
    arrivals.sort_unstable();
    let mut free = [0; CORES];
    let mut done: Vec<u64> = Vec::with_capacity(arrivals.len());
    for at_us in arrivals {
        if let Some(core) = free.iter_mut().min() {
            *core = at_us.max(*core) + each_us;
            done.push(*core);
        }
    }
    done.sort_unstable();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_when_all_cores_are_taken_waits_for_the_first_that_is_free() {
        assert_eq!(served(vec![0; CORES + 1], 10), [vec![10; CORES], vec![20]].concat());
        assert_eq!(served(vec![100, 0], 10), [10, 110]);
    }

    #[test]
    fn arrivals_are_spread_over_the_whole_time() {
        let mut all: Vec<u64> = (0..100).map(|number| spread(number, 1_000)).collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] <= 20) && all[0] < 20 && all[99] >= 980);
    }
}
