//! The opened credentials of a provider: which one a request shows, and what becomes of it by the answer.
//!
//! One that fails is not drawn again for the same request; a request fails over inside its provider's pool before
//! it goes elsewhere.

use std::{borrow::Cow, fmt, sync::Arc};

use nexus_core::{
    catalogue::Target,
    fault::{Class, Fault},
    id::CredentialId,
    limit::RateLimit,
    pool::{Standing, Trust},
};
use nexus_keystore::secret::Secret;
use nexus_wire::mark::Mark;

use crate::{port::Dice, sealed};

/// A provider's opened credential. It cannot be printed or serialised.
#[derive(Clone)]
pub struct Credential {
    pub id: CredentialId,
    /// Another one whenever another secret is entered or the same is sealed anew: with the id it names one
    /// secret for ever.
    pub generation: i64,
    pub secret: Arc<Secret>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// A credential in its provider's pool.
#[derive(Clone, Debug)]
pub struct Member {
    pub credential: Credential,
    pub share: u32,
    /// Requests a minute with this credential.
    pub rate_limit: Option<Arc<RateLimit>>,
    pub trust: Arc<Trust>,
}

impl Member {
    /// Whether nothing stands in the way of a request; what has a limit of its own is asked elsewhere.
    fn takes(&self, model: &str, tried: &Tried, now_us: u64) -> bool {
        tried.0.is_empty()
            && self.rate_limit.is_none()
            && self.trust.standing(model, now_us) == Standing::Good
    }

    /// One that nothing is known of.
    pub fn new(credential: Credential, share: u32, rate_limit: Option<Arc<RateLimit>>) -> Self {
        Self { credential, share, rate_limit, trust: Arc::default() }
    }
}

/// The opened credentials of one provider, in the order they were made.
#[derive(Clone, Debug, Default)]
pub struct Credentials(Arc<[Member]>);

/// Those that failed for a request.
#[derive(Debug, Default)]
pub struct Tried(Vec<CredentialId>);

/// What is shown to the provider.
#[derive(Debug)]
pub enum Drawn<'a> {
    /// The provider has no credential.
    Nothing,
    Member(&'a Member),
    /// Every credential is out, at rest, at its limit, or was tried.
    Spent(Fault),
}

/// What an answer means for the credential that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Same,
    /// Another credential may fare better.
    Elsewhere,
    /// The same, and this one is out from now on.
    Out,
    /// It was out and is back.
    Back,
}

/// For what a rest holds: vendors limit by model, and by region.
pub fn limited_as<'a>(target: &Target, real_model: &'a str) -> Cow<'a, str> {
    match &target.region {
        Some(region) => Cow::Owned(format!("{real_model} in {region}")),
        None => Cow::Borrowed(real_model),
    }
}

impl Credentials {
    pub fn new(pool: Vec<Member>) -> Self {
        Self(pool.into())
    }

    /// Every one of them.
    pub fn members(&self) -> &[Member] {
        &self.0
    }

    /// One of them.
    pub fn member(&self, id: CredentialId) -> Option<&Member> {
        self.0.iter().find(|member| member.credential.id == id)
    }

    /// How many are out.
    pub fn out(&self, now_us: u64) -> usize {
        self.0.iter().filter(|member| member.trust.condition(now_us).out.is_some()).count()
    }

    /// Draws one: a probe that is due first, else by share among those that take a request for this model; none but
    /// the one of this mark, where there is such a wish.
    pub fn draw(
        &self,
        model: &str,
        (tried, only): (&Tried, Option<Mark>),
        now_us: u64,
        dice: &dyn Dice,
    ) -> Drawn<'_> {
        match &*self.0 {
            [] => return Drawn::Nothing,
            [only] if only.takes(model, tried, now_us) => return Drawn::Member(only),
            _ => {}
        }
        let mut free = Vec::with_capacity(self.0.len());
        let mut waits = Waits::default();
        let may = |member: &&Member| {
            only.is_none_or(|only| sealed::is_of(&member.credential, only))
                && !tried.0.contains(&member.credential.id)
        };
        for member in self.0.iter().filter(may) {
            match member.trust.standing(model, now_us) {
                Standing::Good => free.push(member),
                Standing::Due if member.trust.claim(model, now_us) => return Drawn::Member(member),
                Standing::Due | Standing::Out { .. } => waits.is_out = true,
                Standing::Resting { until_us } => waits.until(until_us),
            }
        }
        while !free.is_empty() {
            let member = free.swap_remove(drawn(&free, dice));
            match member.rate_limit.as_ref().map_or(Ok(()), |limit| limit.take(now_us)) {
                Ok(()) => return Drawn::Member(member),
                Err(wait_us) => waits.until(now_us.saturating_add(wait_us)),
            }
        }
        Drawn::Spent(waits.fault(now_us))
    }

    /// Hears how the provider answered to `member`.
    pub fn heard(member: &Member, model: &str, answer: Result<(), &Fault>, now_us: u64) -> Heard {
        let trust = &member.trust;
        let Err(fault) = answer else {
            return if trust.accepted(now_us) { Heard::Back } else { Heard::Same };
        };
        match fault.class {
            Class::Credential | Class::Billing => {
                if trust.refused(fault.class, now_us) {
                    Heard::Out
                } else {
                    Heard::Elsewhere
                }
            }
            Class::RateLimited => {
                let wait_us = fault.retry_after_ms.map(|wait_ms| wait_ms.saturating_mul(1000));
                trust.limited(model, wait_us, now_us);
                Heard::Elsewhere
            }
            // whoever judges the request has let it in
            Class::BadRequest | Class::ContextLength | Class::ContentFilter | Class::TooLarge
                if trust.accepted(now_us) =>
            {
                Heard::Back
            }
            // what another account sealed
            Class::BadRequest if code(fault) == Some(SEALED_ELSEWHERE) => Heard::Elsewhere,
            _ => Heard::Same,
        }
    }
}

impl Tried {
    /// Whether this one failed.
    pub fn has(&self, member: &Member) -> bool {
        self.0.contains(&member.credential.id)
    }

    pub fn push(&mut self, member: &Member) {
        self.0.push(member.credential.id);
    }
}

/// What a provider says where it cannot open what a request brings back.
const SEALED_ELSEWHERE: &str = "invalid_encrypted_content";

fn code(fault: &Fault) -> Option<&str> {
    fault.said.as_ref()?.code.as_deref()
}

/// The index of one, by its share; the first where no share is above 0.
fn drawn(free: &[&Member], dice: &dyn Dice) -> usize {
    if free.len() == 1 {
        return 0;
    }
    let shares = free.iter().map(|member| u64::from(member.share)).sum();
    let mut point = dice.roll(shares);
    let drawn = free.iter().position(|member| match point.checked_sub(u64::from(member.share)) {
        Some(rest) => {
            point = rest;
            false
        }
        None => true,
    });
    drawn.unwrap_or(0)
}

/// Why none takes a request.
#[derive(Default)]
struct Waits {
    is_out: bool,
    until_us: Option<u64>,
}

impl Waits {
    fn until(&mut self, until_us: u64) {
        self.until_us = Some(self.until_us.map_or(until_us, |known| known.min(until_us)));
    }

    fn fault(&self, now_us: u64) -> Fault {
        match self.until_us {
            Some(until_us) => Fault {
                retry_after_ms: Some(until_us.saturating_sub(now_us).div_ceil(1000)),
                ..Fault::new(Class::RateLimited, "every credential of the provider is at its limit")
            },
            None => Fault::new(
                Class::Credential,
                "every credential of the provider was refused; give it one that is good, or wait for the next probe",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::{id::Uuid, pool::PROBE_US};

    use super::*;

    struct Loaded(u64);

    impl Dice for Loaded {
        fn roll(&self, bound: u64) -> u64 {
            assert!(self.0 < bound.max(1), "{} of {bound}", self.0);
            self.0
        }

        fn bits(&self) -> u128 {
            0
        }
    }

    fn pool(shares: &[u32]) -> Credentials {
        let member = |(at, share): (usize, &u32)| {
            let (id, secret) = (CredentialId(Uuid::from_u128(at as u128)), Secret::new(at.to_string()));
            Member::new(Credential { id, generation: 1, secret: Arc::new(secret) }, *share, None)
        };
        Credentials::new(shares.iter().enumerate().map(member).collect())
    }

    fn drawn_by(pool: &Credentials, tried: &Tried, now_us: u64, roll: u64) -> Result<String, Fault> {
        match pool.draw("m", (tried, None), now_us, &Loaded(roll)) {
            Drawn::Nothing => Ok(String::new()),
            Drawn::Member(member) => Ok(member.credential.secret.expose().to_owned()),
            Drawn::Spent(fault) => Err(fault),
        }
    }

    #[test]
    fn credentials_are_drawn_in_proportion_to_their_shares() {
        for (shares, drawn) in [
            (&[3, 1][..], "0001"),
            (&[0, 2, 1], "112"),
            (&[1, 0, 1], "02"),
            (&[u32::MAX, u32::MAX], "000"),
            (&[0, 0], "0"),
            (&[7], "0"),
            (&[0], "0"),
        ] {
            for (roll, expected) in drawn.chars().enumerate() {
                let seen = drawn_by(&pool(shares), &Tried::default(), 0, roll as u64);
                assert_eq!(seen, Ok(expected.to_string()), "{shares:?} {roll}");
            }
        }
        let most = drawn_by(&pool(&[u32::MAX, u32::MAX]), &Tried::default(), 0, u32::MAX.into());
        assert_eq!(most, Ok("1".into()));
        assert_eq!(drawn_by(&pool(&[]), &Tried::default(), 0, 0), Ok(String::new()));
    }

    #[test]
    fn one_that_fails_is_passed_over_and_comes_back_by_one_probe() {
        let pool = pool(&[1, 1]);
        let [first, second] = pool.members() else { panic!("there are two") };
        let mut tried = Tried::default();
        let refused = Fault::new(Class::Credential, "no");
        assert_eq!(Credentials::heard(first, "m", Err(&refused), 0), Heard::Out);
        assert_eq!(Credentials::heard(first, "m", Err(&refused), 1), Heard::Elsewhere);
        tried.push(first);
        assert_eq!(drawn_by(&pool, &tried, 1, 0), Ok("1".into()));
        tried.push(second);
        assert_eq!(drawn_by(&pool, &tried, 1, 0).unwrap_err().class, Class::Credential);
        assert_eq!(pool.out(1), 1);
        let fresh = Tried::default();
        assert_eq!(drawn_by(&pool, &fresh, PROBE_US - 1, 0), Ok("1".into()));
        assert_eq!(drawn_by(&pool, &fresh, PROBE_US, 0), Ok("0".into()), "the probe goes first");
        assert_eq!(drawn_by(&pool, &fresh, PROBE_US, 0), Ok("1".into()), "and is one request");
        assert_eq!(Credentials::heard(first, "m", Ok(()), PROBE_US + 1), Heard::Back);
        assert_eq!(drawn_by(&pool, &fresh, PROBE_US + 2, 0), Ok("0".into()));
    }

    #[test]
    fn all_at_rest_says_when_the_first_may_be_asked_again() {
        let pool = pool(&[1, 1]);
        let limited =
            |wait_ms| Fault { retry_after_ms: Some(wait_ms), ..Fault::new(Class::RateLimited, "slow down") };
        for (member, wait_ms) in pool.members().iter().zip([9_000, 4_000]) {
            assert_eq!(Credentials::heard(member, "m", Err(&limited(wait_ms)), 0), Heard::Elsewhere);
        }
        let spent = drawn_by(&pool, &Tried::default(), 1_000_000, 0).unwrap_err();
        assert_eq!((spent.class, spent.retry_after_ms), (Class::RateLimited, Some(3_000)));
        assert_eq!(drawn_by(&pool, &Tried::default(), 4_000_000, 0), Ok("1".into()));
        let other = pool.draw("n", (&Tried::default(), None), 1_000_000, &Loaded(0));
        assert!(matches!(other, Drawn::Member(_)), "another model is not limited");
    }

    #[test]
    fn a_credential_at_its_own_limit_leaves_the_others_their_turn() {
        let mut members = pool(&[1, 1]).members().to_vec();
        for member in &mut members {
            member.rate_limit = Some(Arc::new(RateLimit::new(1)));
        }
        let pool = Credentials::new(members);
        let now_us = 1;
        for expected in [Some("0"), Some("1"), None] {
            let drawn = drawn_by(&pool, &Tried::default(), now_us, 0);
            match expected {
                Some(expected) => assert_eq!(drawn.as_deref(), Ok(expected)),
                None => assert_eq!(drawn.unwrap_err().retry_after_ms, Some(60_000)),
            }
        }
    }
}
