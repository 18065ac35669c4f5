//! Which target first, which next: a pure function of the route and the dice.

use std::sync::Arc;

use crate::catalogue::{Route, Target};

/// The targets of a route in the order they are to be tried: a weighted draw without replacement.
///
/// `dice(bound)` answers a number below `bound`. Targets of weight 0 come after all others.
pub fn order(route: &Route, mut dice: impl FnMut(u64) -> u64) -> Vec<Arc<Target>> {
    let mut waiting: Vec<Arc<Target>> = route.targets.clone();
    let mut ordered = Vec::with_capacity(waiting.len());
    while waiting.len() > 1 {
        let total: u64 = waiting.iter().map(|target| u64::from(target.provider.weight)).sum();
        let drawn = if total == 0 { 0 } else { draw(&waiting, dice(total)) };
        ordered.push(waiting.remove(drawn));
    }
    ordered.append(&mut waiting);
    ordered
}

/// The index of the target whose share of the weights contains `point`.
fn draw(targets: &[Arc<Target>], point: u64) -> usize {
    let mut passed = 0u64;
    targets
        .iter()
        .position(|target| {
            passed = passed.saturating_add(u64::from(target.provider.weight));
            point < passed
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::Provider,
        endpoint::Endpoint,
        id::{ProviderId, RouteId, Uuid},
    };

    fn route(weights: &[u32]) -> Route {
        let targets = weights
            .iter()
            .enumerate()
            .map(|(at, weight)| {
                let provider = Provider {
                    id: ProviderId(Uuid::from_u128(at as u128)),
                    name: at.to_string().into(),
                    kind: "openai".into(),
                    endpoint: Endpoint::parse("https://one.example/v1").unwrap(),
                    options: Default::default(),
                    allow_private_network: false,
                    weight: *weight,
                    rate_limit: None,
                };
                Arc::new(Target {
                    route: RouteId(Uuid::from_u128(at as u128)),
                    provider: Arc::new(provider),
                    real_model: "m".into(),
                    region: None,
                    rate_limit: None,
                })
            })
            .collect();
        Route { alias: "a".into(), created_at_s: 0, targets }
    }

    fn names(targets: &[Arc<Target>]) -> String {
        targets.iter().map(|target| &*target.provider.name).collect()
    }

    #[test]
    fn the_dice_decide_in_proportion_to_the_weights() {
        let route = route(&[3, 1]);
        let first: Vec<_> = (0..4).map(|roll| names(&order(&route, |_| roll))).collect();
        assert_eq!(first, ["01", "01", "01", "10"]);
    }

    #[test]
    fn every_target_is_offered_exactly_once_and_weight_zero_comes_last() {
        for roll in 0..7 {
            let ordered = names(&order(&route(&[0, 5, 0, 2]), |bound| roll % bound));
            assert!(ordered.ends_with("02"), "{ordered}");
            assert_eq!(ordered.len(), 4);
        }
        assert!(order(&route(&[]), |_| 0).is_empty());
    }
}
