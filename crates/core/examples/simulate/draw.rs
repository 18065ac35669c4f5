//! The curves as an SVG picture, both axes logarithmic.

use std::fmt::Write as _;

use crate::Row;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const EDGE: f64 = 48.0;
/// Decades upwards, from one tenth on.
const DECADES: i32 = 6;

/// A curve: its name, its colour, and its value for a fleet.
type Curve = (&'static str, &'static str, fn(&Row) -> f64);

const CURVES: [Curve; 4] = [
    ("messages to Redis a second, one quota", "#c2410c", |row| row.leases.messages_per_s),
    ("statements to PostgreSQL a second", "#1d4ed8", |row| row.change.polls_per_s),
    ("a change is in force everywhere, ms", "#15803d", |row| row.change.all_ms),
    ("connects in the first second after an outage", "#7e22ce", |row| row.storm.connects_in_a_second as f64),
];

pub fn picture(rows: &[Row]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        HEIGHT + 18.0 * CURVES.len() as f64
    );
    for decade in 0..=DECADES {
        let y = up(10_f64.powi(decade - 1));
        let _infallible = writeln!(
            svg,
            "<path d=\"M{EDGE} {y:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"4\" y=\"{:.1}\">{}</text>",
            WIDTH - EDGE,
            y + 4.0,
            10_f64.powi(decade - 1)
        );
    }
    for row in rows {
        let x = along(row.nodes as f64);
        let _infallible = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 28.0,
            row.nodes
        );
    }
    for (place, (name, colour, value)) in CURVES.iter().enumerate() {
        let points: Vec<String> =
            rows.iter().map(|row| format!("{:.1},{:.1}", along(row.nodes as f64), up(value(row)))).collect();
        let y = HEIGHT + 18.0 * place as f64;
        let _infallible = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{EDGE}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>",
            points.join(" ")
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn along(nodes: f64) -> f64 {
    EDGE + nodes.log10() / 3.0 * (WIDTH - 2.0 * EDGE)
}

fn up(value: f64) -> f64 {
    let floor = HEIGHT - EDGE;
    floor - (value.max(0.1).log10() + 1.0) / f64::from(DECADES) * (floor - 16.0)
}
