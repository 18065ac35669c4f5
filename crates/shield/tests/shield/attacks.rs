//! How many attacks are found, and how many honest texts are taken for one.

use nexus_shield::{EVIDENCE_BYTES_MAX, Kind, Position, inspect};

use crate::{benign::BENIGN, payloads};

/// Positions of structure; a body's head is inspected otherwise.
pub(crate) const STRUCTURE: [Position; 7] = [
    Position::Path,
    Position::Query,
    Position::Header,
    Position::Cookie,
    Position::Name,
    Position::Field,
    Position::Multipart,
];

/// The payload alone, and among what stands around it in such a position.
pub(crate) fn texts(position: Position, payload: &str) -> [String; 2] {
    let around = match position {
        Position::Path => format!("/admin/v1/keys/{payload}"),
        Position::Query => format!("limit=20&q={payload}"),
        Position::Header => format!("Bearer {payload}"),
        Position::Cookie => format!("theme=dark; session={payload}"),
        Position::Name | Position::Field | Position::Multipart | Position::Body => format!(" {payload} "),
    };
    [payload.to_owned(), around]
}

#[test]
fn at_least_ninety_five_of_a_hundred_payloads_are_found_in_each_position() {
    let payloads: Vec<&str> =
        payloads::ANYWHERE.iter().flat_map(|(_, group)| group.iter().copied()).collect();
    assert!(payloads.len() >= 150);
    for position in STRUCTURE {
        let missed: Vec<&&str> = payloads
            .iter()
            .filter(|payload| texts(position, payload).iter().any(|text| inspect(position, text).is_none()))
            .collect();
        assert!(missed.len() * 20 <= payloads.len(), "{position:?}: {missed:#?}");
    }
}

#[test]
fn each_technique_is_found_in_a_name() {
    for (technique, payloads) in payloads::ANYWHERE {
        let missed: Vec<_> =
            payloads.iter().filter(|payload| inspect(Position::Name, payload).is_none()).collect();
        assert!(missed.is_empty(), "{technique}: {missed:?}");
    }
}

#[test]
fn what_only_one_position_spells_so_is_found_there() {
    for (position, text) in payloads::IN_ONE_POSITION {
        assert!(inspect(*position, text).is_some(), "{text} in {position:?}");
    }
}

#[test]
fn nothing_an_honest_caller_sends_is_an_attack() {
    assert!(BENIGN.iter().map(|(_, texts)| texts.len()).sum::<usize>() >= 120);
    let wrong: Vec<_> = BENIGN
        .iter()
        .flat_map(|(position, texts)| texts.iter().map(|text| (*position, *text)))
        .filter_map(|(position, text)| Some((text, inspect(position, text)?)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_honest_name_is_one_in_every_position() {
    let names = BENIGN.iter().filter(|(position, _)| *position == Position::Name);
    for name in names.flat_map(|(_, names)| names.iter()) {
        for position in [Position::Field, Position::Multipart, Position::Header] {
            assert_eq!(inspect(position, name), None, "{name}");
        }
    }
}

#[test]
fn evidence_is_short_and_says_nothing_of_the_text() {
    let secret = "sk-live-4242424242";
    for payload in payloads::ANYWHERE.iter().flat_map(|(_, group)| group.iter()) {
        let text = format!("{secret}{payload}{secret}");
        for position in STRUCTURE {
            let Some(finding) = inspect(position, &text) else { continue };
            assert_eq!((finding.kind, finding.position), (Kind::SqlInjection, position));
            assert!(finding.evidence.len() <= EVIDENCE_BYTES_MAX, "{finding:?}");
            assert!(!finding.evidence.contains("live") && !finding.evidence.contains("42"), "{finding:?}");
        }
    }
}
