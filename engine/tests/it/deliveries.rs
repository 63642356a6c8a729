//! The inbox of triggers: inserting decides, and what is kept for how long.

use std::time::Duration;

use flowforge_core::{RunId, Timestamp, TriggerId};
use flowforge_engine::{
    EngineConfig, PageRequest, clock,
    store::deliveries::{DeliveryFilter, DeliveryRecord, DeliveryStatus},
};
use futures::future::join_all;

use crate::forge::{Forge, config, on_every_database};

const DAY_MS: i64 = 24 * 3_600 * 1_000;

fn delivery(forge: &Forge, trigger: TriggerId, key: &str) -> DeliveryRecord {
    let new = DeliveryRecord::new(forge.workspace, trigger, Timestamp(1_000));
    DeliveryRecord { dedupe_key: Some(key.to_owned()), body: Some(vec![0, 1, 2]), ..new }
}

fn a_trigger() -> TriggerId {
    TriggerId::new(clock::new_uuid())
}

async fn there(forge: &Forge, trigger: TriggerId) -> Vec<DeliveryRecord> {
    let filter = DeliveryFilter { trigger: Some(trigger), ..DeliveryFilter::default() };
    forge.store.deliveries(forge.workspace, filter, PageRequest::default()).await.unwrap().items
}

#[test]
fn the_first_of_a_key_wins_and_the_others_are_told_which() {
    on_every_database(async |forge| {
        let (one, other) = (a_trigger(), a_trigger());
        let all: Vec<_> = (0..20).map(|_| delivery(&forge, one, "k")).collect();
        let answers = join_all(all.iter().map(|new| forge.store.insert_delivery(new))).await;
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()).collect();
        assert_eq!(answers.iter().filter(|answer| answer.is_none()).count(), 1);
        let first = there(&forge, one).await.remove(0);
        assert!(answers.iter().flatten().all(|told| told.id == first.id && told.run == first.run));
        assert!(forge.store.insert_delivery(&delivery(&forge, other, "k")).await.unwrap().is_none(), "another trigger");
        let keyless = DeliveryRecord { dedupe_key: None, ..delivery(&forge, one, "") };
        assert!(forge.store.insert_delivery(&keyless).await.unwrap().is_none(), "nothing stands in its way");
        let whole = forge.store.delivery(forge.workspace, first.id).await.unwrap();
        assert_eq!((whole.body, first.body), (Some(vec![0, 1, 2]), None), "lists leave bodies where they are");
    });
}

#[test]
fn signed_bytes_stand_in_the_way_under_any_name() {
    on_every_database(async |forge| {
        let trigger = a_trigger();
        let signed =
            |key: &str, hash: &str| DeliveryRecord { signed_hash: Some(hash.to_owned()), ..delivery(&forge, trigger, key) };
        let first = signed("a", "x");
        assert!(forge.store.insert_delivery(&first).await.unwrap().is_none());
        assert_eq!(forge.store.insert_delivery(&signed("b", "x")).await.unwrap().unwrap().id, first.id);
        assert_eq!(forge.store.insert_delivery(&signed("a", "y")).await.unwrap().unwrap().id, first.id);
        assert!(forge.store.insert_delivery(&signed("b", "y")).await.unwrap().is_none());
    });
}

#[test]
fn a_delivery_is_decided_once() {
    on_every_database(async |forge| {
        let new = delivery(&forge, a_trigger(), "k");
        forge.store.insert_delivery(&new).await.unwrap();
        let from = [DeliveryStatus::Received];
        let decide = |to| forge.store.decide_delivery(new.id, &from, to, Some("so"), Timestamp(2_000));
        let decided =
            join_all([decide(DeliveryStatus::Filtered), decide(DeliveryStatus::Failed), decide(DeliveryStatus::Filtered)]);
        assert_eq!(decided.await.into_iter().filter(|decided| *decided.as_ref().unwrap()).count(), 1);
        let (run, other) = (new.run.unwrap(), RunId::new(clock::new_uuid()));
        let begun = forge.store.begun_by(&[other, run]).await.unwrap();
        assert_eq!(
            begun.iter().map(|(run, by)| (*run, by.delivery, by.trigger)).collect::<Vec<_>>(),
            [(run, new.id, new.trigger)]
        );
    });
}

/// Senders may send the same again for thirty days, whatever a workspace keeps of its runs; what is still to be done stays.
#[test]
fn what_is_over_is_kept_for_thirty_days() {
    on_every_database(async |forge| {
        forge.keep(1).await;
        let trigger = a_trigger();
        let now = forge.store.now().await.unwrap();
        let mut kept = Vec::new();
        for (days, status, stays) in [
            (31, DeliveryStatus::Started, false),
            (31, DeliveryStatus::Refused, false),
            (31, DeliveryStatus::Duplicate, false),
            (31, DeliveryStatus::Held, true),
            (31, DeliveryStatus::Queued, true),
            (29, DeliveryStatus::Started, true),
            (29, DeliveryStatus::Filtered, true),
        ] {
            let old = DeliveryRecord::new(forge.workspace, trigger, Timestamp(now.0 - days * DAY_MS));
            let old = DeliveryRecord { status, ..old };
            forge.store.insert_delivery(&old).await.unwrap();
            kept.extend(stays.then_some(old.id));
        }
        let _process = forge.process_with(EngineConfig { sweep: Duration::from_millis(5), ..config() }).await;
        while there(&forge, trigger).await.len() > kept.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let left: Vec<_> = there(&forge, trigger).await.into_iter().map(|left| left.id).rev().collect();
        assert_eq!(left, kept);
    });
}
