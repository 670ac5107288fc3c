//! Who may do what with whose objects.

use luna_tests::Instance;

use crate::{Site, service};

#[test]
fn wallets_decide_who_reads_changes_and_destroys() {
    let Some(site) = Site::new() else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let vault = site.vault(&instance);
    let manage = |what: &str, options: &[&str]| {
        service(&vault, &format!("manage-access {what}"), options);
    };
    for name in ["maker", "reader", "changer", "stranger"] {
        site.enrol(&vault, name);
    }
    manage("wallet create", &["--wallet", "shared"]);
    manage("wallet set-default", &["--endpoint", "maker", "--wallet", "shared"]);
    manage("wallet add-access", &["--wallet", "shared", "--endpoint", "reader", "--access", "RO"]);
    manage("endpoint-group create", &["--endpoint-group", "changers"]);
    manage(
        "endpoint-group add-endpoint",
        &["--endpoint-group", "changers", "--endpoint", "changer"],
    );
    manage(
        "wallet add-access",
        &["--wallet", "shared", "--endpoint-group", "changers", "--access", "RM"],
    );
    let created = site.tells("maker", &["create", "key"]);
    let (id, bytes) = created.split_once(' ').unwrap();

    for name in ["maker", "reader", "changer"] {
        assert_eq!(site.tells(name, &["get", id]), bytes, "{name}");
        assert_eq!(site.tells(name, &["locate", "key"]), id, "{name}");
    }
    // Nobody learns whether others' objects are there.
    assert_eq!(site.refuses("stranger", &["get", id]), "ITEM_NOT_FOUND");
    assert_eq!(site.refuses("stranger", &["destroy", id]), "ITEM_NOT_FOUND");
    assert_eq!(site.tells("stranger", &["locate", "key"]), "");
    for verb in ["activate", "destroy"] {
        assert_eq!(site.refuses("reader", &[verb, id]), "PERMISSION_DENIED", "{verb}");
    }
    site.tells("changer", &["activate", id]);

    // What is in no wallet is its maker's alone.
    let own = site.tells("stranger", &["create", "own"]);
    let (own, _) = own.split_once(' ').unwrap();
    assert_eq!(site.refuses("maker", &["get", own]), "ITEM_NOT_FOUND");

    // Access that is taken away is gone at once.
    manage(
        "endpoint-group remove-endpoint",
        &["--endpoint-group", "changers", "--endpoint", "changer"],
    );
    assert_eq!(site.refuses("changer", &["get", id]), "ITEM_NOT_FOUND");
    manage("wallet delete-access", &["--wallet", "shared", "--endpoint", "reader"]);
    assert_eq!(site.refuses("reader", &["get", id]), "ITEM_NOT_FOUND");
    assert_eq!(site.tells("maker", &["get", id]), bytes);
    // Who may no longer change the default wallet puts nothing there.
    manage(
        "wallet update-access",
        &["--wallet", "shared", "--endpoint", "maker", "--access", "RO"],
    );
    assert_eq!(site.refuses("maker", &["create", "another"]), "PERMISSION_DENIED");

    let audit = service(&vault, "audit entry list", &[]);
    let lines: Vec<_> = audit.as_array().unwrap().iter().map(|it| it.to_string()).collect();
    let has = |who: &str, what: &str, how: &str| {
        lines.iter().any(|line| [who, what, how].iter().all(|word| line.contains(word)))
    };
    assert!(has("endpoint maker", "Create", "success"), "{lines:?}");
    assert!(has("endpoint reader", "Destroy", "PermissionDenied"), "{lines:?}");
}
