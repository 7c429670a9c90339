"""Policies and operator policies."""

import json

from harness import check, equal, eventually


def declare(t, vhost, name, definition, kind="policies", pattern="^q", apply_to="queues",
            priority="0"):
    t.ok(kind, "declare", "--name", name, "--pattern", pattern, "--apply-to", apply_to,
         "--priority", priority, "--definition", json.dumps(definition), vhost=vhost)


def definition(t, vhost, name, kind="policies"):
    row = t.row("name", name, kind, "list_in", vhost=vhost)
    return dict(line.split(": ", 1) for line in row["definition"].split("\n") if line)


@check
def policy_declare_list_delete(t):
    vhost = t.vhost()
    declare(t, vhost, "p", {"max-length": 7, "dead-letter-exchange": "dlx"}, priority="3")
    for listing in (("policies", "list"), ("list", "policies"), ("policies", "list_in")):
        row = t.row("vhost", vhost, *listing, vhost=vhost)
        equal((row["name"], row["pattern"], row["apply_to"], row["priority"]),
              ("p", "^q", "queues", "3"))
        equal(sorted(row["definition"].split("\n")),
              ['dead-letter-exchange: "dlx"', "max-length: 7"])
    t.ok("policies", "delete", "--name", "p", vhost=vhost)
    t.refused("404 Not Found", "delete", "policy", "--name", "p", vhost=vhost)
    t.ok("delete", "policy", "--name", "p", "--idempotently", vhost=vhost)
    equal(t.rows("policies", "list_in", vhost=vhost), [])


@check
def policy_applies_to_queues(t):
    vhost = t.vhost()
    t.ok("queues", "declare", "--name", "q1", vhost=vhost)
    t.ok("queues", "declare", "--name", "other", vhost=vhost)
    declare(t, vhost, "p", {"max-length": 7})

    def applied():
        rows = t.rows("queues", "list", "--columns", "name,policy", vhost=vhost)
        return {row["name"]: row["policy"] for row in rows}
    eventually(lambda: applied() == {"q1": "p", "other": ""}, "the policy to apply")
    equal([row["name"] for row in t.rows("policies", "list_matching_object", "--name", "q1",
                                         "--type", "queues", vhost=vhost)], ["p"])
    equal(t.rows("policies", "list_matching_object", "--name", "other", "--type", "queues",
                 vhost=vhost), [])


@check
def policy_definitions_can_be_edited(t):
    vhost = t.vhost()
    declare(t, vhost, "p", {"max-length": 7})
    t.ok("policies", "patch", "--name", "p", "--definition", '{"expires": 60000}', vhost=vhost)
    equal(definition(t, vhost, "p"), {"max-length": "7", "expires": "60000"})
    t.ok("policies", "update_definition", "--name", "p", "--definition-key", "max-length",
         "--new-value", "9", vhost=vhost)
    equal(definition(t, vhost, "p"), {"max-length": "9", "expires": "60000"})
    t.ok("policies", "update_definitions_of_all_in", "--definition-key", "expires",
         "--new-value", "70000", vhost=vhost)
    equal(definition(t, vhost, "p")["expires"], "70000")
    t.ok("policies", "delete_definition_keys", "--name", "p", "--definition-keys", "expires",
         vhost=vhost)
    equal(definition(t, vhost, "p"), {"max-length": "9"})
    t.ok("policies", "patch", "--name", "p", "--definition", '{"expires": 60000}', vhost=vhost)
    t.ok("policies", "delete_definition_keys_from_all_in", "--definition-keys", "expires",
         vhost=vhost)
    equal(definition(t, vhost, "p"), {"max-length": "9"})


@check
def overriding_and_blanket_policies(t):
    vhost = t.vhost()
    declare(t, vhost, "p", {"max-length": 7}, priority="3")
    t.ok("policies", "declare_override", "--name", "p", "--override-name", "o",
         "--definition", '{"max-length": 17}', vhost=vhost)
    t.ok("policies", "declare_blanket", "--name", "b", "--apply-to", "queues",
         "--definition", '{"max-length": 1}', vhost=vhost)
    rows = {row["name"]: row for row in t.rows("policies", "list_in", vhost=vhost)}
    equal(sorted(rows), ["b", "o", "p"])
    assert int(rows["o"]["priority"]) > 3 > int(rows["b"]["priority"]), rows
    equal(rows["o"]["definition"], "max-length: 17")
    t.ok("policies", "list_conflicting", vhost=vhost)
    equal(t.rows("policies", "list_conflicting_in", vhost=vhost), [])


@check
def policy_with_an_unknown_key_is_refused(t):
    t.refused("not recognised policy settings", "policies", "declare", "--name", "p",
              "--pattern", ".*", "--apply-to", "queues", "--definition", '{"nonsense": 1}',
              vhost=t.vhost())


@check
def policy_with_a_bad_pattern_is_refused(t):
    t.refused("should be regular expression", "policies", "declare", "--name", "p", "--pattern", "(", "--apply-to",
              "queues", "--definition", '{"max-length": 1}', vhost=t.vhost())


@check
def operator_policy_declare_edit_delete(t):
    vhost = t.vhost()
    kind = "operator_policies"
    declare(t, vhost, "o", {"max-length": 70}, kind=kind, pattern=".")
    for listing in ((kind, "list"), ("list", kind), (kind, "list_in")):
        row = t.row("vhost", vhost, *listing, vhost=vhost)
        equal((row["name"], row["pattern"], row["apply_to"]), ("o", ".", "queues"))
    t.ok(kind, "patch", "--name", "o", "--definition", '{"expires": 60000}', vhost=vhost)
    t.ok(kind, "update_definition", "--name", "o", "--definition-key", "max-length",
         "--new-value", "9", vhost=vhost)
    equal(definition(t, vhost, "o", kind), {"max-length": "9", "expires": "60000"})
    t.ok(kind, "delete_definition_keys", "--name", "o", "--definition-keys", "expires",
         vhost=vhost)
    equal(definition(t, vhost, "o", kind), {"max-length": "9"})
    t.ok("queues", "declare", "--name", "q1", vhost=vhost)
    eventually(lambda: t.row("name", "q1", "queues", "show", "--name", "q1",
                             vhost=vhost)["operator_policy"] == "o", "the policy to apply")
    t.ok(kind, "delete", "--name", "o", vhost=vhost)
    t.refused("404 Not Found", "delete", "operator_policy", "--name", "o", vhost=vhost)
    t.ok("declare", "operator_policy", "--name", "o", "--pattern", ".", "--apply-to", "queues",
         "--definition", '{"max-length": 70}', vhost=vhost)
    t.ok("delete", "operator_policy", "--name", "o", vhost=vhost)


@check
def operator_policy_cannot_set_a_dead_letter_exchange(t):
    t.refused("not recognised policy settings", "operator_policies", "declare", "--name", "o",
              "--pattern", ".*", "--apply-to", "queues",
              "--definition", '{"dead-letter-exchange": "x"}', vhost=t.vhost())
