//! Finding: the right objects, by the right index.

use super::super::objects::find_statement;
use super::*;

fn query() -> Query {
    Query { include_private: true, ..Query::default() }
}

/// Objects that differ in everything a query can ask for.
fn varied(number: usize) -> NewObject {
    let digit = |base: usize| u64::try_from(number / base % 3).unwrap();
    let bytes = |base: usize| match digit(base) {
        0 => Vec::new(),
        digit => vec![u8::try_from(digit).unwrap(); 3],
    };
    NewObject {
        class: digit(1),
        key_type: digit(3).checked_sub(1),
        label: bytes(9),
        id: bytes(27),
        application: bytes(81),
        private: number.is_multiple_of(2),
        ..object("")
    }
}

fn matches(object: &NewObject, query: &Query) -> bool {
    query.class.is_none_or(|class| class == object.class)
        && query.key_type.is_none_or(|key_type| Some(key_type) == object.key_type)
        && query.label.as_ref().is_none_or(|label| *label == object.label)
        && query.id.as_ref().is_none_or(|id| *id == object.id)
        && query.application.as_ref().is_none_or(|text| *text == object.application)
        && (query.include_private || !object.private)
}

/// Every combination of absent, empty and given.
fn queries() -> Vec<Query> {
    let numbers = [None, Some(0), Some(2)];
    let texts = [None, Some(Vec::new()), Some(vec![2; 3])];
    let mut queries = Vec::new();
    for class in numbers {
        for key_type in numbers {
            for label in &texts {
                for id in &texts {
                    for application in &texts {
                        for include_private in [false, true] {
                            queries.push(Query {
                                class,
                                key_type,
                                label: label.clone(),
                                id: id.clone(),
                                application: application.clone(),
                                ouid: None,
                                include_private,
                            });
                        }
                    }
                }
            }
        }
    }
    queries
}

#[test]
fn every_query_finds_what_a_look_at_each_object_finds() {
    let store = in_memory();
    let objects: Vec<_> = (0..243).map(varied).collect();
    let handles = store.insert_objects(PARTITION, &objects, &ouid_of).unwrap();
    store.insert_objects(OTHER, &objects, &ouid_of).unwrap();
    let mut found_something = 0;
    for query in queries() {
        let expected: Vec<u64> = handles
            .iter()
            .zip(&objects)
            .filter(|(_, object)| matches(object, &query))
            .map(|(handle, _)| *handle)
            .collect();
        found_something += usize::from(!expected.is_empty());
        assert_eq!(store.find(PARTITION, &query).unwrap(), expected, "{query:?}");
    }
    assert!(found_something > 100);
    let by_ouid = Query { ouid: Some(ouid_of(7)), ..query() };
    assert_eq!(store.find(PARTITION, &by_ouid).unwrap(), [handles[6]]);
    let of_another_class = Query { class: Some(99), ..by_ouid };
    assert!(store.find(PARTITION, &of_another_class).unwrap().is_empty());
    assert!(store.find("5", &query()).unwrap().is_empty());
}

/// How the objects are reached; the generation is one step of its own.
fn plan_of(store: &SqliteStore, query: &Query) -> Vec<String> {
    let mut plan = store.plan(&find_statement(query));
    assert!(plan.iter().any(|step| step == "SEARCH journal"), "{plan:?}");
    plan.retain(|step| {
        !["COMPOUND QUERY", "LEFT-MOST SUBQUERY", "SEARCH journal", "UNION ALL"]
            .contains(&step.as_str())
    });
    plan
}

#[test]
fn every_query_uses_an_index() {
    let store = in_memory();
    let mut all = queries();
    all.push(Query { ouid: Some([0; 12]), class: Some(1), ..query() });
    for query in all {
        let plan = plan_of(&store, &query);
        let index = if query.ouid.is_some() {
            "objects_by_ouid (partition=? AND ouid=?)"
        } else if query.label.as_ref().is_some_and(|label| !label.is_empty()) {
            "objects_by_label (partition=? AND label=?"
        } else if query.id.as_ref().is_some_and(|id| !id.is_empty()) {
            "objects_by_id (partition=? AND id=?"
        } else if query.application.as_ref().is_some_and(|text| !text.is_empty()) {
            "objects_by_application (partition=? AND application=?"
        } else if query.class.is_some() {
            "objects_by_class (partition=? AND class=?"
        } else {
            "objects_by_class (partition=?"
        };
        assert_eq!(plan.len(), 1, "{query:?}: {plan:?}");
        assert!(plan[0].starts_with("SEARCH objects USING"), "{query:?}: {plan:?}");
        assert!(plan[0].contains(index), "{query:?}: {plan:?}");
    }
    // What applications ask most is answered by the index alone.
    let common = [
        Query { label: Some(b"a".to_vec()), class: Some(4), ..Query::default() },
        Query { label: Some(b"a".to_vec()), class: Some(4), key_type: Some(1), ..query() },
        Query { id: Some(b"a".to_vec()), class: Some(3), ..query() },
        Query { class: Some(3), ..Query::default() },
        query(),
    ];
    for query in common {
        let plan = plan_of(&store, &query);
        assert!(plan[0].contains("USING COVERING INDEX"), "{query:?}: {plan:?}");
    }
}

#[test]
fn other_statements_use_an_index_too() {
    let store = in_memory();
    for sql in [
        "SELECT generation, next_handle FROM journal ORDER BY generation DESC LIMIT 1",
        "SELECT kind, handles FROM journal WHERE generation > 5",
        "DELETE FROM journal WHERE generation <= 5",
        "SELECT attributes FROM objects WHERE handle = 5",
        "DELETE FROM objects WHERE partition = 5",
        "SELECT salt FROM roles WHERE partition = 5 AND role = 1",
    ] {
        let plan = store.plan(sql);
        let scans = plan.iter().any(|step| step.starts_with("SCAN") && !step.contains("journal"));
        let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert!(!scans && !sorts && !plan.is_empty(), "{sql}: {plan:?}");
    }
}
