//! What one to a thousand nodes ask of what they share, by a clock that is made up: nothing is waited for and nothing is
//! connected to. The leases are the product's own state machine; what a database or a network takes is assumed, and said.
//!
//! `cargo xtask simulate` runs it; with the name of a file it draws the curves there.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod database;
mod draw;
mod leases;

use std::io;

/// Fleets that are looked at.
const NODES: [u64; 7] = [1, 3, 10, 30, 100, 300, 1_000];

/// What a fleet of one size comes to.
struct Row {
    nodes: u64,
    leases: leases::Figures,
    change: database::Change,
    storm: database::Storm,
}

fn row(nodes: u64) -> Row {
    Row { nodes, leases: leases::run(nodes), change: database::change(nodes), storm: database::storm(nodes) }
}

fn main() -> io::Result<()> {
    let rows: Vec<Row> = NODES.into_iter().map(row).collect();
    println!(
        "        |        one quota, {} calls a second and node        |  PostgreSQL  | a change is in force  | after an outage of a minute",
        leases::RATE
    );
    println!(
        "  nodes | Redis msg/s  in vain   kB/s   waited   unused      | polls/s      | half    everywhere     | connects in 1 s  all there"
    );
    for Row { nodes, leases, change, storm } in &rows {
        println!(
            "{nodes:>7} | {:>11.1}  {:>6.1}% {:>7.1} {:>7.3}% {:>7.2}%     | {:>9.0}    | {:>5.0} ms {:>8.0} ms     | {:>13}  {:>7.1} s",
            leases.messages_per_s,
            leases.in_vain * 100.0,
            leases.bytes_per_s / 1_000.0,
            leases.waited * 100.0,
            leases.unused() * 100.0,
            change.polls_per_s,
            change.half_ms,
            change.all_ms,
            storm.connects_in_a_second,
            storm.all_s,
        );
    }
    match std::env::args_os().nth(1) {
        Some(file) => std::fs::write(file, draw::picture(&rows)),
        None => Ok(()),
    }
}
