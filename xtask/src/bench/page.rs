//! The benchmark's report as a table for a terminal.
//! It shows what the report holds and judges nothing by itself.

use super::Report;
use super::figures::{Cost, Goal, Ratio, Row};
use super::lab::Added;
use crate::report::Paint;

pub(super) fn render(report: &Report, paint: Paint) -> String {
    let mut out = paint.bold(format!(
        "{:<8} {:<13} {:>9} {:>9} {:>9} {:>10}\n",
        "load", "program", "CPU us", "user", "system", "p50 us"
    ));
    for row in &report.rows {
        out += &line(row.kind, "gateway", &row.gateway);
        out += &line(row.unit, "pass-through", &row.pass_through);
    }
    if let Some(money) = &report.money {
        out += &line(money.kind, "with it", &money.gateway);
        out += &line(money.unit, "without", &money.pass_through);
    }
    out += "\n";
    for Row { kind, cpu, .. } in &report.rows {
        let Ratio { median, lowest, highest } = cpu;
        out += &format!("{kind}: {median:.2} x the pass-through's CPU, {lowest:.2} to {highest:.2}\n");
    }
    out += "\n";
    for goal in &report.goals {
        let text = sentence(goal);
        out += &format!("{}\n", if goal.is_met() { paint.green(text) } else { paint.red(text) });
    }
    if let Some(Added { gateway, pass_through }) = &report.added_p50_us {
        out += &format!(
            "added p50 at 200 requests a second: gateway {gateway:.0} us, pass-through {pass_through:.0} us\n"
        );
    }
    out
}

fn line(kind: &str, program: &str, cost: &Cost) -> String {
    let Cost { user_us, system_us, total_us, p50_us } = cost;
    format!("{kind:<8} {program:<13} {total_us:>9.1} {user_us:>9.1} {system_us:>9.1} {p50_us:>10.0}\n")
}

fn sentence(goal: &Goal) -> String {
    let Goal { name, ratio, at_least, at_most } = goal;
    match (at_least, at_most) {
        (Some(least), _) => {
            format!("{name}: {ratio:.2} x the other's requests a CPU second, at least {least:.2}")
        }
        (_, Some(most)) => format!("{name}: {ratio:.2} x the pass-through's CPU a chunk, at most {most:.2}"),
        _ => format!("{name}: {ratio:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_said_with_its_target() {
        let goal = |at_least, at_most| Goal { name: "whole", ratio: 0.756, at_least, at_most };
        let cases = [
            (goal(Some(0.7), None), "whole: 0.76 x the other's requests a CPU second, at least 0.70"),
            (goal(None, Some(1.0)), "whole: 0.76 x the pass-through's CPU a chunk, at most 1.00"),
        ];
        for (goal, expected) in cases {
            assert_eq!(sentence(&goal), expected);
        }
    }
}
