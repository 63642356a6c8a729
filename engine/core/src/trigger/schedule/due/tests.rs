//! Which slots fire, and which are left out.

use super::*;
use crate::trigger::schedule::Params;

const MINUTE_MS: i64 = 60_000;
/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp(1_767_225_600_000);

fn schedule(more: serde_json::Value) -> Schedule {
    let mut params = serde_json::json!({"cron": "* * * * *"});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Schedule::new(serde_json::from_value::<Params>(params).unwrap(), 7).unwrap()
}

fn after(minutes: i64) -> Timestamp {
    Timestamp(START.0 + minutes * MINUTE_MS)
}

fn fires(due: &Due) -> Vec<i64> {
    due.slots.iter().filter(|slot| slot.left_out.is_none()).map(|slot| (slot.at.0 - START.0) / MINUTE_MS).collect()
}

#[test]
fn what_is_on_time_fires_whatever_the_policy() {
    for missed in ["skip", "one", "all"] {
        let due = schedule(serde_json::json!({"missed": missed})).due(START, Timestamp(after(1).0 + 5));
        assert_eq!((fires(&due), due.slots.len()), (vec![1], 1));
        assert_eq!((due.last_slot, due.next_at), (after(1), Some(after(2))));
    }
    let due = schedule(serde_json::json!({})).due(START, Timestamp(after(1).0 - 1));
    assert_eq!((fires(&due), due.last_slot, due.next_at), (vec![], START, Some(after(1))));
}

#[test]
fn what_was_missed_follows_the_policy() {
    let of = |missed: &str| schedule(serde_json::json!({"missed": missed})).due(START, Timestamp(after(10).0 + 5));
    // Slots 9 and 10 are not more than a minute late.
    assert_eq!(fires(&of("skip")), [10]);
    assert_eq!(fires(&of("one")), [9, 10]);
    assert_eq!(fires(&of("all")), (1..=10).collect::<Vec<_>>());
    assert!(of("skip").slots.iter().all(|slot| slot.left_out.is_none() || slot.left_out.as_deref().unwrap().contains("missed")));
    assert_eq!(of("one").slots.len(), 10, "what is left out is told of");
}

#[test]
fn what_is_older_than_the_window_is_not_made_up_for() {
    let due = schedule(serde_json::json!({"missed": "all", "missed_within_s": 300})).due(START, Timestamp(after(60).0 + 5));
    assert_eq!(fires(&due), [56, 57, 58, 59, 60]);
    assert_eq!(due.slots.iter().filter(|slot| slot.left_out.is_some()).count(), 1);
}

#[test]
fn much_is_decided_in_parts_and_told_of_as_one() {
    let all = schedule(serde_json::json!({"missed": "all"}));
    let (mut last, mut found) = (START, Vec::new());
    loop {
        let due = all.due(last, after(1_200));
        found.extend(fires(&due));
        assert!(due.slots.len() <= MOST);
        last = due.last_slot;
        if due.next_at > Some(after(1_200)) {
            break;
        }
    }
    assert_eq!(found, (1..=1_200).collect::<Vec<_>>());
    let due = schedule(serde_json::json!({"missed": "one"})).due(START, after(1_200));
    assert!(due.slots.len() <= MOST_TOLD + 4, "{}", due.slots.len());
    assert!(due.slots[0].left_out.as_deref().unwrap().contains("more"));
}

#[test]
fn jitter_is_the_same_for_the_same_slot_and_stays_before_the_next() {
    let schedule = schedule(serde_json::json!({"jitter_s": 600}));
    let moments: Vec<_> = (1..200).map(|minute| schedule.fires_at(after(minute)).0 - after(minute).0).collect();
    assert!(moments.iter().all(|ms| (0..MINUTE_MS).contains(ms)));
    assert!(moments.iter().any(|ms| *ms < 15_000) && moments.iter().any(|ms| *ms > 45_000));
    assert_eq!(schedule.fires_at(after(1)), schedule.fires_at(after(1)));
    let due = schedule.due(START, Timestamp(schedule.fires_at(after(1)).0 - 1));
    assert_eq!((fires(&due), due.next_at), (vec![], Some(schedule.fires_at(after(1)))));
}
