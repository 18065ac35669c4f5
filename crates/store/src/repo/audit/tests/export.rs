//! The trail as JSON lines and CSV.

use super::*;

fn row() -> Recorded {
    Recorded {
        seq: 1,
        day: "2026-11-24".into(),
        at: 5,
        actor_kind: "user".into(),
        actor_id: None,
        actor_name: "ann".into(),
        team_id: None,
        action: "key.create".into(),
        target_kind: None,
        target_id: None,
        before: None,
        after: Some("{\"a\": \"b,c\"}".into()),
        address: None,
        request_id: None,
        outcome: "ok".into(),
        detail: None,
        hash: "ff".into(),
    }
}

#[test]
fn a_csv_cell_is_quoted_where_it_must_and_never_is_a_formula() {
    for (name, expected) in [
        ("ann", "ann"),
        ("", ""),
        ("a,b", "\"a,b\""),
        ("say \"hi\"", "\"say \"\"hi\"\"\""),
        ("two\nlines", "\"two\nlines\""),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "\"'\r=1\""),
        ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
    ] {
        let mut out = Vec::new();
        write_csv(&[Recorded { actor_name: name.into(), ..row() }], &mut out).unwrap();
        let line = format!(
            "1,2026-11-24,5,user,,{expected},,key.create,,,,\"{{\"\"a\"\": \"\"b,c\"\"}}\",,,ok,,ff\r\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), line, "{name:?}");
    }
}

#[test]
fn every_text_column_of_a_csv_is_guarded() {
    let bad = || "=1".to_owned();
    let row = Recorded {
        seq: 1,
        day: bad(),
        at: 5,
        actor_kind: bad(),
        actor_id: Some(bad()),
        actor_name: bad(),
        team_id: Some(bad()),
        action: bad(),
        target_kind: Some(bad()),
        target_id: Some(bad()),
        before: Some(bad()),
        after: Some(bad()),
        address: Some(bad()),
        request_id: Some(bad()),
        outcome: bad(),
        detail: Some(bad()),
        hash: bad(),
    };
    let mut out = Vec::new();
    write_csv(&[row], &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("1,'=1,5{}\r\n", ",'=1".repeat(14)));
}

#[test]
fn a_json_line_holds_the_columns_a_csv_head_names_as_they_are() {
    let mut out = Vec::new();
    let nasty = Recorded { detail: Some("=1\n\u{2028}\"".into()), ..row() };
    write_jsonl(&[nasty.clone(), row()], &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches('\n').count(), 2);
    let line: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["detail"], nasty.detail.unwrap());
    assert_eq!((&line["after"], &line["before"]), (&"{\"a\": \"b,c\"}".into(), &serde_json::Value::Null));
    let mut head = Vec::new();
    csv_head(&mut head).unwrap();
    let mut named: Vec<_> = std::str::from_utf8(&head).unwrap().trim_end().split(',').collect();
    named.sort_unstable();
    let mut written: Vec<_> = line.keys().map(String::as_str).collect();
    written.sort_unstable();
    assert_eq!(written, named);
}

#[test]
fn an_export_goes_through_all_batches_of_the_filter_oldest_first() {
    let trail = Trail::new();
    trail.append(0, 300);
    trail.append(1, 1);
    let export = |filter: &Filter| {
        let mut files = (Vec::new(), Vec::new());
        let rows = trail
            .store
            .read_blocking(|conn| {
                let jsonl = export_jsonl(conn, filter, &mut files.0).unwrap();
                Ok((jsonl, export_csv(conn, filter, &mut files.1).unwrap()))
            })
            .unwrap();
        let (jsonl, csv) = (String::from_utf8(files.0).unwrap(), String::from_utf8(files.1).unwrap());
        let seqs: Vec<i64> =
            csv.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
        assert_eq!(rows, (jsonl.lines().count() as u64 - 1, csv.lines().count() as u64 - 1));
        let end: serde_json::Value = serde_json::from_str(jsonl.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&end["end"]["rows"], end["end"]["last_seq"].as_i64()),
            (&rows.0.into(), seqs.last().copied())
        );
        seqs
    };
    assert_eq!(export(&Filter::default()), (1..=301).collect::<Vec<_>>());
    assert_eq!(export(&Filter { from_ms: Some(START_MS + DAY_MS), ..Filter::default() }), [301]);
    assert_eq!(export(&Filter { outcome: Some(Outcome::Failed), ..Filter::default() }), [0; 0]);
}
