//! What the trait says, on a store in memory and on one in a directory.

use super::*;

/// Runs a check on both kinds.
fn on_both(check: impl Fn(&SqliteStore)) {
    check(&in_memory());
    let (_folder, store) = in_directory();
    check(&store);
    store.verify().unwrap();
}

#[test]
fn records_come_back_as_they_were() {
    on_both(|store| {
        assert_eq!(store.hsm().unwrap(), hsm_record());
        let changed = HsmRecord { policies: BTreeMap::new(), ..hsm_record() };
        store.put_hsm(changed.clone()).unwrap();
        assert_eq!(store.hsm().unwrap(), changed);

        assert_eq!(store.partition(PARTITION).unwrap(), Some(partition_record(PARTITION)));
        assert_eq!(store.partition("5").unwrap(), None);
        assert_eq!(
            store.partitions().unwrap(),
            [partition_record(PARTITION), partition_record(OTHER)]
        );

        store.put_role(PARTITION, role_record(2)).unwrap();
        let extreme = RoleRecord {
            iterations: u32::MAX,
            failed: u32::MAX,
            must_change: true,
            version: u64::MAX,
            locked: true,
            ..role_record(1)
        };
        store.put_role(PARTITION, extreme.clone()).unwrap();
        assert_eq!(store.roles(PARTITION).unwrap(), [extreme.clone(), role_record(2)]);
        assert_eq!(store.role(PARTITION, 1).unwrap(), Some(extreme));
        assert_eq!(store.role(OTHER, 1).unwrap(), None);
        store.remove_role(PARTITION, 1).unwrap();
        store.remove_role(PARTITION, 1).unwrap();
        assert_eq!(store.role(PARTITION, 1).unwrap(), None);
        assert!(matches!(
            store.put_role("5", role_record(1)),
            Err(StoreError::NoSuchPartition { serial }) if serial == "5"
        ));
        assert!(matches!(store.roles("05"), Err(StoreError::BadSerial { .. })));
    });
}

#[test]
fn objects_come_back_as_they_were() {
    on_both(|store| {
        let full = NewObject {
            class: u64::MAX,
            key_type: Some(1 << 63),
            label: vec![0, 255],
            id: vec![1],
            application: vec![2],
            private: false,
            ouid: Some([0xab; 12]),
            unless_destroyed_since: None,
            attributes: vec![3; 5000],
            secret: Vec::new(),
        };
        let handles =
            store.insert_objects(PARTITION, &[full.clone(), object("a")], &ouid_of).unwrap();
        assert_eq!(handles, [1, 2]);
        let loaded = store.load_object(1).unwrap().unwrap();
        let expected = ObjectRecord {
            handle: 1,
            partition: PARTITION.into(),
            class: full.class,
            key_type: full.key_type,
            label: full.label,
            id: full.id,
            application: full.application,
            private: false,
            ouid: [0xab; 12],
            attributes: full.attributes,
            secret: full.secret,
            generation: store.generation(),
        };
        assert_eq!(loaded, expected);
        let second = store.load_object(2).unwrap().unwrap();
        assert_eq!((second.ouid, second.id), (ouid_of(1), Vec::new()));
        assert_eq!(store.count(PARTITION).unwrap(), Usage { objects: 2, bytes: 5000 + 10 + 60 });
        assert_eq!(store.count(OTHER).unwrap(), Usage::default());
        assert_eq!(store.load_object(3).unwrap(), None);
        assert_eq!(store.load_object(u64::MAX).unwrap(), None);
        assert!(matches!(
            store.insert_objects("77", &[object("a")], &ouid_of),
            Err(StoreError::NoSuchPartition { .. })
        ));
        assert!(matches!(store.count("77"), Err(StoreError::NoSuchPartition { .. })));
    });
}

#[test]
fn a_pair_is_stored_together_or_not_at_all() {
    on_both(|store| {
        let taken = NewObject { ouid: Some([1; 12]), ..object("first") };
        store.insert_objects(PARTITION, std::slice::from_ref(&taken), &ouid_of).unwrap();
        let (generation, usage) = (store.generation(), store.count(PARTITION).unwrap());
        let error = store
            .insert_objects(PARTITION, &[object("public"), taken.clone()], &ouid_of)
            .unwrap_err();
        assert!(matches!(error, StoreError::DuplicateOuid { ouid } if ouid == [1; 12]));
        let all = Query { include_private: true, ..Query::default() };
        assert_eq!(store.find(PARTITION, &all).unwrap().len(), 1);
        assert_eq!(store.generation(), generation);
        assert_eq!(store.committed_generation().unwrap(), generation);
        assert_eq!(store.count(PARTITION).unwrap(), usage);
        // Another partition has OUIDs of its own.
        store.insert_objects(OTHER, &[taken], &ouid_of).unwrap();
    });
}

#[test]
fn handles_and_ouids_are_never_used_twice() {
    on_both(|store| {
        let one = store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
        assert!(store.delete_object(one[0]).unwrap());
        assert!(!store.delete_object(one[0]).unwrap());
        let two = store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
        assert_eq!((one[0], two[0]), (1, 2));
        assert_eq!(store.load_object(2).unwrap().unwrap().ouid, ouid_of(2));
        store.wipe_partition(PARTITION).unwrap();
        // A clone brought the OUID that would come next; it is passed over.
        let clone = NewObject { ouid: Some(ouid_of(3)), ..object("clone") };
        store.insert_objects(PARTITION, &[clone], &ouid_of).unwrap();
        let four = store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
        assert!(four[0] > 3, "{four:?}");
        assert_eq!(store.load_object(four[0]).unwrap().unwrap().ouid, ouid_of(4));
        assert_eq!(store.partition(PARTITION).unwrap().unwrap().object_counter, 4);
        // Writing an old record back does not turn the counter back.
        store.put_partition(partition_record(PARTITION)).unwrap();
        assert_eq!(store.partition(PARTITION).unwrap().unwrap().object_counter, 4);
        // A source of OUIDs that repeats itself is an error and not an endless search.
        store.insert_objects(OTHER, &[object("a")], &|_| [0; 12]).unwrap();
        assert!(matches!(
            store.insert_objects(OTHER, &[object("a")], &|_| [0; 12]),
            Err(StoreError::DuplicateOuid { .. })
        ));
    });
}

#[test]
fn a_copy_of_what_was_destroyed_meanwhile_is_refused() {
    on_both(|store| {
        let copy = |since| NewObject {
            ouid: Some([1; 12]),
            unless_destroyed_since: Some(since),
            ..object("copy")
        };
        let before = store.committed_generation().unwrap();
        let refused = |since| {
            let outcome = store.insert_objects(PARTITION, &[object("a"), copy(since)], &ouid_of);
            assert!(
                matches!(outcome, Err(StoreError::Destroyed { ouid }) if ouid == [1; 12]),
                "{outcome:?}"
            );
            assert_eq!(store.count(PARTITION).unwrap().objects, 0);
        };
        let here = store.insert_objects(PARTITION, &[copy(before)], &ouid_of).unwrap();
        assert!(store.delete_object(here[0]).unwrap());
        refused(before);
        // Destroyed before it was looked for, it may come back, and go again with all others.
        let after = store.committed_generation().unwrap();
        store.insert_objects(PARTITION, &[copy(after)], &ouid_of).unwrap();
        store.apply(&[Step::WipeObjects(PARTITION.to_owned())]).unwrap();
        refused(after);
        // One that never came here was destroyed all the same; other partitions have their own.
        let wiped = store.committed_generation().unwrap();
        store.bury(PARTITION, [1; 12]).unwrap();
        refused(wiped);
        store.insert_objects(OTHER, &[copy(before)], &ouid_of).unwrap();
        // A restored backup does not ask.
        let restored = NewObject { ouid: Some([1; 12]), ..object("restored") };
        store.insert_objects(PARTITION, &[restored], &ouid_of).unwrap();
    });
}

#[test]
fn identities_are_those_of_the_objects_that_are_seen() {
    on_both(|store| {
        let public = NewObject { private: false, ouid: Some([9; 12]), ..object("public") };
        let handles =
            store.insert_objects(PARTITION, &[object("a"), public, object("b")], &ouid_of).unwrap();
        store.insert_objects(OTHER, &[object("c")], &ouid_of).unwrap();
        let all = store.identities(PARTITION, true).unwrap();
        let expected = [(handles[0], ouid_of(1)), (handles[1], [9; 12]), (handles[2], ouid_of(2))];
        assert_eq!(all, expected);
        assert_eq!(store.identities(PARTITION, false).unwrap(), [(handles[1], [9; 12])]);
        assert_eq!(store.identities("77", true).unwrap(), []);
    });
}

#[test]
fn an_update_sees_that_somebody_was_faster() {
    on_both(|store| {
        let handle = store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap()[0];
        let before = store.load_object(handle).unwrap().unwrap();
        let update = ObjectUpdate {
            label: b"b".to_vec(),
            id: b"new".to_vec(),
            private: false,
            attributes: vec![1; 3],
            ..ObjectUpdate::default()
        };
        let generation = store.update_object(handle, before.generation, &update).unwrap();
        assert_eq!(generation, store.generation());
        let after = store.load_object(handle).unwrap().unwrap();
        assert_eq!(
            after,
            ObjectRecord {
                label: b"b".to_vec(),
                id: b"new".to_vec(),
                private: false,
                attributes: vec![1; 3],
                generation,
                ..before.clone()
            }
        );
        assert_eq!(store.count(PARTITION).unwrap().bytes, 63);
        let error = store.update_object(handle, before.generation, &update).unwrap_err();
        assert!(matches!(error, StoreError::Conflict { found, expected, .. }
            if found == generation && expected == before.generation));
        let sealed_anew = ObjectUpdate { secret: Some(vec![2; 7]), ..update };
        store.update_object(handle, generation, &sealed_anew).unwrap();
        assert_eq!(store.load_object(handle).unwrap().unwrap().secret, [2; 7]);
        assert_eq!(store.count(PARTITION).unwrap().bytes, 10);
        assert!(matches!(
            store.update_object(99, 1, &sealed_anew),
            Err(StoreError::NoSuchObject { handle: 99 })
        ));
    });
}

#[test]
fn roles_and_partitions_are_changed_in_place() {
    on_both(|store| {
        store.put_role(PARTITION, role_record(1)).unwrap();
        let generation = store.generation();
        let counted = store
            .change_role(PARTITION, 1, &mut |role| {
                role.failed += 1;
                role.role = 9;
            })
            .unwrap()
            .unwrap();
        assert_eq!((counted.failed, counted.role), (1, 1));
        assert_eq!(store.role(PARTITION, 1).unwrap(), Some(counted));
        assert_eq!(store.generation(), generation + 1);
        // A successful login with a clean count has nothing to write.
        store.change_role(PARTITION, 1, &mut |role| role.failed = 1).unwrap();
        assert_eq!(store.generation(), generation + 1);
        assert_eq!(store.change_role(PARTITION, 2, &mut |_| panic!()).unwrap(), None);

        let changed = store
            .change_partition(PARTITION, &mut |partition| {
                partition.label = "new".into();
                partition.serial = OTHER.into();
                partition.object_counter = 0;
            })
            .unwrap()
            .unwrap();
        assert_eq!((changed.serial.as_str(), changed.label.as_str()), (PARTITION, "new"));
        assert_eq!(store.partition(PARTITION).unwrap(), Some(changed));
        assert_eq!(store.change_partition("5", &mut |_| panic!()).unwrap(), None);
    });
}

#[test]
fn a_panic_in_a_change_leaves_the_store_as_it_was() {
    on_both(|store| {
        store.put_role(PARTITION, role_record(1)).unwrap();
        let generation = store.generation();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            store.change_role(PARTITION, 1, &mut |role| {
                role.failed = 7;
                panic!("on purpose");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(store.role(PARTITION, 1).unwrap(), Some(role_record(1)));
        assert_eq!(store.generation(), generation);
        store.change_role(PARTITION, 1, &mut |role| role.failed = 1).unwrap();
    });
}

#[test]
fn several_steps_happen_together() {
    on_both(|store| {
        store.put_role(PARTITION, role_record(1)).unwrap();
        store.insert_objects(PARTITION, &[object("a"), object("b")], &ouid_of).unwrap();
        let generation = store.generation();
        let steps = [
            Step::WipePartition(PARTITION.into()),
            Step::PutRole(PARTITION.into(), role_record(2)),
            Step::PutRole("404".into(), role_record(2)),
        ];
        assert!(matches!(store.apply(&steps), Err(StoreError::NoSuchPartition { .. })));
        assert_eq!(store.roles(PARTITION).unwrap(), [role_record(1)]);
        assert_eq!(store.count(PARTITION).unwrap().objects, 2);
        store.apply(&steps[..2]).unwrap();
        assert_eq!(store.generation(), generation + 1);
        assert_eq!(store.roles(PARTITION).unwrap(), [role_record(2)]);
        assert_eq!(store.count(PARTITION).unwrap(), Usage::default());
        let wiped = store.partition(PARTITION).unwrap().unwrap();
        assert_eq!((wiped.initialized, wiped.label.as_str()), (false, ""));
        assert_eq!((wiped.domain, wiped.object_counter), (Vec::new(), 2));
        assert_eq!(wiped.policies, partition_record(PARTITION).policies);

        store.remove_partition(PARTITION).unwrap();
        assert_eq!(store.partition(PARTITION).unwrap(), None);
        assert!(store.roles(PARTITION).unwrap().is_empty());
        assert_eq!(store.partitions().unwrap().len(), 1);
        assert!(matches!(store.wipe_partition(PARTITION), Err(StoreError::NoSuchPartition { .. })));
    });
}

/// The objects go; roles, label, policies and the count of OUIDs stay.
#[test]
fn a_partition_is_emptied_of_objects_alone() {
    on_both(|store| {
        store.put_role(PARTITION, role_record(1)).unwrap();
        store.insert_objects(PARTITION, &[object("a"), object("b")], &ouid_of).unwrap();
        let before = store.partition(PARTITION).unwrap().unwrap();
        let generation = store.committed_generation().unwrap();
        let missing = [Step::WipeObjects("404".into())];
        assert!(matches!(store.apply(&missing), Err(StoreError::NoSuchPartition { .. })));
        store.apply(&[Step::WipeObjects(PARTITION.into())]).unwrap();
        assert_eq!(store.count(PARTITION).unwrap(), Usage::default());
        assert_eq!(store.partition(PARTITION).unwrap(), Some(before));
        assert_eq!(store.roles(PARTITION).unwrap(), [role_record(1)]);
        let changes = store.changes_since(generation).unwrap();
        assert_eq!(changes.objects, Changes::Everything);
    });
}

#[test]
fn changes_are_told() {
    on_both(|store| {
        let start = store.committed_generation().unwrap();
        assert_eq!(start, store.generation());
        let handles =
            store.insert_objects(PARTITION, &[object("a"), object("b")], &ouid_of).unwrap();
        store.delete_object(handles[0]).unwrap();
        let set = store.changes_since(start).unwrap();
        assert_eq!(
            set,
            ChangeSet {
                generation: start + 2,
                administration: false,
                objects: Changes::Handles(vec![1, 2])
            }
        );
        let none = store.changes_since(set.generation).unwrap();
        assert_eq!(none.objects, Changes::Handles(Vec::new()));
        assert!(!none.administration);
        store.put_role(PARTITION, role_record(1)).unwrap();
        let role = store.changes_since(set.generation).unwrap();
        assert_eq!(role.objects, Changes::Handles(Vec::new()));
        assert!(role.administration);
        store.wipe_partition(OTHER).unwrap();
        let wiped = store.changes_since(role.generation).unwrap();
        assert_eq!(wiped.objects, Changes::Everything);
        // Never heard of, or from a store that was put back: look at everything.
        for strange in [0, u64::MAX, wiped.generation + 1] {
            let set = store.changes_since(strange).unwrap();
            assert_eq!((set.objects, set.administration), (Changes::Everything, true));
            assert_eq!(set.generation, wiped.generation);
        }
        let many: Vec<_> = (0..65).map(|_| object("c")).collect();
        store.insert_objects(PARTITION, &many, &ouid_of).unwrap();
        let crowd = store.changes_since(wiped.generation).unwrap();
        assert_eq!(crowd.objects, Changes::Everything);
        assert_eq!(
            store.changes_since(crowd.generation).unwrap().objects,
            Changes::Handles(Vec::new())
        );
    });
}

#[test]
fn the_journal_has_a_bound() {
    let store = in_memory();
    store.put_role(PARTITION, role_record(1)).unwrap();
    let start = store.generation();
    for _ in 0..10_300 {
        store.change_role(PARTITION, 1, &mut |role| role.version += 1).unwrap();
    }
    let rows = store.journal_rows();
    assert!((10_000..=10_256).contains(&rows), "{rows}");
    assert_eq!(store.changes_since(start).unwrap().objects, Changes::Everything);
    let recent = store.changes_since(store.generation() - 10_000).unwrap();
    assert_eq!(recent.objects, Changes::Handles(Vec::new()));
}

#[test]
fn a_page_that_ran_ahead_is_set_back() {
    let (folder, store) = in_directory();
    let committed = store.committed_generation().unwrap();
    // What a writer killed between publication and commit leaves behind.
    store.page().unwrap().publish(crate::env::Word::StoreGeneration, committed + 1).unwrap();
    assert_eq!(store.generation(), committed + 1);
    assert_eq!(store.changes_since(committed).unwrap().generation, committed);
    assert_eq!(store.generation(), committed);
    // And what a page that was removed while nobody looked starts with.
    store.page().unwrap().publish(crate::env::Word::StoreGeneration, 0).unwrap();
    let second = SqliteStore::open(folder.path(), Durability::Process).unwrap();
    assert_eq!(second.generation(), committed);
    assert_eq!(store.generation(), committed);
    // The next write is told from every earlier one.
    store.page().unwrap().publish(crate::env::Word::StoreGeneration, committed + 1).unwrap();
    store.put_hsm(hsm_record()).unwrap();
    assert_eq!((store.generation(), second.generation()), (committed + 1, committed + 1));
    assert_eq!(store.committed_generation().unwrap(), committed + 1);
    assert_eq!(store.bump(crate::env::Word::Restarts).unwrap(), 1);
    assert_eq!(second.page().unwrap().word(crate::env::Word::Restarts), 1);
}
