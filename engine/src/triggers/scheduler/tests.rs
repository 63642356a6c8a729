//! What becomes of slots while earlier runs are under way.

use flowforge_core::{NodeId, WorkflowId, WorkspaceId, trigger::TriggerKind};
use uuid::Uuid;

use super::*;
use crate::store::triggers::TriggerStatus;

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp(1_767_225_600_000);

fn trigger(params: Value) -> TriggerRecord {
    TriggerRecord {
        id: TriggerId::new(Uuid::from_u128(1)),
        workspace: WorkspaceId::new(Uuid::from_u128(2)),
        workflow: WorkflowId::new(Uuid::from_u128(3)),
        node: NodeId::from("tick"),
        name: None,
        kind: TriggerKind::Schedule,
        status: TriggerStatus::Active,
        version: 4,
        params,
        token: String::new(),
        paused_at: None,
        revision: 0,
        auth_at: START,
        next_fire_at: Some(START),
        last_slot: Some(START),
        created_at: START,
        updated_at: START,
    }
}

fn busy() -> Standing {
    Standing { under_way: vec![RunId::new(Uuid::from_u128(9))], queued: 0 }
}

/// What becomes of the slots of the next three seconds: `f`ires, `w`aits, `s`kipped.
fn verdicts(overlap: &str, standing: &Standing) -> (String, Decided, Vec<RunId>) {
    let trigger = trigger(json!({"cron": "* * * * * *", "overlap": overlap}));
    let (decided, cancelled) = decide(&trigger, standing, START.plus_ms(3_500));
    let letter = |row: &DeliveryRecord| match row.status {
        DeliveryStatus::Received => 'f',
        DeliveryStatus::Queued => 'w',
        DeliveryStatus::Skipped => 's',
        other => panic!("{other:?}"),
    };
    (decided.deliveries.iter().map(letter).collect(), decided, cancelled)
}

#[test]
fn slots_follow_the_policy_for_runs_that_are_under_way() {
    let check = |overlap: &str, free: &str, taken: &str| {
        assert_eq!(verdicts(overlap, &Standing::default()).0, free, "{overlap}, nothing under way");
        assert_eq!(verdicts(overlap, &busy()).0, taken, "{overlap}, a run under way");
    };
    check("allow", "fff", "fff");
    check("skip", "fss", "sss");
    check("queue", "fww", "www");
    check("cancel_previous", "ssf", "ssw");
}

#[test]
fn only_the_policy_that_says_so_cancels() {
    assert_eq!(verdicts("cancel_previous", &busy()).2, busy().under_way);
    assert!(verdicts("cancel_previous", &busy()).1.drop_queued.is_some());
    assert!(verdicts("cancel_previous", &Standing::default()).2.is_empty());
    assert!(verdicts("queue", &busy()).2.is_empty());
}

#[test]
fn a_line_does_not_grow_for_ever() {
    let full = Standing { queued: MOST_QUEUED - 1, ..busy() };
    assert_eq!(verdicts("queue", &full).0, "wss");
}

#[test]
fn slots_are_decided_once_and_in_order() {
    let (_, decided, _) = verdicts("allow", &Standing::default());
    assert_eq!(decided.last_slot, START.plus_ms(3_000));
    assert_eq!(decided.next_fire_at, Some(START.plus_ms(4_000)));
    let keys: Vec<_> = decided.deliveries.iter().filter_map(|row| row.dedupe_key.clone()).collect();
    assert_eq!(keys, (1..=3).map(|s| format!("slot/{}", START.plus_ms(s * 1_000).0)).collect::<Vec<_>>());
}

#[test]
fn a_schedule_that_cannot_be_read_is_looked_at_again_and_keeps_its_place() {
    let (decided, _) = decide(&trigger(json!({"cron": "nonsense"})), &Standing::default(), START.plus_ms(5_000));
    assert_eq!((decided.deliveries.len(), decided.last_slot), (0, START));
    assert!(decided.next_fire_at > Some(START.plus_ms(5_000)));
}

#[test]
fn a_run_is_told_its_slot_and_the_one_before() {
    let trigger = trigger(json!({"cron": "30 2 * * *", "timezone": "Europe/Berlin"}));
    let slot = schedule(&trigger).unwrap().next_after(START).unwrap();
    let given = input(&trigger, &of_slot(&trigger, slot, slot.plus_ms(2_500)));
    let expected = json!({"slot": "2026-01-01T01:30:00.000Z", "scheduled_at": "2026-01-01T02:30:00+01:00", "timezone": "Europe/Berlin",
        "late_s": 2, "previous_slot": "2025-12-31T01:30:00.000Z"});
    assert_eq!(given, expected);
}
